// Constant load of GET, PUT and POST over HTTP/1.1 or HTTP/2. Every POST has an id of its own, and is sent once.

import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';

export interface Outcome {
  readonly method: string;
  /** 0: no response at all. */
  readonly status: number;
  readonly body: string;
}

export type ClientProtocol = 'http' | 'http2';
type Ask = (method: string, id: number) => Promise<Outcome>;

const CLIENTS = 16;
const MIXED = ['POST', 'PUT', 'GET', 'GET'] as const;

export class MixedLoad {
  readonly outcomes: Outcome[] = [];
  readonly #ask: Ask;
  readonly #close: () => void;
  readonly #methods: readonly string[];
  #next = 0;

  /** `methods` are sent in turn. */
  constructor(protocol: ClientProtocol, port: number, methods: readonly string[] = MIXED) {
    this.#methods = methods;
    const client = protocol === 'http' ? http1Client(port) : http2Client(port);
    this.#ask = client.ask;
    this.#close = client.close;
  }

  /** Those of the outcomes that no client should have seen: whatever may be repeated and was not answered well. */
  get spoiled(): readonly Outcome[] {
    return this.outcomes.filter(({ method, status, body }) => method !== 'POST' && (status !== 200 || body !== 'ok'));
  }

  get postStatuses(): ReadonlySet<number> {
    return new Set(this.outcomes.filter(({ method }) => method === 'POST').map(({ status }) => status));
  }

  /** 16 clients send one request after the other until `isOver`, which is asked after each response. */
  async run(isOver: () => boolean): Promise<void> {
    const client = async () => {
      while (!isOver()) {
        const id = this.#next++;
        this.outcomes.push(await this.#ask(this.#methods[id % this.#methods.length] as string, id));
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
  }

  /** Sends so many more requests. */
  async runFor(count: number): Promise<void> {
    const until = this.outcomes.length + count;
    await this.run(() => this.outcomes.length >= until);
  }

  close(): void {
    this.#close();
  }
}

interface Client {
  readonly ask: Ask;
  readonly close: () => void;
}

function http1Client(port: number): Client {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS });
  const ask: Ask = async (method, id) => {
    const headers = { 'x-id': `${id}`, host: 'a' };
    const request = http.request({ port, host: '127.0.0.1', agent, method, headers });
    // Also after the head of its response: the body tells then.
    request.on('error', () => {});
    request.end(method === 'GET' ? undefined : 'body');
    try {
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      let body = '';
      for await (const chunk of response) body += String(chunk);
      return { method, status: response.statusCode ?? 0, body };
    } catch {
      return { method, status: 0, body: '' };
    }
  };
  return { ask, close: () => agent.destroy() };
}

/** All of them over one connection. */
function http2Client(port: number): Client {
  const session = http2.connect(`http://127.0.0.1:${port}`).on('error', () => {});
  const ask: Ask = async (method, id) => {
    const stream = session.request({ ':method': method, ':path': '/', ':authority': 'a', 'x-id': `${id}` });
    stream.end(method === 'GET' ? undefined : 'body');
    try {
      const [head] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & { ':status'?: number }];
      let body = '';
      for await (const chunk of stream) body += String(chunk);
      return { method, status: head[':status'] ?? 0, body };
    } catch {
      return { method, status: 0, body: '' };
    }
  };
  return { ask, close: () => session.destroy() };
}
