// The endpoints of all Services of a test run: one HTTP server that listens on every loopback address of one port. The
// address that a connection came to says which endpoint it is, so that a hundred Services with endpoints of their own
// cost one socket, and what came is told apart whatever the proxy has done to the request.

import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocketServer } from 'ws';

/** A request as an endpoint got it. */
export interface Call {
  /** Name of the endpoint: `web0`, `web1`, ... */
  readonly endpoint: string;
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Remote port: tells connections apart. */
  readonly connection: number;
  /** Counts the calls of this endpoint, from 1. */
  readonly nth: number;
  /** When it was complete, of the process's monotonic clock. */
  readonly atMs: number;
}

/** What an endpoint does: an answer (default 200 with its name), `reset` of the connection, or nothing ever (`silence`). */
export type Reply =
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      /** Before the head is sent. */
      readonly afterMs?: number;
    }
  | 'reset'
  | 'silence'
  /** Bytes that are no HTTP. */
  | 'garbage';

export type Answerer = (call: Call) => Reply | Promise<Reply>;

/** Who answers at an address. */
export interface Listener {
  readonly name: string;
  onCall(call: Omit<Call, 'nth'>): Reply | Promise<Reply>;
}

/** Longer than any test: an endpoint that closes idle connections would be a fault of its own. */
const keepAliveMs = 600_000;

export class Endpoints implements AsyncDisposable {
  readonly port: number;
  /** Where the same endpoints have a gRPC health service. */
  readonly grpcPort: number;
  readonly #listeners: Map<string, Listener>;
  readonly #open: ReadonlySet<Socket>;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    ports: readonly [number, number],
    { listeners, open }: { readonly listeners: Map<string, Listener>; readonly open: ReadonlySet<Socket> },
    stack: AsyncDisposableStack,
  ) {
    [this.port, this.grpcPort] = ports;
    this.#listeners = listeners;
    this.#open = open;
    this.#stack = stack;
  }

  static async start(): Promise<Endpoints> {
    await using stack = new AsyncDisposableStack();
    const listeners = new Map<string, Listener>();
    const web = createServer({ keepAliveTimeout: keepAliveMs }, (request, response) => {
      answer(listeners, request, response).catch((error: unknown) => response.destroy(error as Error));
    });
    const grpc = createHttp2Server().on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      answerHealthCheck(listeners, stream, headers).catch((error: unknown) => stream.destroy(error as Error));
    });
    upgradeToWebSockets(web, listeners);
    const open = new Set<Socket>();
    const ports = [await listen(web, stack, open), await listen(grpc, stack, open)] as const;
    return new Endpoints(ports, { listeners, open }, stack.move());
  }

  /** Puts an endpoint at a loopback address. */
  add(address: string, listener: Listener): void {
    this.#listeners.set(address, listener);
  }

  /** Open connections to an address. */
  connectionsTo(address: string): number {
    return [...this.#open].filter(({ localAddress }) => localAddress === address).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Opens a free port on all addresses; the stack closes it, with what is connected to it. */
async function listen(server: Server, stack: AsyncDisposableStack, open: Set<Socket>): Promise<number> {
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  stack.defer(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of open) socket.destroy();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}

/** A WebSocket first hears the name of its endpoint, then its own words again. */
function upgradeToWebSockets(server: HttpServer, listeners: ReadonlyMap<string, Listener>): void {
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.send(listeners.get(request.socket.localAddress ?? '')?.name ?? '');
      webSocket.on('message', (data) => webSocket.send(`${data}`));
    });
  });
}

async function answer(
  listeners: ReadonlyMap<string, Listener>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { socket, method = '', url = '', headers } = request;
  const listener = listeners.get(socket.localAddress ?? '');
  const connection = socket.remotePort ?? 0;
  const body = (await request.setEncoding('utf8').toArray()).join('');
  if (listener === undefined) return void response.writeHead(421).end();
  const atMs = performance.now();
  const reply = await listener.onCall({ endpoint: listener.name, method, path: url, headers, body, connection, atMs });
  await give(reply, listener.name, response, socket);
}

async function give(reply: Reply, name: string, response: ServerResponse, socket: Socket): Promise<void> {
  if (reply === 'silence') return;
  if (reply === 'reset') return void socket.resetAndDestroy();
  if (reply === 'garbage') return void socket.end('NONSENSE\r\n\r\n');
  if (reply.afterMs !== undefined) await delay(reply.afterMs, null, { ref: false });
  response.writeHead(reply.status ?? 200, reply.headers).end(reply.body ?? name);
}

/** grpc.health.v1.Health/Check: SERVING where the listener answers 200. The body of the call is the service asked for. */
async function answerHealthCheck(
  listeners: ReadonlyMap<string, Listener>,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): Promise<void> {
  const { localAddress, remotePort = 0 } = stream.session?.socket ?? {};
  const message = Buffer.concat((await stream.toArray()) as Buffer[]);
  const listener = listeners.get(localAddress ?? '');
  if (listener === undefined) return stream.close();
  // Behind the frame (5 bytes) field 1 with its length (2 bytes).
  const body = message.subarray(7).toString();
  const { ':path': path = '', ':method': method = '' } = headers;
  const call = {
    endpoint: listener.name,
    method,
    path,
    headers,
    body,
    connection: remotePort,
    atMs: performance.now(),
  };
  const reply = await listener.onCall(call);
  const isServing = typeof reply === 'object' && (reply.status ?? 200) === 200;
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, isServing ? 1 : 2]));
}
