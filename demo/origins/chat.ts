// A small chat over WebSocket: one page, one room. Shows that Upgrade, idle tunnels and many small frames get through.

import type { RequestListener, Server } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';

const HISTORY_LINES = 20;
const MAX_LINE_BYTES = 1024;

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sluice demo chat</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
  #lines { border: 1px solid #ccc; border-radius: 6px; height: 20rem; overflow: auto; padding: .5rem 1rem }
  form { display: flex; gap: .5rem; margin-top: 1rem }
  input { flex: 1; font: inherit; padding: .4rem }
</style>
<h1>Chat</h1>
<div id="lines" role="log"></div>
<form><input id="line" maxlength="200" placeholder="Say something" autofocus><button>Send</button></form>
<script>
  const lines = document.getElementById('lines');
  const show = (text) => {
    const line = document.createElement('div');
    line.textContent = text;
    lines.append(line);
    lines.scrollTop = lines.scrollHeight;
  };
  const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws');
  socket.onopen = () => show('* connected');
  socket.onmessage = (event) => show(event.data);
  socket.onclose = () => show('* connection closed, reload to join again');
  document.querySelector('form').onsubmit = (event) => {
    event.preventDefault();
    const input = document.getElementById('line');
    if (input.value !== '' && socket.readyState === WebSocket.OPEN) socket.send(input.value);
    input.value = '';
  };
</script>
</html>
`;

/** The page at every path; the room itself is `/ws`. */
export const chatPage: RequestListener = (request, response) => {
  request.resume();
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-length': Buffer.byteLength(PAGE) });
  response.end(request.method === 'HEAD' ? undefined : PAGE);
};

/**
 * Opens the room on a running server. Every line goes to all guests; a new guest gets the last lines. The function it
 * returns sends everybody home: a server does not close while guests are there.
 */
export function openChatRoom(server: Server): () => void {
  const room = new WebSocketServer({ server, path: '/ws', maxPayload: MAX_LINE_BYTES });
  const history: string[] = [];
  let guests = 0;

  function say(line: string): void {
    history.push(line);
    if (history.length > HISTORY_LINES) history.shift();
    for (const guest of room.clients) guest.send(line);
  }

  room.on('connection', (guest: WebSocket) => {
    const name = `guest ${++guests}`;
    for (const line of history) guest.send(line);
    say(`* ${name} joined`);
    guest.on('message', (data, isBinary) => {
      if (!isBinary) say(`${name}: ${data.toString()}`);
    });
    guest.on('close', () => say(`* ${name} left`));
    // A frame that is too large or malformed: ws closes that guest, the room goes on.
    guest.on('error', () => guest.terminate());
  });

  return () => {
    for (const guest of room.clients) guest.terminate();
  };
}
