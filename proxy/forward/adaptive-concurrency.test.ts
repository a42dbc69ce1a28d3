// Adaptive concurrency on the wire: clients that ask for more than a backend can do, which gets slower the more it has.
// The clock is moved by hand, the backend's work goes with it; everything else is real.

import type { ServerResponse } from 'node:http';
import { expect, test } from '@jest/globals';
import { noLimits } from '../table/testing/build.ts';
import type { UpstreamLimits } from '../table/upstream-settings.ts';
import { type DataPath, eventually, startDataPath } from './testing/data-path.ts';
import { type HttpOrigin, startHttpOrigin } from './testing/origin.ts';
import { connectRaw, type RawClient } from './testing/raw-client.ts';
import { startProxy } from './testing/test-proxy.ts';

const limits: UpstreamLimits = {
  ...noLimits,
  maxPending: 5,
  pendingTimeoutMs: 100,
  retryAfterSeconds: 3,
  adaptive: { minRequests: 2, maxRequests: 200, tolerancePercent: 50, measureEveryMs: 60_000 },
};
/** Works on four requests at full speed, each 40 ms: 100 per second. More share what there is. */
const CORES = 4;
const WORK_MS = 40;
const STEP_MS = 10;

interface Job {
  remainingMs: number;
  readonly startedAtMs: number;
  readonly response: ServerResponse;
}

class Crowd {
  readonly latenciesMs: number[] = [];
  /** Heads of the answers that came from the proxy. */
  readonly refusals: string[] = [];
  readonly #proxy: DataPath;
  readonly #origin: HttpOrigin;
  readonly #clients: readonly RawClient[];
  #jobs: Job[] = [];

  private constructor(proxy: DataPath, origin: HttpOrigin, clients: readonly RawClient[]) {
    this.#proxy = proxy;
    this.#origin = origin;
    this.#clients = clients;
    origin.server.on('request', (_request, response: ServerResponse) => {
      const startedAtMs = proxy.context.preciseNowMs();
      this.#jobs.push({ remainingMs: WORK_MS, startedAtMs, response });
    });
  }

  static async start(size: number, upstreamLimits: UpstreamLimits | null): Promise<Crowd> {
    const origin = await startHttpOrigin(() => {});
    const proxy = await startDataPath([{ endpoints: [origin.port], upstream: { limits: upstreamLimits } }]);
    return new Crowd(proxy, origin, await Promise.all(Array.from({ length: size }, () => connectRaw(proxy.port))));
  }

  get proxy(): DataPath {
    return this.#proxy;
  }

  /** Lets time pass. Whoever has an answer asks again at the next step. */
  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      await this.#askAgain();
      this.#proxy.pass(STEP_MS);
      this.#work(STEP_MS * Math.min(1, CORES / this.#jobs.length));
    }
  }

  async #askAgain(): Promise<void> {
    for (const client of this.#clients) {
      if (client.received === '' && client.socket.bytesWritten > 0) continue;
      if (client.received.includes(' 503 ')) this.refusals.push(client.received);
      client.received = '';
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    }
    await eventually(() => this.#isSettled());
  }

  /** Each request is at the origin, waits for a place, or has its answer, whole. */
  #isSettled(): boolean {
    const pending = this.#proxy.context.endpoints.get('u0')?.gate?.pending ?? 0;
    const done = this.#clients.filter(({ received }) => received.includes('\r\n\r\n')).length;
    return this.#jobs.length + pending + done === this.#clients.length;
  }

  #work(ms: number): void {
    const nowMs = this.#proxy.context.preciseNowMs();
    for (const job of this.#jobs) job.remainingMs -= ms;
    const done = this.#jobs.filter(({ remainingMs }) => remainingMs <= 0);
    this.#jobs = this.#jobs.filter(({ remainingMs }) => remainingMs > 0);
    for (const { response, startedAtMs } of done) {
      this.latenciesMs.push(nowMs - startedAtMs);
      response.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.socket.destroy();
    await this.#proxy[Symbol.asyncDispose]();
    await this.#origin[Symbol.asyncDispose]();
  }
}

const medianOf = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

test('an overloaded backend: throughput stays, response times are bounded, the rest is told to come again', async () => {
  await using crowd = await Crowd.start(30, limits);
  await crowd.run(2000);
  const before = crowd.latenciesMs.length;
  await crowd.run(4000);
  const latenciesMs = crowd.latenciesMs.slice(before);
  // 100 per second are possible.
  expect(latenciesMs.length).toBeGreaterThan(4 * 90);
  expect(medianOf(latenciesMs)).toBeLessThan(2.2 * WORK_MS);
  expect(crowd.refusals.length).toBeGreaterThan(100);
  for (const head of crowd.refusals) expect(head).toContain('\r\nRetry-After: 3\r\n');
  const reasons = new Set(crowd.proxy.requests.filter(({ status }) => status === 503).map(({ reason }) => reason));
  expect([...reasons].toSorted()).toEqual(['overloaded', 'pendingTimeout']);
  const limit = crowd.proxy.context.endpoints.get('u0')?.gate?.adaptive?.limit ?? 0;
  expect(limit).toBeGreaterThanOrEqual(CORES / 2);
  expect(limit).toBeLessThan(3 * CORES);
});

test('the same crowd without a limit waits at the backend', async () => {
  await using crowd = await Crowd.start(30, null);
  await crowd.run(2000);
  expect(medianOf(crowd.latenciesMs)).toBeGreaterThan(6 * WORK_MS);
  expect(crowd.refusals).toEqual([]);
});

test('attempts that time out count as slow, quick failures do not count as fast', async () => {
  let status = 200;
  const held: ServerResponse[] = [];
  await using origin = await startHttpOrigin((request, response) => {
    if (request.url === '/hang') return void held.push(response);
    response.writeHead(status).end();
  });
  const policy = { readTimeoutMs: 1000, retryOn: [] } as const;
  await using proxy = await startDataPath([{ endpoints: [origin.port], policy, upstream: { limits } }]);
  const gate = () => proxy.context.endpoints.get('u0')?.gate;
  const ask = async (path: string, passMs: number) => {
    using client = await connectRaw(proxy.port);
    const before = held.length;
    client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    if (path === '/hang') await eventually(() => held.length > before);
    proxy.pass(passMs);
    await client.responses(1);
  };
  status = 503;
  for (let i = 0; i < 40; i++) await ask('/', 10);
  expect(gate()?.adaptive?.baselineMs).toBe(0);
  status = 200;
  for (let i = 0; i < 40; i++) await ask('/', 10);
  expect(gate()?.adaptive?.baselineMs).toBeGreaterThan(0);
  const before = gate()?.adaptive?.limit ?? 0;
  for (let i = 0; i < 10; i++) await ask('/hang', 1100);
  expect(gate()?.adaptive?.limit).toBeLessThan(before);
  expect(gate()?.requests).toBe(0);
});

test('the limit at hand is a metric', async () => {
  await using origin = await startHttpOrigin((_request, response) => response.end());
  await using proxy = await startProxy([{ endpoints: [origin.port], upstream: { limits } }, { path: '/other' }]);
  const gauges = proxy.worker.sample().gauges.filter(({ name }) => name === 'sluice_upstream_concurrency_limit');
  expect(gauges).toEqual([{ name: 'sluice_upstream_concurrency_limit', labels: { upstream: 'u0' }, value: 20 }]);
});
