// Against a real redis-server; without one these tests say so and are skipped.

import { once } from 'node:events';
import { type AddressInfo, createServer as createPlainServer, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { createClient } from '@redis/client';
import { generate } from 'selfsigned';
import type { RateVerdict } from '../filters/rate-store.ts';
import { eventually } from '../forward/testing/data-path.ts';
import { hasRedis, startRedis, startTlsRedis } from './testing/redis-server.ts';
import { SilentRelay } from './testing/silent-relay.ts';
import { question, TestStore } from './testing/test-store.ts';

if (!hasRedis) process.stderr.write('redis-server is not installed: the tests of the limit store are skipped\n');

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
    using store = await new TestStore(server.url, { timeoutMs: 30 }).connected();
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

  test('time-outs that are not in a row do not leave it alone', async () => {
    await using server = await startRedis();
    using store = await new TestStore(server.url, { timeoutMs: 1_000 }).connected();
    using watcher = await new TestStore(server.url).connected();
    for (let round = 0; round < 2; round++) {
      server.process.kill('SIGSTOP');
      const late = await Promise.all(Array.from({ length: 4 }, () => store.verdict(question)));
      expect(late).toEqual(Array(4).fill('failed'));
      server.process.kill('SIGCONT');
      await watcher.verdict(question);
      expect(await store.verdict({ ...question, client: `of round ${round}` })).toBe('passed');
    }
  });

  test('an answer that comes too late decides nothing, and when all is decided no timer turns', async () => {
    await using server = await startRedis();
    let looks = 0;
    const nowMs = () => {
      looks++;
      return performance.now();
    };
    using store = await new TestStore(server.url, { timeoutMs: 20, nowMs }).connected();
    using watcher = await new TestStore(server.url).connected();
    server.process.kill('SIGSTOP');
    const verdicts: RateVerdict[] = [];
    for (let at = 0; at < 3; at++) store.ask([question], (verdict) => verdicts.push(verdict));
    await eventually(() => verdicts.length === 3);
    server.process.kill('SIGCONT');
    await watcher.verdict(question);
    const before = looks;
    const endMs = performance.now() + 50;
    while (performance.now() < endMs) await new Promise(setImmediate);
    expect(verdicts).toEqual(['failed', 'failed', 'failed']);
    // The late answers were looked at, each once.
    expect(looks - before).toBeLessThanOrEqual(3);
  });

  test('a store that answers is not silent, though something always waits for an answer', async () => {
    await using server = await startRedis();
    await using relay = await SilentRelay.start(server.port);
    using store = await new TestStore(`redis://127.0.0.1:${relay.port}`).connected();
    // Each answer asks again before the other question is answered, and a second has passed.
    const verdicts: RateVerdict[] = [];
    const chain = (name: string): void =>
      store.ask([{ ...question, client: `${name}${verdicts.length}` }], (verdict) => {
        if (verdicts.push(verdict) >= 20) return;
        store.pass(1_000);
        chain(name);
      });
    chain('a');
    chain('b');
    await eventually(() => verdicts.length >= 20);
    expect(new Set(verdicts)).toEqual(new Set(['passed']));
    expect([relay.connections, store.news]).toEqual([1, [true]]);
  });

  test('what it keeps says nothing of clients, and vanishes with what it would say', async () => {
    await using server = await startRedis();
    using store = await new TestStore(server.url).connected();
    await store.verdict(question, { ...question, client: 'Bearer secret', zone: 'a/b|second', intervalMs: 1_000 });
    const reader = await createClient({ url: server.url }).connect();
    const keys = (await reader.keys('*')).toSorted();
    expect(keys.map((key) => key.replace(/\{[\w-]{22}\}/, '{}'))).toEqual(
      ['sluice:{}:a/b|minute', 'sluice:{}:a/b|second'].toSorted(),
    );
    expect(keys.join()).not.toMatch(/192\.0\.2\.1|secret/);
    for (const key of keys) {
      const lifeMs = await reader.pTTL(key);
      expect(lifeMs).toBeGreaterThan(0);
      expect(lifeMs).toBeLessThanOrEqual(key.endsWith('second') ? 1_000 : 60_000);
    }
    reader.destroy();
  });

  test('close ends the connection, its timer and what waits', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    await using server = await startRedis();
    const before = timers();
    const store = await new TestStore(server.url, { timeoutMs: 600_000 }).connected();
    const reader = await createClient({ url: server.url }).connect();
    const clients = async () => (await reader.sendCommand(['CLIENT', 'LIST'])).toString().trim().split('\n').length;
    expect(await clients()).toBe(2);
    server.process.kill('SIGSTOP');
    const waiting = store.verdict(question);
    store.close();
    expect(await waiting).toBe('failed');
    server.process.kill('SIGCONT');
    while ((await clients()) > 1);
    reader.destroy();
    await eventually(() => timers() <= before);
  });

  test('a limit that was lowered holds from the next interval on, whatever the client has sent before', async () => {
    await using server = await startRedis();
    using store = await new TestStore(server.url).connected();
    for (let i = 0; i < 10; i++) expect(await store.verdict(question)).toBe('passed');
    // Ten minutes ahead: without a bound the client would be locked out so long.
    const lowered = { ...question, intervalMs: 200, burst: 1 };
    expect(await store.verdict(lowered)).toBe(0);
    let verdict: RateVerdict = 0;
    while (verdict !== 'passed') verdict = await store.verdict(lowered);
  });

  test('answers that came while this thread was busy are in time', async () => {
    await using server = await startRedis();
    using store = await new TestStore(server.url, { timeoutMs: 50 }).connected();
    // The first call loads the script.
    await store.verdict(question);
    const asked = store.verdict({ ...question, client: 'busy' });
    // The command leaves at the end of the turn, and the answer comes while nobody reads.
    await new Promise(setImmediate);
    const endMs = performance.now() + 300;
    while (performance.now() < endMs);
    expect(await asked).toBe('passed');
  });

  test('a connection that falls silent without an end is replaced', async () => {
    await using server = await startRedis();
    await using relay = await SilentRelay.start(server.port);
    using store = await new TestStore(`redis://127.0.0.1:${relay.port}`, { timeoutMs: 1_000 }).connected();
    expect(await store.verdict(question)).toBe('passed');
    relay.silence();
    expect(await store.verdict(question)).toBe('failed');
    store.pass(2_000);
    expect(await store.verdict(question)).toBe('failed');
    expect(store.news).toEqual([true, false]);
    await eventually(() => store.isConnected);
    expect(await store.verdict(question)).toBe('passed');
    expect(relay.connections).toBe(2);
    expect([store.news, store.codes]).toEqual([[true, false, true], ['ETIMEDOUT']]);
  });

  test('a silent connection with so many questions that no more may wait is replaced as well', async () => {
    await using server = await startRedis();
    await using relay = await SilentRelay.start(server.port);
    using store = await new TestStore(`redis://127.0.0.1:${relay.port}`, { timeoutMs: 10_000 }).connected();
    expect(await store.verdict(question)).toBe('passed');
    relay.silence();
    const asked = Array.from({ length: 10_000 }, () => store.verdict(question));
    store.pass(9_000);
    // One more than may wait: the client library refuses it at once, which says nothing about the store.
    const waits = new Promise<string>((resolve) => setImmediate(() => setImmediate(() => resolve('it waits'))));
    expect(await Promise.race([store.verdict(question), waits])).toBe('failed');
    store.pass(12_000);
    expect(await store.verdict(question)).toBe('failed');
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['failed']));
    await eventually(() => store.isConnected);
    expect(relay.connections).toBe(2);
  });

  test('a connection that is idle is kept, however long', async () => {
    await using server = await startRedis();
    await using relay = await SilentRelay.start(server.port);
    using store = await new TestStore(`redis://127.0.0.1:${relay.port}`).connected();
    for (let i = 0; i < 3; i++) {
      expect(await store.verdict(question)).toBe('passed');
      store.pass(3_600_000);
    }
    expect([relay.connections, store.news]).toEqual([1, [true]]);
  });

  test('a store that answers with errors fails, and says why once a minute', async () => {
    await using server = await startRedis(0, ['--maxmemory', '1', '--maxmemory-policy', 'noeviction']);
    using store = await new TestStore(server.url).connected();
    for (let i = 0; i < 5; i++) expect(await store.verdict(question)).toBe('failed');
    expect(store.codes).toEqual(['OOM']);
    store.pass(60_000);
    await store.verdict(question);
    expect([store.codes, store.news]).toEqual([['OOM', 'OOM'], [true]]);
  });

  test('a store that has become a replica is looked for again', async () => {
    await using server = await startRedis(0, ['--replicaof', '127.0.0.1', '1']);
    await using relay = await SilentRelay.start(server.port);
    using store = await new TestStore(`redis://127.0.0.1:${relay.port}`).connected();
    store.pass(1_000);
    expect(await store.verdict(question)).toBe('failed');
    expect(store.codes).toEqual(['READONLY']);
    await eventually(() => relay.connections === 2);
    // Not with each request.
    for (let i = 0; i < 3; i++) {
      await eventually(() => store.isConnected);
      expect(await store.verdict(question)).toBe('failed');
    }
    await eventually(() => store.isConnected);
    expect(relay.connections).toBe(2);
  });

  test('user and password of the URL', async () => {
    // All that it needs, as the documentation says.
    const rights = ['~sluice:*', '+@connection', '+evalsha', '+eval', '+get', '+set', '+time'];
    await using server = await startRedis(0, ['--user', 'limits', 'on', '>p@ss/w%rd', ...rights]);
    using store = await new TestStore(`redis://limits:p%40ss%2Fw%25rd@127.0.0.1:${server.port}`).connected();
    expect(await store.verdict(question)).toBe('passed');
    using wrong = new TestStore(`redis://limits:other@127.0.0.1:${server.port}`);
    wrong.start();
    await eventually(() => wrong.codes.length > 0);
    expect([wrong.codes, wrong.isConnected]).toEqual([['WRONGPASS'], false]);
    expect(await wrong.verdict(question)).toBe('failed');
  });

  test('over TLS, checked against the certificates given', async () => {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'store' }], {
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    });
    await using server = await startTlsRedis(cert, key);
    const url = `rediss://127.0.0.1:${server.port}`;
    using store = await new TestStore(url, { ca: cert }).connected();
    expect(await store.verdict(question)).toBe('passed');
    using distrustful = new TestStore(url);
    distrustful.start();
    await eventually(() => distrustful.codes.length > 0);
    expect(distrustful.codes).toEqual(['DEPTH_ZERO_SELF_SIGNED_CERT']);
    expect(await distrustful.verdict(question)).toBe('failed');
    using plain = new TestStore(server.url);
    plain.start();
    await eventually(() => plain.news.length > 0);
    expect(plain.news).toEqual([false]);
  });

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
  using store = new TestStore('redis://127.0.0.1:1', { timeoutMs: 10 });
  store.start();
  await eventually(() => store.news.length === 1);
  expect(store.news).toEqual([false]);
  expect(await store.verdict(question)).toBe('failed');
});

test('a store that takes the connection and says nothing is dialled again', async () => {
  const sockets: Socket[] = [];
  const server = createPlainServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined).resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  using store = new TestStore(`redis://127.0.0.1:${(server.address() as AddressInfo).port}`);
  store.start();
  await eventually(() => sockets.length === 1);
  store.pass(8_000);
  expect([await store.verdict(question), sockets.length]).toEqual(['failed', 1]);
  store.pass(1_500);
  expect(await store.verdict(question)).toBe('failed');
  await eventually(() => sockets.length === 2);
  expect([store.news, store.codes]).toEqual([[false], ['ETIMEDOUT']]);
  // The one before is not kept.
  await eventually(() => sockets[0]?.destroyed === true);
  store.close();
  server.close();
  await once(server, 'close');
});

test('the name of the store is told in the TLS handshake', async () => {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }]);
  const names: (string | false | null)[] = [];
  const server = createServer({ cert, key }, (socket) => {
    names.push(socket.servername);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  using store = new TestStore(`rediss://localhost:${(server.address() as AddressInfo).port}`, { ca: cert });
  store.start();
  await eventually(() => names.length > 0);
  expect(names[0]).toBe('localhost');
  store.close();
  server.close();
});
