// Clients that never stop asking: each has one kept-alive connection, sends one request after the other, and notes each
// answer that is not what it should be.

import { Agent, request } from 'node:http';

/** Idempotent ones (RFC 9110 §9.2.2): a proxy may, and here must, send them again. */
const METHODS = ['GET', 'GET', 'HEAD', 'DELETE', 'GET', 'OPTIONS', 'PUT'] as const;

export interface LoadOptions {
  /** Each client goes to one of them, in turn. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly host: string;
  readonly clients: number;
  /** Longest time the pod is asked to think about one request. */
  readonly maxDelayMs: number;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  /** Limit of one request. Default 30 s. */
  readonly timeoutMs?: number;
}

export interface LoadFailure {
  readonly address: string;
  readonly method: string;
  readonly atMs: number;
  readonly afterMs: number;
  readonly what: string;
}

export class Load implements AsyncDisposable {
  readonly failures: LoadFailure[] = [];
  /** Answers by pod. */
  readonly answers = new Map<string, number>();
  /** Good answers of each client, in a row since the last failure. */
  readonly inARow: number[];
  #total = 0;
  #slowestMs = 0;
  #isStopped = false;
  readonly #running: Promise<unknown>;

  constructor(options: LoadOptions) {
    this.inARow = Array.from({ length: options.clients }, () => 0);
    this.#running = Promise.all(this.inARow.map((_, client) => this.#run(client, options)));
  }

  /** Good answers so far. */
  get total(): number {
    return this.#total;
  }

  /** The longest time a good answer took. */
  get slowestMs(): number {
    return this.#slowestMs;
  }

  /** Ends after the requests under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(client: number, options: LoadOptions): Promise<void> {
    const { addresses, port, host, maxDelayMs, random, timeoutMs = 30_000 } = options;
    const address = addresses[client % addresses.length] ?? '';
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; !this.#isStopped; i++) {
      const method = METHODS[i % METHODS.length] ?? 'GET';
      const path = `/${client}/${i}`;
      const headers = { host, 'x-delay-ms': String(Math.floor(random() * maxDelayMs)) };
      const startedAtMs = performance.now();
      const what = await exchange({ agent, host: address, port, method, path, headers, timeout: timeoutMs });
      const afterMs = performance.now() - startedAtMs;
      if ('failure' in what) {
        this.inARow[client] = 0;
        this.failures.push({ address, method, atMs: startedAtMs, afterMs, what: what.failure });
      } else this.#noteGood(client, what.pod, afterMs);
    }
    agent.destroy();
  }

  #noteGood(client: number, pod: string, afterMs: number): void {
    this.#total += 1;
    this.#slowestMs = Math.max(this.#slowestMs, afterMs);
    this.inARow[client] = (this.inARow[client] ?? 0) + 1;
    this.answers.set(pod, (this.answers.get(pod) ?? 0) + 1);
  }
}

interface Exchange {
  readonly agent: Agent;
  readonly host: string;
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: number;
}

function exchange(options: Exchange): Promise<{ readonly pod: string } | { readonly failure: string }> {
  return new Promise((resolve) => {
    const outgoing = request(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('error', (error) => resolve({ failure: `body: ${error.message}` }));
      response.on('end', () => {
        const { 'x-pod': pod } = response.headers;
        const isGood = response.statusCode === 200 && typeof pod === 'string' && isOwn(options, body);
        resolve(isGood ? { pod } : { failure: `${response.statusCode} ${body.slice(0, 100)}` });
      });
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
    outgoing.on('error', (error) => resolve({ failure: error.message }));
    outgoing.end();
  });
}

/** An answer to somebody else's request would be worse than none. */
function isOwn({ method, path }: Exchange, body: string): boolean {
  return method === 'HEAD' ? body === '' : (JSON.parse(body) as { readonly path: string }).path === path;
}
