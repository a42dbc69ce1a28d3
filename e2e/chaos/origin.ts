// An endpoint that can die at any moment: one address with an HTTP/1.1 and WebSocket server and a gRPC service, all of
// which go at once, with everything that is open, as if the process had been killed.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Server, Socket } from 'node:net';
import { WebSocketServer } from 'ws';

/** What all endpoints have in common. */
export interface OriginContext {
  readonly port: number;
  readonly grpcPort: number;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  /** Deliveries of each request that must not be repeated, by its id. */
  readonly deliveries: Map<string, number>;
  /** Requests wait here as long as it is set. */
  hold: Promise<void> | null;
  /** Requests that are being answered. */
  underWay: number;
}

/** Longest time to think about a request. */
const MAX_DELAY_MS = 15;

export class ChaosOrigin implements AsyncDisposable {
  readonly name: string;
  readonly address: string;
  isAlive = false;
  readonly #context: OriginContext;
  readonly #sockets = new Set<Socket>();
  readonly #servers: readonly { readonly server: Server; readonly port: number }[];

  private constructor(name: string, address: string, context: OriginContext) {
    this.name = name;
    this.address = address;
    this.#context = context;
    const web = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
      // Its client may be gone by then, or this endpoint itself.
      this.#answer(request, response).catch(() => response.destroy());
    });
    const echo = new WebSocketServer({ noServer: true });
    web.on('upgrade', (request, socket, head) => {
      echo.handleUpgrade(request, socket, head, (webSocket) => {
        webSocket.on('error', () => {});
        webSocket.send(name);
        webSocket.on('message', (data) => webSocket.send(String(data)));
      });
    });
    const grpc = createHttp2Server().on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on('error', () => {});
      this.#answerCall(stream, headers).catch(() => stream.destroy());
    });
    this.#servers = [
      { server: web, port: context.port },
      { server: grpc, port: context.grpcPort },
    ];
    for (const { server } of this.#servers) {
      server.on('connection', (socket: Socket) => {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.once('close', () => this.#sockets.delete(socket));
      });
    }
  }

  static async start(name: string, address: string, context: OriginContext): Promise<ChaosOrigin> {
    const origin = new ChaosOrigin(name, address, context);
    await origin.revive();
    return origin;
  }

  /** Connections are reset, further ones refused. */
  async die(): Promise<void> {
    this.isAlive = false;
    const closed = this.#servers.map(({ server }) => new Promise((resolve) => server.close(resolve)));
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await Promise.all(closed);
  }

  async revive(): Promise<void> {
    for (const { server, port } of this.#servers) {
      await new Promise<void>((resolve) => server.listen(port, this.address, resolve));
    }
    this.isAlive = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isAlive) await this.die();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers, method = '' } = request;
    const id = String(headers['x-id']);
    if (method === 'POST') this.#noteDelivery(id);
    let bytes = 0;
    for await (const chunk of request) bytes += (chunk as Buffer).length;
    await this.#work();
    // In one piece: an answer that has begun cannot be asked for again elsewhere.
    const body = `${id} ${method} ${bytes}`;
    response.writeHead(200, { 'x-origin': this.name, 'content-length': body.length }).end(body);
  }

  /** A unary call; the message is given back. */
  async #answerCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    this.#noteDelivery(String(headers['x-id']));
    const message = Buffer.concat((await stream.toArray()) as Buffer[]);
    await this.#work();
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(message);
  }

  #noteDelivery(id: string): void {
    const { deliveries } = this.#context;
    deliveries.set(id, (deliveries.get(id) ?? 0) + 1);
  }

  async #work(): Promise<void> {
    const context = this.#context;
    context.underWay++;
    try {
      await new Promise((resolve) => setTimeout(resolve, context.random() * MAX_DELAY_MS));
      await context.hold;
    } finally {
      context.underWay--;
    }
  }
}
