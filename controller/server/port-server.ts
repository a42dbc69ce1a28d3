// The life of an HTTP or HTTPS server of the control plane: opened on one port, closed at once. Knows nothing of requests.

import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';

export interface PortServerOptions {
  /** '' is every address. */
  readonly host: string;
  /** 0 lets the system choose; see `port`. */
  readonly port: number;
  /** A connection could not be accepted, e.g. code `EMFILE`; the server goes on. Must not throw. */
  readonly onError: (error: Error) => void;
}

export class PortServer {
  readonly #server: HttpServer | HttpsServer;
  readonly #options: PortServerOptions;
  /** As accepted, below TLS: the server's `closeAllConnections` does not know those whose handshake has not ended. */
  readonly #accepted = new Set<Socket>();

  constructor(server: HttpServer | HttpsServer, options: PortServerOptions) {
    this.#server = server;
    this.#options = options;
    server.on('connection', (socket: Socket) => {
      this.#accepted.add(socket);
      socket.once('close', () => this.#accepted.delete(socket));
    });
  }

  /** Starts to listen. Rejects with the system's error, e.g. code `EADDRINUSE`, when the port cannot be opened. */
  async open(): Promise<void> {
    const { host, port, onError } = this.#options;
    this.#server.listen({ port, ...(host === '' ? {} : { host }) });
    await once(this.#server, 'listening');
    // A failed accept (no file descriptor left) concerns one connection; unheard, it would end the process.
    this.#server.on('error', onError);
  }

  /** The port that is open; before that, the one that was asked for. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : this.#options.port;
  }

  /** Stops at once: open connections are cut. May be called in any state, also twice. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    for (const socket of this.#accepted) socket.destroy();
    await once(this.#server, 'close');
  }
}
