// Origins for wire tests: one that speaks raw bytes by script, one that is node:http.

import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';

/** A raw origin: `handle` gets each connection; everything it received is recorded. */
export class RawOrigin {
  readonly port: number;
  /** What each connection sent, in order of connection. */
  readonly received: string[];
  readonly sockets: net.Socket[];
  readonly #server: net.Server;

  constructor(server: net.Server, received: string[], sockets: net.Socket[]) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    this.received = received;
    this.sockets = sockets;
  }

  get connections(): number {
    return this.received.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Starts a raw origin. `onData` sees all that a connection has sent so far and may write. */
export async function startRawOrigin(
  onData: (socket: net.Socket, receivedSoFar: string, connection: number) => void,
): Promise<RawOrigin> {
  const received: string[] = [];
  const sockets: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    const connection = received.push('') - 1;
    sockets.push(socket);
    socket.setEncoding('latin1');
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('data', (text: string) => {
      received[connection] += text;
      onData(socket, received[connection] as string, connection);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new RawOrigin(server, received, sockets);
}

/** A raw origin that answers each complete request head with `response`. */
export function startReplyingOrigin(response: string): Promise<RawOrigin> {
  const answered = new Map<net.Socket, number>();
  return startRawOrigin((socket, soFar) => {
    const heads = soFar.split('\r\n\r\n').length - 1;
    for (let i = answered.get(socket) ?? 0; i < heads; i++) socket.write(response, 'latin1');
    answered.set(socket, heads);
  });
}

export class HttpOrigin {
  readonly server: http.Server;
  readonly port: number;

  constructor(server: http.Server) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** Starts a node:http origin on a free loopback port. */
export async function startHttpOrigin(handler: http.RequestListener): Promise<HttpOrigin> {
  const server = http.createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new HttpOrigin(server);
}
