// Clients that ask one host over and over while something else happens, each on its own kept-alive connection. Nothing is
// retried: what goes wrong once is a failure.

import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface LoadReport {
  readonly answers: number;
  /** Statuses other than 200, and errors, with the time since the start. */
  readonly failures: readonly string[];
}

/** Between two requests of one client: load all the time, but not all of the machine. */
const pauseMs = 10;
const limitMs = 5000;
/** More of the same tell nothing. */
const maxFailures = 100;

export class SteadyLoad implements AsyncDisposable {
  readonly #loops: readonly Promise<void>[];
  readonly #failures: string[] = [];
  readonly #startedAtMs = performance.now();
  #answers = 0;
  #isOver = false;

  /** Starts asking `host` for `/` with `clients` clients (default 4). */
  constructor(port: number, host: string, clients = 4) {
    this.#loops = Array.from({ length: clients }, () => this.#loop(port, host));
  }

  get answers(): number {
    return this.#answers;
  }

  async stop(): Promise<LoadReport> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    return { answers: this.#answers, failures: this.#failures };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #loop(port: number, host: string): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (!this.#isOver) {
      const outcome = await askOnce(agent, port, host);
      if (outcome === '200') this.#answers += 1;
      else if (this.#failures.length < maxFailures) {
        this.#failures.push(`${outcome} after ${Math.round(performance.now() - this.#startedAtMs)} ms`);
      }
      await delay(pauseMs);
    }
    agent.destroy();
  }
}

/** The status, or the error's code. */
function askOnce(agent: Agent, port: number, host: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const request = get({ host: '127.0.0.1', port, headers: { host }, agent, timeout: limitMs }, (response) => {
    response.resume();
    response.on('end', () => resolve(String(response.statusCode)));
    response.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  request.on('timeout', () => request.destroy(new Error('no answer in time')));
  return promise;
}
