// A client for tests of the test API server: plain node:https, so that nothing between the test and the wire helps out.

import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { gunzipSync } from 'node:zlib';
import type { ObjectMeta } from '../objects.ts';
import type { ApiServer } from '../server.ts';

/**
 * An object, list, Table or Status as it came. Every member a test looks into is named as if it were always there: a
 * test that is wrong about that fails on undefined.
 */
export interface Answered {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: ObjectMeta & { readonly continue: string; readonly remainingItemCount: number };
  readonly spec: AnsweredSpec;
  readonly status: unknown;
  readonly data: unknown;
  readonly stringData: unknown;
  readonly endpoints: unknown;
  readonly ports: unknown;
  readonly items: readonly Answered[];
  readonly columnDefinitions: readonly { readonly name: string }[];
  readonly rows: readonly { readonly cells: readonly unknown[]; readonly object: unknown }[];
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly details: { readonly causes: readonly { readonly field: string; readonly message: string }[] };
}

interface AnsweredSpec {
  readonly ports: readonly { readonly port: number }[];
  readonly ingressClassName: string;
  readonly holderIdentity: string;
  readonly renewTime: string;
  readonly replicas: number;
  readonly nonsense: unknown;
}

export interface Response {
  readonly code: number;
  readonly body: Answered;
  readonly headers: IncomingHttpHeaders;
}

export interface Call {
  /** Sent as JSON; a text goes as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: the admin's. null sends none. */
  readonly token?: string | null;
}

/** What came over a watch: one entry per line. */
export interface WatchEvent {
  readonly type: string;
  readonly object: Answered;
  readonly atMs: number;
}

export class Client {
  readonly #server: ApiServer;
  /** Keeps connections, so that a test can tell old ones from new ones by taking another client. */
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(server: ApiServer) {
    this.#server = server;
    this.#agent =
      server.caPem === '' ? new HttpAgent({ keepAlive: true }) : new HttpsAgent({ keepAlive: true, ca: server.caPem });
  }

  get(path: string, call: Call = {}): Promise<Response> {
    return this.call('GET', path, call);
  }

  post(path: string, body: unknown, call: Call = {}): Promise<Response> {
    return this.call('POST', path, { ...call, body });
  }

  put(path: string, body: unknown, call: Call = {}): Promise<Response> {
    return this.call('PUT', path, { ...call, body });
  }

  delete(path: string, call: Call = {}): Promise<Response> {
    return this.call('DELETE', path, call);
  }

  patch(
    path: string,
    type: 'merge' | 'json' | 'strategic' | 'apply',
    body: unknown,
    call: Call = {},
  ): Promise<Response> {
    const contentType = {
      merge: 'application/merge-patch+json',
      json: 'application/json-patch+json',
      strategic: 'application/strategic-merge-patch+json',
      apply: 'application/apply-patch+yaml',
    }[type];
    return this.call('PATCH', path, { ...call, body, headers: { 'content-type': contentType, ...call.headers } });
  }

  async call(method: string, path: string, call: Call = {}): Promise<Response> {
    const response = await this.open(method, path, call);
    const raw = Buffer.concat((await response.toArray()) as Buffer[]);
    const text = (response.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString();
    const isJson = response.headers['content-type'] === 'application/json';
    return { code: response.statusCode ?? 0, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  /** Sends a request and resolves with its response head; the body is the caller's. */
  open(
    method: string,
    path: string,
    { body, headers = {}, token = this.#server.token() }: Call = {},
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    const send = this.#server.caPem === '' ? httpRequest : httpsRequest;
    const request = send(
      this.#server.url + path,
      {
        method,
        agent: this.#agent,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'test-client/1.0',
          // Node frames no DELETE body by itself.
          ...(text !== '' && { 'content-length': String(Buffer.byteLength(text)) }),
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...headers,
        },
      },
      resolve,
    );
    request.on('error', reject);
    request.end(text);
    return promise;
  }

  async watch(path: string, call: Call = {}): Promise<Watch> {
    const startedAtMs = performance.now();
    const response = await this.open('GET', `${path}${path.includes('?') ? '&' : '?'}watch=1`, call);
    return new Watch(response, startedAtMs);
  }
}

/** A running watch; dispose of it to leave. */
export class Watch {
  readonly code: number;
  readonly events: WatchEvent[] = [];
  /** Resolves when the stream is over, by its timeout, an error or a cut connection. */
  readonly ended: Promise<void>;
  isEnded = false;
  readonly #response: IncomingMessage;
  readonly #waiting = new Set<() => void>();

  constructor(response: IncomingMessage, startedAtMs: number) {
    this.#response = response;
    this.code = response.statusCode ?? 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    let rest = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.events.push({ ...JSON.parse(line), atMs: performance.now() - startedAtMs });
      for (const wake of this.#waiting) wake();
    });
    response.on('error', () => {});
    response.on('close', () => {
      this.isEnded = true;
      resolve();
      for (const wake of this.#waiting) wake();
    });
  }

  /** The types and names so far, as `ADDED a`. */
  get summary(): string[] {
    return this.events.map(({ type, object }) => `${type} ${object.metadata?.name ?? ''}`.trim());
  }

  /** Resolves with the first `count` events; rejects when the stream ends before. */
  async take(count: number): Promise<readonly WatchEvent[]> {
    while (this.events.length < count) {
      if (this.isEnded) throw new Error(`watch ended after ${this.events.length} of ${count} events`);
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
      this.#waiting.clear();
    }
    return this.events.slice(0, count);
  }

  [Symbol.dispose](): void {
    this.#response.destroy();
  }
}
