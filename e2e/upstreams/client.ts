// Requests of one client to a Sluice process: on one kept connection, or each on its own.

import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

export interface Asked {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly scheme?: 'http' | 'https';
  /** Loopback address of the client. Default 127.0.0.1. */
  readonly from?: string;
  /** On a connection of its own. Default: one that is kept. */
  readonly fresh?: boolean;
}

export interface Told {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** From the request to the end of the response. */
  readonly tookMs: number;
  /** Local port: tells connections apart. */
  readonly connection: number;
}

export interface Ports {
  readonly http: number;
  readonly https: number;
}

/** More than anything here may take; what never ends fails with it. */
const limitMs = 15_000;

export class Client {
  readonly #ports: Ports;
  readonly #host: string;
  readonly #kept = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #keptTls = new HttpsAgent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });

  constructor(ports: Ports, host: string) {
    this.#ports = ports;
    this.#host = host;
  }

  /** Resolves with the whole answer; rejects when the connection breaks or nothing ends within 15 s. */
  ask(asked: Asked = {}): Promise<Told> {
    const {
      path = '/',
      method = 'GET',
      headers = {},
      body,
      scheme = 'http',
      from = '127.0.0.1',
      fresh = false,
    } = asked;
    const isTls = scheme === 'https';
    const kept = isTls ? this.#keptTls : this.#kept;
    const startedAtMs = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<Told>();
    const request = (isTls ? httpsRequest : httpRequest)({
      host: '127.0.0.1',
      port: this.#ports[scheme],
      path,
      method,
      headers: {
        host: this.#host,
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
        ...headers,
      },
      // A kept connection comes from one address only.
      ...(fresh || from !== '127.0.0.1' ? { agent: false, localAddress: from } : { agent: kept }),
      ...(isTls ? { rejectUnauthorized: false, servername: this.#host } : {}),
      signal: AbortSignal.timeout(limitMs),
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const connection = response.socket.localPort ?? 0;
      readAll(response).then((text) => {
        const { statusCode: status = 0, headers: received } = response;
        resolve({ status, headers: received, body: text, tookMs: performance.now() - startedAtMs, connection });
      }, reject);
    });
    request.end(body);
    return promise;
  }

  close(): void {
    this.#kept.destroy();
    this.#keptTls.destroy();
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  return (await response.setEncoding('latin1').toArray()).join('');
}
