// The endpoints of all Services of a test run: one HTTP server that listens on every loopback address of one port. The
// address that a connection came to says which endpoint it is, so that a hundred Services with endpoints of their own
// cost one socket, and what came is told apart whatever the proxy has done to the request.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

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
  onCall(call: Call): Reply | Promise<Reply>;
}

/** Longer than any test: an endpoint that closes idle connections would be a fault of its own. */
const keepAliveMs = 600_000;

export class Endpoints implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #listeners: Map<string, Listener>;

  private constructor(server: Server, listeners: Map<string, Listener>) {
    this.#server = server;
    this.#listeners = listeners;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(): Promise<Endpoints> {
    const listeners = new Map<string, Listener>();
    const server = createServer({ keepAliveTimeout: keepAliveMs }, (request, response) => {
      answer(listeners, request, response).catch((error: unknown) => response.destroy(error as Error));
    });
    await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
    return new Endpoints(server, listeners);
  }

  /** Puts an endpoint at a loopback address. */
  add(address: string, listener: Listener): void {
    this.#listeners.set(address, listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
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
  const reply = await listener.onCall({ endpoint: listener.name, method, path: url, headers, body, connection });
  await give(reply, listener.name, response, socket);
}

async function give(reply: Reply, name: string, response: ServerResponse, socket: Socket): Promise<void> {
  if (reply === 'silence') return;
  if (reply === 'reset') return void socket.resetAndDestroy();
  if (reply === 'garbage') return void socket.end('NONSENSE\r\n\r\n');
  if (reply.afterMs !== undefined) await delay(reply.afterMs, null, { ref: false });
  response.writeHead(reply.status ?? 200, reply.headers).end(reply.body ?? name);
}
