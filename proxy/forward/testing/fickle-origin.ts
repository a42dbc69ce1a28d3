// An origin that can turn bad in every way that passive health and further attempts are for, over HTTP/1.1 or HTTP/2. It
// notes the id of every POST when its head arrives: what it does with it then is what the proxy cannot know.

import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';

export type FickleMode = 'ok' | 'silent' | 'resetOnReuse' | 'failing' | 'slowHead' | 'brokenHead' | 'slowBody';
export type OriginProtocol = 'http' | 'http2';

type Request = http.IncomingMessage | http2.Http2ServerRequest;
type Response = http.ServerResponse | http2.Http2ServerResponse;

/** How long what is slow takes: longer than the proxy gives an attempt. */
const SLOW_MS = 600;

export class FickleOrigin {
  mode: FickleMode = 'ok';
  served = 0;
  port = 0;
  /** Ids of the POSTs that came, of all origins that share the list. */
  readonly #posts: string[];
  readonly #server: http.Server | http2.Http2Server;
  /** Connections that a request has come on. */
  readonly #used = new WeakSet<Socket>();
  readonly #open = new Set<Socket>();
  /** How many responses each connection is amid. */
  readonly #sending = new Map<Socket, number>();
  /** Connections that are reset, or will be as soon as no response is amid. */
  readonly #ending = new WeakSet<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();

  private constructor(protocol: OriginProtocol, posts: string[]) {
    this.#posts = posts;
    const answer = (request: Request, response: Response) => this.#answer(request, response);
    this.#server = protocol === 'http' ? http.createServer(answer) : http2.createServer(answer);
    if (this.#server instanceof http.Server) this.#server.keepAliveTimeout = 0;
    this.#server.on('connection', (socket: Socket) => {
      this.#open.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => this.#open.delete(socket));
    });
    this.#server.on('sessionError', () => {});
  }

  static async start(protocol: OriginProtocol, posts: string[]): Promise<FickleOrigin> {
    const origin = new FickleOrigin(protocol, posts);
    await origin.revive();
    return origin;
  }

  /** Closes the port and resets all connections, as the end of a process does. */
  async kill(): Promise<void> {
    const closed = once(this.#server, 'close');
    for (const socket of this.#open) this.#reset(socket);
    this.#server.close();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    await closed;
  }

  /** Listens again on the same port. */
  async revive(): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.kill();
  }

  #answer(request: Request, response: Response): void {
    if (request.method === 'POST') this.#posts.push(String(request.headers['x-id']));
    request.on('error', () => {});
    response.on('error', () => {});
    const { socket } = 'stream' in request ? (request.stream.session ?? { socket: null }) : request;
    // Compat requests of a session that is gone have no socket any more.
    if (socket === null || socket === undefined) return;
    const connection = this.#connectionOf(socket);
    if (this.mode === 'resetOnReuse' && this.#used.has(connection)) return this.#reset(connection);
    this.#used.add(connection);
    request.resume();
    request.once('end', () => this.#reply(response, connection));
  }

  /**
   * Resets a connection, but not amid a quick response: over HTTP/2 Node sends its head, its body and its end one after
   * the other, and what breaks off between them nobody can hide from a client.
   */
  #reset(connection: Socket): void {
    if (this.#ending.has(connection)) return;
    this.#ending.add(connection);
    this.#resetWhenSent(connection);
  }

  #resetWhenSent(connection: Socket): void {
    if (this.#sending.has(connection)) return void setImmediate(() => this.#resetWhenSent(connection));
    // A reset of what is ending already fails in Node, and leaves the socket open for good.
    if (connection.writableEnded) connection.destroy();
    else connection.resetAndDestroy();
  }

  /** Sends a whole response, or nothing. */
  #send(response: Response, connection: Socket, body: string): void {
    if (this.#ending.has(connection)) return;
    this.#sending.set(connection, (this.#sending.get(connection) ?? 0) + 1);
    // What Node has taken it sends at the end of this turn.
    response.once('close', () => setImmediate(() => this.#sent(connection)));
    response.end(body);
  }

  #sent(connection: Socket): void {
    const others = (this.#sending.get(connection) ?? 0) - 1;
    if (others > 0) this.#sending.set(connection, others);
    else this.#sending.delete(connection);
  }

  /** The socket itself: HTTP/2 sessions show a stand-in for it. */
  #connectionOf(socket: { readonly remotePort?: number | undefined }): Socket {
    for (const each of this.#open) if (each.remotePort === socket.remotePort) return each;
    return socket as Socket;
  }

  #reply(response: Response, connection: Socket): void {
    this.served++;
    switch (this.mode) {
      case 'silent':
        return;
      case 'failing':
        response.statusCode = 503;
        return this.#send(response, connection, '');
      case 'slowHead':
        return this.#later(() => response.end('ok'));
      case 'brokenHead':
        response.socket?.write('HTTP/1.1 200 OK\r\nX-Slow: ');
        return;
      case 'slowBody':
        (response as http.ServerResponse).write('o');
        return this.#later(() => response.end('k'));
      default:
        this.#send(response, connection, 'ok');
    }
  }

  #later(act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, SLOW_MS);
    this.#timers.add(timer);
  }
}
