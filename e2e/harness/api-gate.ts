// Stands between Sluice and whichever API server the suite runs against: counts what is asked, and breaks on request.
//
//   Sluice --https, its own certificate--> gate --https, the server's CA, same Authorization--> API server
//
// So every fault of the suite happens in front of a real server as well. All switches are off at the start.

import { type ClientRequest, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, createServer, request as httpsRequest, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { generateServerCertificate } from '../apiserver/certificates.ts';
import { parseRequestInfo } from '../apiserver/request-info.ts';
import { GateLog, matches, type PassedRequest, type RequestFilter } from './gate-log.ts';

/** Turns a switch off again. Calling it twice does nothing more. */
export type TurnOff = () => void;

export interface GateAnswer {
  readonly code: number;
  /** For the header Retry-After. */
  readonly retryAfterSeconds?: number;
  /** How many requests are answered so; default all until turned off. */
  readonly times?: number;
}

interface Rule {
  readonly filter: RequestFilter;
  readonly answer: GateAnswer;
  timesLeft: number;
}

interface Behind {
  readonly server: string;
  readonly caPem: string | undefined;
}

const reasons: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
};

/** Longer than any client keeps an idle connection in a test. */
const keepAliveMs = 90_000;

/** @param host address to listen on; its certificate is for that and for localhost. */
export async function openGate(behind: Behind, host = '127.0.0.1'): Promise<ApiGate> {
  const certificate = await generateServerCertificate([host, 'localhost']);
  const gate = new ApiGate(behind, certificate, host);
  await gate.open();
  return gate;
}

export class ApiGate implements AsyncDisposable {
  readonly log = new GateLog();
  readonly caPem: string;
  readonly #behind: Behind;
  readonly #host: string;
  readonly #agent: Agent;
  readonly #certificate: { readonly certPem: string; readonly keyPem: string };
  readonly #rules = new Set<Rule>();
  readonly #names = new Map<string, string>();
  readonly #refused = new Set<string>();
  readonly #sockets = new Set<Socket>();
  /** Running watches: the stream from the server, and its client's socket. */
  readonly #watches = new Map<IncomingMessage, { readonly passed: PassedRequest; readonly socket: Socket | null }>();
  #server: Server | null = null;
  #port = 0;
  #pause: { readonly over: Promise<void>; readonly end: () => void } | null = null;
  #expiredWatches = 0;

  constructor(behind: Behind, certificate: { caPem: string; certPem: string; keyPem: string }, host: string) {
    this.#behind = behind;
    this.#host = host;
    this.#certificate = certificate;
    this.caPem = certificate.caPem;
    this.#agent = new Agent({ keepAlive: true, ca: behind.caPem });
  }

  get url(): string {
    return `https://${this.#host}:${this.#port}`;
  }

  /** Calls the bearer of a token by a name in the log. */
  name(token: string, client: string): void {
    this.#names.set(token, client);
  }

  /** Answers 401 to this token from now on; its watches go on, as on a real server. */
  refuse(token: string): void {
    this.#refused.add(token);
  }

  /** Answers matching requests with an error instead of passing them on. */
  fail(answer: GateAnswer, filter: RequestFilter = {}): TurnOff {
    const rule: Rule = { filter, answer, timesLeft: answer.times ?? Number.POSITIVE_INFINITY };
    this.#rules.add(rule);
    return () => this.#rules.delete(rule);
  }

  /** Answers nothing and passes no event on; connections stay open. Everything goes on when turned off. */
  pause(): TurnOff {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#pause = { over: promise, end: resolve };
    for (const stream of this.#watches.keys()) stream.pause();
    return () => {
      this.#pause = null;
      for (const stream of this.#watches.keys()) stream.resume();
      resolve();
    };
  }

  /** Cuts all running watches. Returns how many. */
  dropWatches(): number {
    const watches = [...this.#watches.values()];
    for (const { socket } of watches) socket?.destroy();
    return watches.length;
  }

  /** The next `count` watches that go on from a version get 410 in an ERROR event, as after a compaction. */
  expireWatches(count: number): void {
    this.#expiredWatches = count;
  }

  countAllWatches(): number {
    return this.#watches.size;
  }

  /** Running watches of one resource. */
  countWatches(resource: string): number {
    return [...this.#watches.values()].filter(({ passed }) => passed.resource === resource).length;
  }

  /** Listens, on the port it had before if it had one. */
  async open(): Promise<void> {
    const { certPem: cert, keyPem: key } = this.#certificate;
    const server = createServer({ cert, key, keepAliveTimeout: keepAliveMs }, (request, response) => {
      void this.#serve(request, response);
    });
    // Below TLS: a client whose handshake never ends, or ends after `close`, would keep it open.
    server.on('connection', (socket) => this.#track(socket));
    await new Promise<void>((resolve) => server.listen(this.#port, this.#host, resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Refuses connections and cuts those there are. `open` makes it listen again. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pause?.end();
    this.#pause = null;
    await this.close();
    this.#agent.destroy();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const token = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
    const passed = describe(request, this.#names.get(token) ?? '');
    this.log.add(passed);
    for (const stream of [request, response]) stream.on('error', () => {});
    await this.#pause?.over;
    const rule = [...this.#rules].find(({ filter, timesLeft }) => timesLeft > 0 && matches(passed, filter));
    if (rule !== undefined) rule.timesLeft -= 1;
    const answer = rule?.answer ?? (this.#refused.has(token) ? { code: 401 } : null);
    if (answer !== null) {
      request.resume();
      answerError(passed, response, answer);
    } else if (this.#expiresNow(passed)) {
      answerExpired(passed, response);
    } else {
      this.#forward(request, response, passed);
    }
  }

  #expiresNow({ verb, url }: PassedRequest): boolean {
    if (this.#expiredWatches === 0 || verb !== 'watch' || !/[?&]resourceVersion=[1-9]/.test(url)) return false;
    this.#expiredWatches -= 1;
    return true;
  }

  #forward(request: IncomingMessage, response: ServerResponse, passed: PassedRequest): void {
    const outgoing = this.#openBehind(request);
    outgoing.on('error', () => response.destroy());
    response.on('close', () => outgoing.destroy());
    outgoing.on('response', (answer) => {
      passed.status = answer.statusCode ?? 0;
      response.writeHead(passed.status, answer.headers);
      response.flushHeaders();
      answer.on('error', () => response.destroy());
      answer.pipe(response);
      if (passed.verb === 'watch') this.#followWatch(answer, passed, response.socket);
    });
    request.pipe(outgoing);
  }

  #openBehind({ url, method, headers }: IncomingMessage): ClientRequest {
    const target = new URL(url ?? '/', this.#behind.server);
    const options = { method, headers: { ...headers, host: target.host } };
    return target.protocol === 'http:'
      ? httpRequest(target, options)
      : httpsRequest(target, { ...options, agent: this.#agent });
  }

  #followWatch(stream: IncomingMessage, passed: PassedRequest, socket: Socket | null): void {
    this.#watches.set(stream, { passed, socket });
    stream.on('close', () => this.#watches.delete(stream));
    if (this.#pause !== null) stream.pause();
  }
}

function describe(request: IncomingMessage, client: string): PassedRequest {
  const url = request.url ?? '/';
  const info = parseRequestInfo(request.method ?? 'GET', url);
  const isStreamingList = info.query.get('sendInitialEvents') === 'true';
  const common = { atMs: performance.now(), client, verb: info.verb, url, isStreamingList, status: 0 };
  if (!info.isResource) return { ...common, group: '', resource: '', namespace: '', name: '' };
  const { group, plural, subresource, namespace, name } = info;
  const resource = subresource === '' ? plural : `${plural}/${subresource}`;
  return { ...common, group, resource, namespace, name };
}

function statusObject(code: number): object {
  const reason = reasons[code] ?? '';
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `gate: ${reason}`,
    reason,
    code,
  };
}

function answerError(passed: PassedRequest, response: ServerResponse, { code, retryAfterSeconds }: GateAnswer): void {
  passed.status = code;
  const retryAfter = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  response.writeHead(code, { 'content-type': 'application/json', ...retryAfter });
  response.end(JSON.stringify(statusObject(code)));
}

/** As recorded: the watch begins well, and its only event is the error. */
function answerExpired(passed: PassedRequest, response: ServerResponse): void {
  passed.status = 200;
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ type: 'ERROR', object: statusObject(410) })}\n`);
}
