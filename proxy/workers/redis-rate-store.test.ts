// Against a real redis-server; without one these tests say so and are skipped.

import { describe, expect, test } from '@jest/globals';
import type { RateQuestion, RateVerdict } from '../filters/rate-store.ts';
import { eventually } from '../forward/testing/data-path.ts';
import { RedisRateStore } from './redis-rate-store.ts';
import { hasRedis, startRedis } from './testing/redis-server.ts';

if (!hasRedis) process.stderr.write('redis-server is not installed: the tests of the limit store are skipped\n');

const question: RateQuestion = { zone: 'a/b|minute', client: '192.0.2.1', intervalMs: 60_000, burst: 9 };

class TestStore extends RedisRateStore {
  readonly news: boolean[];

  constructor(url: string, timeoutMs = 5_000) {
    const news: boolean[] = [];
    super({ url, timeoutMs, nowMs: () => performance.now(), onChange: (isConnected) => news.push(isConnected) });
    this.news = news;
  }

  async connected(): Promise<this> {
    this.start();
    await eventually(() => this.isConnected);
    return this;
  }

  verdict(...questions: RateQuestion[]): Promise<RateVerdict> {
    return new Promise((resolve) => this.ask(questions, resolve));
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

(hasRedis ? describe : describe.skip)('rates in a Redis', () => {
  test('replicas together let exactly burst and one pass', async () => {
    await using server = await startRedis();
    using one = await new TestStore(server.url).connected();
    using other = await new TestStore(server.url).connected();
    const asked = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? one : other).verdict(question));
    const verdicts = await Promise.all(asked);
    expect(verdicts.filter((verdict) => verdict === 'passed')).toHaveLength(10);
    expect(verdicts.filter((verdict) => verdict === 0)).toHaveLength(30);
    expect(await one.verdict({ ...question, client: '192.0.2.2' })).toBe('passed');
    expect(await one.verdict({ ...question, zone: 'a/c|minute' })).toBe('passed');
  });

  test('all rates of a request pass, or none is counted', async () => {
    await using server = await startRedis();
    using store = await new TestStore(server.url).connected();
    const tight = { ...question, zone: 'a/b|second', burst: 1 };
    const verdicts = [];
    for (let i = 0; i < 6; i++) verdicts.push(await store.verdict(question, tight));
    expect(verdicts).toEqual(['passed', 'passed', 1, 1, 1, 1]);
    // Of the ten places only two are taken.
    for (let i = 0; i < 8; i++) expect(await store.verdict(question)).toBe('passed');
    expect(await store.verdict(question)).toBe(0);
  });

  test('a place comes back after the interval', async () => {
    await using server = await startRedis();
    using store = await new TestStore(server.url).connected();
    const quick = { ...question, intervalMs: 300, burst: 0 };
    const startedAtMs = performance.now();
    expect(await store.verdict(quick)).toBe('passed');
    expect(await store.verdict(quick)).toBe(0);
    let verdict: RateVerdict = 0;
    while (verdict !== 'passed') verdict = await store.verdict(quick);
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(299);
  });

  test('a store that stands still costs its time limit, then nothing; and is asked again when it answers', async () => {
    await using server = await startRedis();
    using store = await new TestStore(server.url, 30).connected();
    expect(['passed', 'failed']).toContain(await store.verdict(question));
    server.process.kill('SIGSTOP');
    const first = await Promise.all(Array.from({ length: 5 }, () => store.verdict(question)));
    expect(first).toEqual(Array(5).fill('failed'));
    // It rests: the answer comes before any timer could.
    let isImmediate = true;
    setImmediate(() => {
      isImmediate = false;
    });
    expect(await store.verdict(question)).toBe('failed');
    expect(isImmediate).toBe(true);
    server.process.kill('SIGCONT');
    let verdict: RateVerdict = 'failed';
    const deadlineMs = performance.now() + 10_000;
    while (verdict === 'failed' && performance.now() < deadlineMs) {
      verdict = await store.verdict({ ...question, client: 'new' });
      await new Promise(setImmediate);
    }
    expect(verdict).not.toBe('failed');
  }, 20_000);

  test('a dead store fails at once; a restarted one, which has forgotten the script, answers', async () => {
    const server = await startRedis();
    using store = await new TestStore(server.url).connected();
    expect(await store.verdict(question)).toBe('passed');
    await server[Symbol.asyncDispose]();
    await eventually(() => !store.isConnected);
    expect(await store.verdict(question)).toBe('failed');
    await using again = await startRedis(server.port);
    await eventually(() => store.isConnected);
    expect(await store.verdict(question)).toBe('passed');
    expect(store.news).toEqual([true, false, true]);
    expect(again.port).toBe(server.port);
  }, 20_000);
});

test('a store that never was there is news once', async () => {
  using store = new TestStore('redis://127.0.0.1:1', 10);
  store.start();
  await eventually(() => store.news.length === 1);
  expect(store.news).toEqual([false]);
  expect(await store.verdict(question)).toBe('failed');
});
