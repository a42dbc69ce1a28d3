// A pod: an HTTP/1.1 and WebSocket server that tells who it is and who asks, and that takes SIGTERM in one of three ways.
//
// Hundreds are started in one test, so it is on bare sockets: node:http alone would double what a start costs. It reads
// what a proxy sends (one request at a time, a body with Content-Length), not what an attacker does.
//
// Arguments: name, address, port, behaviour. Writes one line when it listens.

import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';

const [name = '', address = '', port = '', behaviour = 'drain'] = process.argv.slice(2);

/** How long a draining pod leaves WebSockets alone before it says good-bye. */
const WEB_SOCKET_DRAIN_MS = 100;
const WEB_SOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const idle = new Set<Socket>();
const webSockets = new Set<Socket>();
let isDraining = false;

const server = createServer({ noDelay: true }, (socket) => {
  let pending = Buffer.alloc(0);
  let isBusy = false;
  idle.add(socket);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => idle.delete(socket));
  const read = (): void => {
    const end = pending.indexOf('\r\n\r\n');
    if (isBusy || end === -1) return;
    const head = pending.toString('latin1', 0, end);
    const bodyBytes = Number(fieldOf(head, 'content-length') ?? 0);
    if (pending.length < end + 4 + bodyBytes) return;
    pending = pending.subarray(end + 4 + bodyBytes);
    idle.delete(socket);
    const key = fieldOf(head, 'sec-websocket-key');
    if (key !== undefined) {
      socket.off('data', take);
      startWebSocket(socket, key);
      return;
    }
    isBusy = true;
    setTimeout(
      () => {
        isBusy = false;
        answer(socket, head);
        if (isDraining) socket.end();
        else idle.add(socket);
        read();
      },
      Number(fieldOf(head, 'x-delay-ms') ?? 0),
    );
  };
  const take = (chunk: Buffer): void => {
    pending = Buffer.concat([pending, chunk]);
    read();
  };
  socket.on('data', take);
});

function fieldOf(head: string, field: string): string | undefined {
  return new RegExp(`^${field}: *(.*)$`, 'im').exec(head)?.[1]?.trim();
}

function answer(socket: Socket, head: string): void {
  const [method, path] = head.split(' ', 2);
  const body = JSON.stringify({ pod: name, path, via: socket.remoteAddress });
  const fields = ['content-type: application/json', `x-pod: ${name}`, `content-length: ${body.length}`];
  if (isDraining) fields.push('connection: close');
  // In one piece: an answer that has begun cannot be asked for again elsewhere.
  socket.write(`HTTP/1.1 200 OK\r\n${fields.join('\r\n')}\r\n\r\n${method === 'HEAD' ? '' : body}`);
}

/** RFC 6455, as far as short texts need it: first the name of the pod, then an echo. */
function startWebSocket(socket: Socket, key: string): void {
  const accept = createHash('sha1')
    .update(key + WEB_SOCKET_GUID)
    .digest('base64');
  webSockets.add(socket);
  socket.on('close', () => webSockets.delete(socket));
  const fields = ['upgrade: websocket', 'connection: Upgrade', `sec-websocket-accept: ${accept}`, `x-pod: ${name}`];
  const head = `HTTP/1.1 101 Switching Protocols\r\n${fields.join('\r\n')}\r\n\r\n`;
  // In one piece: a pod that is killed in between would have opened a socket that nobody can tell the end of.
  socket.write(Buffer.concat([Buffer.from(head, 'latin1'), textFrame(0x81, Buffer.from(name))]));
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      // Two bytes of head and four of mask (§5.2): messages here are shorter than 126 bytes.
      const bytes = (pending[1] ?? 0) & 0x7f;
      if (pending.length < 6 + bytes) return;
      const mask = pending.subarray(2, 6);
      const payload = pending.subarray(6, 6 + bytes).map((byte, i) => byte ^ (mask[i & 3] ?? 0));
      const opcode = (pending[0] ?? 0) & 0x0f;
      pending = pending.subarray(6 + bytes);
      if (opcode === 1) socket.write(textFrame(0x81, payload));
      if (opcode === 8) socket.end(textFrame(0x88, payload));
    }
  });
}

function textFrame(first: number, payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([first, payload.length]), payload]);
}

/** Takes no new connections, lets requests finish, ends what is idle, and leaves when all is done. */
function drain(): void {
  if (isDraining) return;
  isDraining = true;
  server.close(() => process.exit(0));
  for (const socket of idle) socket.end();
  setTimeout(() => {
    // 1001: going away (§7.4.1). The client's answer ends the connection.
    for (const socket of webSockets) socket.write(textFrame(0x88, Buffer.from([0x03, 0xe9])));
  }, WEB_SOCKET_DRAIN_MS);
}

process.on('SIGTERM', () => {
  if (behaviour === 'stop') process.exit(0);
  if (behaviour === 'drain') drain();
  // hang: as if nothing had been said.
});

server.listen(Number(port), address, () => writeSync(1, 'listening\n'));
