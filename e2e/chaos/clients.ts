// Clients that never stop asking, each in its own way; what goes wrong is noted with its time and never tried again.

import { Agent, type IncomingMessage, request } from 'node:http';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import type { Failure } from './faults.ts';

export interface ClientOptions {
  /** Begins the id of each request. */
  readonly label: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly host: string;
  readonly grpcHost: string;
  readonly random: () => number;
}

const REFUSED_STREAM = constants.NGHTTP2_REFUSED_STREAM;
/** Limit of one request. */
const LIMIT_MS = 15_000;
/** Idempotent ones (RFC 9110 §9.2.2): as long as an endpoint lives, they must not fail. */
const IDEMPOTENT = ['GET', 'HEAD', 'PUT', 'DELETE', 'GET', 'OPTIONS'] as const;
/** Longest body of a PUT: less than is read before an endpoint is picked, so that it can be sent again. */
const MAX_PUT_BYTES = 500_000;
/** Longer than that: sent on as it comes. */
const UPLOAD_BYTES = 2_500_000;

/** `broken`: the connection has ended without an answer. */
export type Outcome =
  | { readonly status: number; readonly body: string; readonly cookie?: string }
  | { readonly broken: string };

export class Clients {
  readonly #options: ClientOptions;
  readonly #running: Promise<void>[] = [];
  /** Requests that may be repeated, and failed. */
  readonly idempotentFailures: Failure[] = [];
  /** Requests that must not be repeated, and failed. */
  readonly onceFailures: Failure[] = [];
  readonly brokenConnections: Failure[] = [];
  /** Ids of answered requests that must not be repeated. */
  readonly answeredOnce: string[] = [];
  readonly answers = { http1: 0, http2: 0, grpc: 0, upload: 0 };
  /** Refused unprocessed (RFC 9113 §8.7): every client of HTTP/2 asks again, on another connection. */
  refused = 0;
  #isStopped = false;
  #ids = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  start(counts: {
    readonly http1: number;
    readonly uploads: number;
    readonly http2: number;
    readonly grpc: number;
  }): void {
    const each = (count: number, run: (client: number) => Promise<void>) => {
      for (let client = 0; client < count; client++) this.#running.push(run(client));
    };
    each(counts.http1, (client) => this.#runHttp1(`http1-${client}`, client % 2 === 0));
    each(counts.uploads, (client) => this.#runUploads(`upload-${client}`));
    each(counts.http2, (client) => this.#runHttp2(`http2-${client}`));
    each(counts.grpc, (client) => this.#runGrpc(`grpc-${client}`));
  }

  /** Ends after the requests under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  /** One connection; every fourth request is a POST. Some keep their cookies. */
  async #runHttp1(client: string, keepsCookies: boolean): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    let cookie: string | undefined;
    for (let i = 0; !this.#isStopped; i++) {
      const method = i % 4 === 3 ? 'POST' : (IDEMPOTENT[i % IDEMPOTENT.length] ?? 'GET');
      const bytes = bytesOf(method, this.#options.random());
      const id = this.#nextId(client);
      const outcome = await this.#ask(agent, { method, id, bytes, ...(cookie === undefined ? {} : { cookie }) });
      if (keepsCookies && 'cookie' in outcome) cookie = outcome.cookie;
      if (this.#judge(client, id, method, bytes, outcome)) this.answers.http1++;
    }
    agent.destroy();
  }

  async #runUploads(client: string): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!this.#isStopped) {
      const id = this.#nextId(client);
      const outcome = await this.#ask(agent, { method: 'POST', id, bytes: UPLOAD_BYTES });
      if (this.#judge(client, id, 'POST', UPLOAD_BYTES, outcome)) this.answers.upload++;
    }
    agent.destroy();
  }

  /** Four requests at a time on one connection. */
  async #runHttp2(client: string): Promise<void> {
    while (!this.#isStopped) {
      const session = this.#connect();
      const ask = async () => {
        while (!this.#isStopped && !session.closed && !session.destroyed) {
          const id = this.#nextId(client);
          const outcome = await exchange(session, { ':authority': this.#options.host, ':path': `/${id}`, 'x-id': id });
          if (outcome === 'refused') this.refused++;
          else if (this.#judge(client, id, 'GET', 0, outcome)) this.answers.http2++;
        }
      };
      await Promise.all([ask(), ask(), ask(), ask()]);
      session.destroy();
    }
  }

  async #runGrpc(client: string): Promise<void> {
    while (!this.#isStopped) {
      const session = this.#connect();
      while (!this.#isStopped && !session.closed && !session.destroyed) {
        const id = this.#nextId(client);
        const fields = { 'content-type': 'application/grpc', te: 'trailers', 'grpc-timeout': '15S' };
        const head = {
          ':method': 'POST',
          ':authority': this.#options.grpcHost,
          ':path': '/chaos.Echo/Unary',
          'x-id': id,
        };
        const message = Buffer.from([0, 0, 0, 0, 3, 1, 2, 3]);
        const outcome = await exchange(session, { ...head, ...fields }, message);
        if (outcome === 'refused') {
          this.refused++;
          continue;
        }
        const isGood = 'status' in outcome && outcome.status === 0 && outcome.body === message.toString('latin1');
        if (this.#judgeOnce(client, id, outcome, isGood)) this.answers.grpc++;
      }
      session.destroy();
    }
  }

  #connect(): ClientHttp2Session {
    const { httpsPort, host } = this.#options;
    const session = connect(`https://127.0.0.1:${httpsPort}`, { rejectUnauthorized: false, servername: host });
    session.on('error', () => {});
    return session;
  }

  #nextId(client: string): string {
    return `${this.#options.label}-${client}-${++this.#ids}`;
  }

  #ask(
    agent: Agent,
    { method, id, bytes, cookie }: { method: string; id: string; bytes: number; cookie?: string },
  ): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const { httpPort, host } = this.#options;
    const headers = {
      host,
      'x-id': id,
      ...(bytes > 0 ? { 'content-length': bytes } : {}),
      ...(cookie === undefined ? {} : { cookie }),
    };
    const outgoing = request({
      agent,
      host: '127.0.0.1',
      port: httpPort,
      method,
      path: `/${id}`,
      headers,
      timeout: LIMIT_MS,
    });
    outgoing.on('response', (response) => void readAnswer(response).then(resolve));
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
    outgoing.on('error', (error: NodeJS.ErrnoException) => resolve({ broken: error.code ?? error.message }));
    outgoing.end(Buffer.alloc(bytes, 'b'));
    return promise;
  }

  /** True for the right answer, and not one to somebody else's request. */
  #judge(client: string, id: string, method: string, bytes: number, outcome: Outcome): boolean {
    const expected = method === 'HEAD' ? '' : `${id} ${method} ${bytes}`;
    const isGood = 'status' in outcome && outcome.status === 200 && outcome.body === expected;
    if (method === 'POST') return this.#judgeOnce(client, id, outcome, isGood);
    if (!isGood) this.#note(this.idempotentFailures, client, `${method} ${id}`, outcome);
    return isGood;
  }

  #judgeOnce(client: string, id: string, outcome: Outcome, isGood: boolean): boolean {
    if (isGood) this.answeredOnce.push(id);
    else this.#note(this.onceFailures, client, id, outcome);
    return isGood;
  }

  #note(list: Failure[], client: string, request: string, outcome: Outcome): void {
    const atMs = performance.now();
    if ('broken' in outcome) this.brokenConnections.push({ client, what: `${request}: ${outcome.broken}`, atMs });
    else list.push({ client, what: `${request}: ${outcome.status} ${outcome.body.slice(0, 80)}`, atMs });
  }
}

/** Of an empty POST nothing but its method says that it must not be sent again. */
function bytesOf(method: string, draw: number): number {
  if (method === 'PUT') return Math.floor(draw * MAX_PUT_BYTES);
  return method === 'POST' && draw < 0.5 ? 100 : 0;
}

async function readAnswer(response: IncomingMessage): Promise<Outcome> {
  try {
    const body = (await response.setEncoding('latin1').toArray()).join('');
    const [cookie] = response.headers['set-cookie'] ?? [];
    const status = response.statusCode ?? 0;
    return { status, body, ...(cookie === undefined ? {} : { cookie: cookie.slice(0, cookie.indexOf(';')) }) };
  } catch (error) {
    return { broken: String((error as NodeJS.ErrnoException).code) };
  }
}

/** The status is the one of gRPC for a call. */
function exchange(
  session: ClientHttp2Session,
  head: Record<string, string>,
  message?: Buffer,
): Promise<Outcome | 'refused'> {
  const { promise, resolve } = Promise.withResolvers<Outcome | 'refused'>();
  const stream = session.request(head, { endStream: message === undefined });
  let status = 0;
  let body = '';
  stream.setTimeout(LIMIT_MS, () => stream.close());
  stream.on('response', (fields) => {
    status = Number(message === undefined ? fields[':status'] : (fields['grpc-status'] ?? -1));
  });
  stream.on('trailers', (fields) => {
    status = Number(fields['grpc-status'] ?? status);
  });
  stream.setEncoding('latin1').on('data', (text: string) => {
    body += text;
  });
  stream.on('error', (error: Error) =>
    resolve(stream.rstCode === REFUSED_STREAM ? 'refused' : { broken: error.message }),
  );
  stream.on('close', () => resolve(stream.rstCode === 0 ? { status, body } : { broken: `reset ${stream.rstCode}` }));
  if (message !== undefined) stream.end(message);
  return promise;
}
