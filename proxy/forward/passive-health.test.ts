// Passive health on the wire: endpoints that are left out because of their answers, and how they come back.

import { describe, expect, test } from '@jest/globals';
import { defaultHealth, defaultOutliers } from '../table/defaults.ts';
import type { RoutePolicy } from '../table/types.ts';
import { eventually, startDataPath } from './testing/data-path.ts';
import { ask, OK, replyOf, startForgetful, startSwitching } from './testing/failing-pair.ts';
import { type RawOrigin, startHttpOrigin, startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';

describe('passive health', () => {
  const outliers = { ...defaultOutliers, ejectionMs: 5000 };
  const start = async (reply: string) => {
    const bad = await startReplyingOrigin(reply);
    const good = await startHttpOrigin((_request, response) => response.end('ok'));
    const endpoints = [bad.port, good.port].toSorted((a, b) => a - b);
    const upstream = { health: { ...defaultHealth, passive: outliers } };
    const proxy = await startDataPath([{ endpoints, upstream, policy: { retryOn: ['error', 'http503'] } }]);
    return { bad, good, proxy };
  };

  test('an endpoint with five errors in a row gets nothing for its time, one request then, and all when that is good', async () => {
    const switching = await startSwitching();
    switching.reply = replyOf(503);
    await using bad = switching.origin;
    await using good = await startHttpOrigin((_request, response) => response.end('ok'));
    const endpoints = [bad.port, good.port].toSorted((a, b) => a - b);
    const upstream = { health: { ...defaultHealth, passive: outliers } };
    await using proxy = await startDataPath([{ endpoints, upstream, policy: { retryOn: ['error', 'http503'] } }]);
    const state = () =>
      proxy.context.endpoints.get('u0')?.endpoints.find(({ port }) => port === bad.port)?.outlier.phase;
    for (let i = 0; i < 10; i++) expect((await ask(proxy)).status).toBe(200);
    expect(state()).toBe('open');
    const before = bad.received.join('');
    for (let i = 0; i < 10; i++) await ask(proxy);
    expect(bad.received.join('')).toBe(before);
    proxy.pass(5_000);
    expect(state()).toBe('halfOpen');
    expect((await ask(proxy)).status).toBe(200);
    // The probe failed: twice as long now, and the client saw nothing of it.
    expect(state()).toBe('open');
    switching.reply = OK;
    proxy.pass(10_000);
    await ask(proxy);
    expect(state()).toBe('closed');
  });

  describe('what counts as a failure of the endpoint, when one is enough', () => {
    const health = { ...defaultHealth, passive: { ...defaultOutliers, consecutiveErrors: 1 } } as const;
    const startWith = async (origin: RawOrigin, policy: Partial<RoutePolicy> = {}) => {
      const silent = await startRawOrigin(() => {});
      const endpoints = [origin.port, silent.port];
      const proxy = await startDataPath([{ endpoints, policy, upstream: { health } }]);
      // The first one is meant: round robin starts there.
      const isOut = () => proxy.context.endpoints.get('u0')?.endpoints.find(({ port }) => port === origin.port)?.isOut;
      const close = async () => {
        await proxy[Symbol.asyncDispose]();
        await silent[Symbol.asyncDispose]();
      };
      return { proxy, isOut, [Symbol.asyncDispose]: close };
    };

    test('a response that is broken off does', async () => {
      await using origin = await startRawOrigin((socket) => {
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab');
      });
      await using pair = await startWith(origin);
      using client = await connectRaw(pair.proxy.port);
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await client.closed();
      expect(pair.isOut()).toBe(true);
    });

    test('a response that falls silent does not: events may come seldom', async () => {
      await using origin = await startReplyingOrigin('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab');
      await using pair = await startWith(origin);
      using client = await connectRaw(pair.proxy.port);
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await client.until((text) => text.endsWith('ab'));
      pair.proxy.pass(61_000);
      await client.closed();
      expect([pair.isOut(), pair.proxy.requests.at(-1)?.reason]).toEqual([false, 'upstreamTimeout']);
    });

    test('a client that goes away does not', async () => {
      await using origin = await startRawOrigin(() => {});
      await using pair = await startWith(origin);
      using client = await connectRaw(pair.proxy.port);
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await eventually(() => origin.received.join('') !== '');
      client.socket.destroy();
      await eventually(() => pair.proxy.requests.length === 1);
      expect([pair.isOut(), pair.proxy.requests[0]?.status]).toEqual([false, 499]);
    });

    test('a kept connection that turns out closed does not, nor does a POST that was lost on it', async () => {
      await using origin = await startForgetful();
      await using proxy = await startDataPath([{ endpoints: [origin.port, origin.port + 1], upstream: { health } }]);
      const target = proxy.context.endpoints.get('u0')?.endpoints.find(({ port }) => port === origin.port);
      // Only this one is asked: the other one's checks fail.
      proxy.context.endpoints.get('u0')?.probed(`127.0.0.1:${origin.port + 1}`, true);
      for (const method of ['GET', 'GET', 'GET']) expect((await ask(proxy, method)).status).toBe(200);
      expect((await ask(proxy, 'POST', 'x')).status).toBe(502);
      expect([origin.connections, target?.outlier.attempts, target?.outlier.errorRatePercent]).toEqual([3, 3, 0]);
    });
  });

  test('all endpoints fail: all are used, and their own answers reach the client', async () => {
    const { bad, good, proxy } = await start(replyOf(503));
    await good[Symbol.asyncDispose]();
    for (let i = 0; i < 20; i++) expect([502, 503]).toContain((await ask(proxy)).status);
    await proxy[Symbol.asyncDispose]();
    await bad[Symbol.asyncDispose]();
  });

  test('requests that may not be sent twice find out as well, some of them', async () => {
    const switching = await startSwitching();
    switching.reply = replyOf(503);
    await using bad = switching.origin;
    await using good = await startHttpOrigin((_request, response) => response.end('ok'));
    const endpoints = [bad.port, good.port].toSorted((a, b) => a - b);
    await using proxy = await startDataPath([
      { endpoints, upstream: { health: { ...defaultHealth, passive: outliers } } },
    ]);
    for (let i = 0; i < 10; i++) await ask(proxy, 'POST', 'x');
    proxy.pass(5_000);
    // Still failing: of sixteen one finds out.
    const found = [];
    for (let i = 0; i < 31; i++) found.push((await ask(proxy, 'POST', 'x')).status);
    expect([found.indexOf(503), found.lastIndexOf(503)]).toEqual([15, 15]);
    switching.reply = OK;
    proxy.pass(10_000);
    const before = bad.received.join('').length;
    for (let i = 0; i < 16; i++) await ask(proxy, 'POST', 'x');
    expect(bad.received.join('').length).toBeGreaterThan(before);
    expect(proxy.context.endpoints.get('u0')?.endpoints.every(({ isOut }) => !isOut)).toBe(true);
  });
});
