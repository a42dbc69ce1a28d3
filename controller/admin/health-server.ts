// The HTTP server for probes and Prometheus on `--healthz-host:--healthz-port`: health checks and /metrics, nothing else.
//
// Answers follow ingress-nginx (metrics-and-logs reference, section 4), which uses the format of Kubernetes' own health
// handlers. It is small and apart from the data path on purpose: when the proxy is in trouble this must still answer.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { PortServer } from '../server/port-server.ts';

export interface HealthServerOptions {
  /** '' is every address. */
  readonly host: string;
  /** 0 lets the system choose; see `port`. */
  readonly port: number;
  /** `--health-check-path`, e.g. `/healthz`. */
  readonly healthPath: string;
  /** Why Sluice is not ready, for the log; null when it is ready. Asked at each probe. */
  readonly findFault: () => string | null;
  /** Page of /metrics; null answers 404 (`--enable-metrics=false`). */
  readonly metrics: { readonly contentType: string; readonly render: () => Promise<string | Buffer> } | null;
  /** `--health-check-timeout`: what a client may take to send its request. */
  readonly requestTimeoutMs: number;
  /** Told about requests that could not be answered; must not throw. */
  readonly onError: (message: string, error: unknown) => void;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Buffer;
}

const plainText = 'text/plain; charset=utf-8';
const notFound: Answer = { status: 404, contentType: plainText, body: '404 page not found\n' };
const failed: Answer = { status: 500, contentType: plainText, body: 'internal error, see the log\n' };
const idleTimeoutMs = 120_000;
const compress = promisify(gzip);

/** The checks of the health page, in the order they are listed. `ping` proves that this thread runs. */
const checkNames = ['ping', 'nginx-ingress-controller'] as const;
type CheckName = (typeof checkNames)[number];

export class HealthServer {
  readonly #options: HealthServerOptions;
  readonly #server: PortServer;

  private constructor(options: HealthServerOptions) {
    this.#options = options;
    const server = createServer(
      {
        requestTimeout: options.requestTimeoutMs,
        headersTimeout: options.requestTimeoutMs,
        keepAliveTimeout: idleTimeoutMs,
        connectionsCheckingInterval: Math.min(1000, options.requestTimeoutMs),
      },
      (request, response) => void this.#handle(request, response),
    );
    const { host, port } = options;
    const onError = (error: Error): void => options.onError('health server could not take a connection', error);
    this.#server = new PortServer(server, { host, port, onError });
  }

  /** Starts to listen. Rejects with the system's error, e.g. code `EADDRINUSE`, when the port cannot be opened. */
  static async start(options: HealthServerOptions): Promise<HealthServer> {
    const health = new HealthServer(options);
    await health.#server.open();
    return health;
  }

  /** The port that is open. */
  get port(): number {
    return this.#server.port;
  }

  /** Stops at once: open connections are cut. */
  async close(): Promise<void> {
    await this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Never rejects: whatever goes wrong is an answer and a log line. */
  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      request.resume();
      const answer = await this.#answer(request, response);
      await sendAnswer(request, response, answer);
    } catch (error) {
      this.#options.onError(`health server could not answer ${request.method} ${request.url}`, error);
      if (response.headersSent) response.destroy();
      else await sendAnswer(request, response, failed);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<Answer> {
    const target = URL.parse(request.url ?? '/', 'http://health');
    if (target === null) return notFound;
    const { healthPath, metrics } = this.#options;
    const isHealth = target.pathname === healthPath || target.pathname.startsWith(`${healthPath}/`);
    const isMetrics = target.pathname === '/metrics' && metrics !== null;
    if (!isHealth && !isMetrics) return notFound;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return { status: 405, contentType: plainText, body: 'method not allowed\n' };
    }
    if (isHealth) return this.#checkHealth(target.pathname.slice(healthPath.length + 1), target.searchParams);
    return { status: 200, contentType: metrics?.contentType ?? plainText, body: (await metrics?.render()) ?? '' };
  }

  /** `name` is '' for all checks, or one of them. */
  #checkHealth(name: string, query: URLSearchParams): Answer {
    if (name === '') {
      const excluded = query.getAll('exclude');
      return this.#runChecks(
        checkNames.filter((check) => !excluded.includes(check)),
        query.has('verbose'),
      );
    }
    const single = checkNames.find((check) => check === name);
    return single === undefined ? notFound : this.#runSingleCheck(single);
  }

  #runSingleCheck(name: CheckName): Answer {
    if (this.#passes(name)) return { status: 200, contentType: plainText, body: 'ok' };
    return { status: 500, contentType: plainText, body: 'internal server error: reason withheld\n' };
  }

  #runChecks(names: readonly CheckName[], isVerbose: boolean): Answer {
    const results = names.map((name) => ({ name, passes: this.#passes(name) }));
    const isHealthy = results.every(({ passes }) => passes);
    if (isHealthy && !isVerbose) return { status: 200, contentType: plainText, body: 'ok' };
    // As Kubernetes does, the reason is in our log and not told to whoever asks.
    const lines = results.map(({ name, passes }) => (passes ? `[+]${name} ok` : `[-]${name} failed: reason withheld`));
    const verdict = `healthz check ${isHealthy ? 'passed' : 'failed'}`;
    return { status: isHealthy ? 200 : 500, contentType: plainText, body: `${[...lines, verdict].join('\n')}\n` };
  }

  #passes(name: CheckName): boolean {
    return name === 'ping' || this.#options.findFault() === null;
  }
}

async function sendAnswer(request: IncomingMessage, response: ServerResponse, answer: Answer): Promise<void> {
  response.setHeader('content-type', answer.contentType);
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('cache-control', 'no-store');
  let { body } = answer;
  if (body.length >= compressFromLength && acceptsGzip(request)) {
    body = await compress(body);
    response.setHeader('content-encoding', 'gzip');
    response.setHeader('vary', 'accept-encoding');
  }
  response.setHeader('content-length', Buffer.byteLength(body));
  response.statusCode = answer.status;
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Shorter answers grow when compressed. */
const compressFromLength = 1024;

/** Accept-Encoding names gzip (or `*`) with a weight above 0 (RFC 9110 §12.5.3). */
function acceptsGzip(request: IncomingMessage): boolean {
  return String(request.headers['accept-encoding'] ?? '')
    .split(',')
    .some((part) => {
      const [coding = '', ...parameters] = part
        .trim()
        .toLowerCase()
        .split(/\s*;\s*/);
      if (coding !== 'gzip' && coding !== '*') return false;
      return !parameters.some((parameter) => /^q=0(\.0{0,3})?$/.test(parameter));
    });
}
