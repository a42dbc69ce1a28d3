// An origin whose behaviour each request names in its path: `/<id>/<reply>/<size>`. It reads requests strictly by their
// framing, notes what it got, and answers in pieces, so that a proxy's mistakes show as a wrong id or a wrong body.

import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';

/**
 * How a request is answered. `length`, `chunked`, `close`, `empty`: completely, in that framing. `early`: completely, but
 * before the request body. `die`: the connection is closed without a byte. `garbage`: with something that is no response.
 * `cut`: the connection is closed amid the body.
 */
export type Reply = 'length' | 'chunked' | 'close' | 'empty' | 'early' | 'die' | 'garbage' | 'cut';

export interface ReceivedRequest {
  readonly method: string;
  readonly id: string;
  readonly body: string;
}

/** The body that the request with this id gets: as long as asked, and like no other's. */
export function bodyOf(id: string, size: number): string {
  return `${id}.`.repeat(Math.ceil(size / (id.length + 1))).slice(0, size);
}

export class ScriptedOrigin {
  readonly port: number;
  /** Complete requests, in the order they came. */
  readonly received: ReceivedRequest[] = [];
  /** Heads that could not be read: the proxy lost its framing. */
  readonly broken: string[] = [];
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  constructor(server: net.Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => this.#serve(socket));
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  #serve(socket: net.Socket): void {
    let pending = '';
    this.#sockets.add(socket);
    socket.setEncoding('latin1');
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (text: string) => {
      pending += text;
      for (let rest = this.#takeRequest(socket, pending); rest !== null; rest = this.#takeRequest(socket, pending)) {
        pending = rest;
      }
    });
  }

  /** Takes one request off the front and answers it; null while it is not complete. */
  #takeRequest(socket: net.Socket, pending: string): string | null {
    const headEnd = pending.indexOf('\r\n\r\n');
    if (headEnd === -1) return null;
    const match = /^(\w+) \/(\w+)\/(\w+)\/(\d+) HTTP\/1\.1\r\n/.exec(pending);
    if (match === null) {
      this.broken.push(pending.slice(0, 200));
      socket.destroy();
      return null;
    }
    const [, method = '', id = '', reply = '', size = ''] = match;
    const body = takeBody(pending.slice(0, headEnd + 2), pending.slice(headEnd + 4));
    if (reply === 'early') {
      socket.end(render('early', id, Number(size)), 'latin1');
      return null;
    }
    if (body === null) return null;
    this.received.push({ method, id, body: body.text });
    this.#answer(socket, reply as Reply, id, Number(size));
    return body.rest;
  }

  #answer(socket: net.Socket, reply: Reply, id: string, size: number): void {
    if (reply === 'die') {
      socket.destroy();
      return;
    }
    const text = render(reply, id, size);
    // Two writes with a turn between them: a head or a chunk may come in pieces.
    const middle = (id.length * 7919 + size) % text.length;
    socket.write(text.slice(0, middle), 'latin1');
    setImmediate(() => {
      if (reply === 'close' || reply === 'cut' || reply === 'garbage') socket.end(text.slice(middle), 'latin1');
      else if (!socket.destroyed) socket.write(text.slice(middle), 'latin1');
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export async function startScriptedOrigin(): Promise<ScriptedOrigin> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new ScriptedOrigin(server);
}

function takeBody(head: string, rest: string): { text: string; rest: string } | null {
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(head);
  if (length !== null) {
    const size = Number(length[1]);
    return rest.length < size ? null : { text: rest.slice(0, size), rest: rest.slice(size) };
  }
  if (!/\r\ntransfer-encoding: chunked\r\n/i.test(head)) return { text: '', rest };
  let at = 0;
  let text = '';
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(rest.slice(at, lineEnd), 16);
    if (rest.length < lineEnd + 4 + size) return null;
    text += rest.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 4 + size;
    if (size === 0) return { text, rest: rest.slice(at) };
  }
}

function render(reply: Reply, id: string, size: number): string {
  const body = bodyOf(id, size);
  switch (reply) {
    case 'length':
      return `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\nContent-Length: ${size}\r\n\r\n${body}`;
    case 'early':
      return `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n${body}`;
    case 'chunked':
      return `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\nTransfer-Encoding: chunked\r\n\r\n${chunks(body)}0\r\n\r\n`;
    case 'close':
      return `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\n\r\n${body}`;
    case 'empty':
      return `HTTP/1.1 204 No Content\r\nX-Id: ${id}\r\n\r\n`;
    case 'cut':
      return `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\nContent-Length: ${size + 1}\r\n\r\n${body}`;
    default:
      return 'HTTP/1.1 what?\r\n\r\n';
  }
}

/** Frames `body` in chunks of uneven sizes. */
export function chunks(body: string): string {
  let out = '';
  for (let at = 0, size = 1; at < body.length; at += size, size = (size * 3) % 10_007) {
    const part = body.slice(at, at + size);
    out += `${part.length.toString(16)}\r\n${part}\r\n`;
  }
  return out;
}
