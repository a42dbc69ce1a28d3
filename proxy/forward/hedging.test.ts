// Hedging on the wire: when a second attempt is made, who wins, and that nothing of the loser is left.

import { describe, expect, test } from '@jest/globals';
import type { AffinitySettings, HedgeSettings } from '../table/route-settings.ts';
import { noLimits, noPassiveHealth, plainCookie } from '../table/testing/build.ts';
import type { RoutePolicy, Upstream } from '../table/types.ts';
import { type DataPath, eventually, NOTHING_LEFT, startDataPath } from './testing/data-path.ts';
import { startHttp2Origin } from './testing/http2-origin.ts';
import { type RawOrigin, startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw, type RawClient } from './testing/raw-client.ts';
import { SilentListener } from './testing/silent-listener.ts';
import { startProxy, type TestRoute } from './testing/test-proxy.ts';

const hedge: HedgeSettings = { afterMs: 50, budget: { percent: 100, minPerSecond: 100 } };
const okOf = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

interface Pair {
  readonly proxy: DataPath;
  /** In the order in which requests are sent to them. */
  readonly first: RawOrigin;
  readonly second: RawOrigin;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Two endpoints that say nothing by themselves: the test answers on their sockets. */
async function startPair(policy: Partial<RoutePolicy> = {}, more: Partial<TestRoute> = {}): Promise<Pair> {
  const origins = await Promise.all([startRawOrigin(() => {}), startRawOrigin(() => {})]);
  const [first, second] = origins;
  const upstream = { health: noPassiveHealth, ...more.upstream };
  const endpoints = [first.port, second.port];
  const proxy = await startDataPath([{ ...more, endpoints, policy: { hedge, ...policy }, upstream }]);
  return {
    proxy,
    first,
    second,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      for (const origin of origins) await origin[Symbol.asyncDispose]();
    },
  };
}

async function send(proxy: DataPath, method = 'GET', body = '', fields = ''): Promise<RawClient> {
  const client = await connectRaw(proxy.port);
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
  client.send(`${method} / HTTP/1.1\r\nHost: a\r\n${fields}${length}\r\n${body}`);
  return client;
}

const hasRequest = (origin: RawOrigin, end = '\r\n\r\n') => origin.received.some((text) => text.endsWith(end));
const answer = (origin: RawOrigin, text: string) => origin.sockets.at(-1)?.write(text, 'latin1');
const bodyAt = async (client: RawClient) => (await client.responses(1))[0]?.body;

/** Sends a request that the first endpoint has and leaves waiting until the second one has it as well. */
async function race(pair: Pair, method = 'GET', body = ''): Promise<RawClient> {
  const client = await send(pair.proxy, method, body);
  await eventually(() => hasRequest(pair.first, `\r\n\r\n${body}`));
  pair.proxy.pass(60);
  await eventually(() => hasRequest(pair.second, `\r\n\r\n${body}`));
  return client;
}

/** Closes everything and expects that nothing is left behind. */
async function expectNothingLeft(proxy: DataPath): Promise<void> {
  await proxy.cutAll();
  await eventually(() => proxy.leftovers().openConnections === 0);
  expect(proxy.leftovers()).toEqual(NOTHING_LEFT);
  proxy.pass(10_000);
  expect(proxy.context.hedging.timers.isTurning).toBe(false);
}

test('the second endpoint is asked after the delay, and wins with the first head', async () => {
  await using pair = await startPair();
  using client = await send(pair.proxy);
  await eventually(() => hasRequest(pair.first));
  pair.proxy.pass(40);
  expect(pair.second.connections).toBe(0);
  pair.proxy.pass(20);
  await eventually(() => hasRequest(pair.second));
  expect(pair.second.received[0]).toBe(pair.first.received[0]);
  answer(pair.second, okOf('second'));
  expect(await bodyAt(client)).toBe('second');
  // The first attempt is cut: what it does is wanted no more.
  await eventually(() => pair.first.sockets[0]?.readableEnded === true || pair.first.sockets[0]?.destroyed === true);
  expect(pair.proxy.requests).toEqual([{ status: 200, reason: '', attempts: [0, 200] }]);
  expect(pair.proxy.context.hedging.outcomes).toMatchObject({ won: 1, lost: 0 });
  await expectNothingLeft(pair.proxy);
});

test('the first endpoint wins when its head comes first, and the other attempt is cut', async () => {
  await using pair = await startPair();
  using client = await race(pair);
  answer(pair.first, okOf('first'));
  expect(await bodyAt(client)).toBe('first');
  await eventually(() => pair.second.sockets[0]?.readableEnded === true || pair.second.sockets[0]?.destroyed === true);
  answer(pair.second, okOf('late'));
  expect(pair.proxy.requests).toEqual([{ status: 200, reason: '', attempts: [200, 0] }]);
  expect(pair.proxy.context.hedging.outcomes).toMatchObject({ won: 0, lost: 1 });
  // The connection that won serves on.
  client.send('GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() =>
    [pair.first, pair.second].some(({ received }) => received.some((text) => text.includes('/next'))),
  );
  await expectNothingLeft(pair.proxy);
});

test('a fast answer: no second attempt, and the delay is forgotten', async () => {
  await using pair = await startPair();
  using client = await send(pair.proxy);
  await eventually(() => hasRequest(pair.first));
  answer(pair.first, okOf('fast'));
  expect(await bodyAt(client)).toBe('fast');
  pair.proxy.pass(1000);
  expect(pair.second.connections).toBe(0);
  expect(pair.proxy.context.hedging.timers.isTurning).toBe(false);
});

test('a response that goes on after its head comes whole from the hedge, and so do those after it', async () => {
  await using pair = await startPair();
  using client = await race(pair);
  answer(pair.second, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n');
  await client.until((text) => text.includes('part'));
  pair.proxy.pass(30_000);
  answer(pair.second, '4\r\nrest\r\n0\r\nX-Trailer: t\r\n\r\n');
  expect(await bodyAt(client)).toBe('partrest');
  client.send('GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => pair.second.received[0]?.includes('/next') === true || pair.first.received.length === 2);
});

test('a PUT is doubled once its body is complete, with all of it', async () => {
  await using pair = await startPair();
  using client = await connectRaw(pair.proxy.port);
  client.send('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst');
  await eventually(() => pair.proxy.context.bodies.bytes > 0);
  // The delay does not run while the client still sends.
  pair.proxy.pass(500);
  client.send('_last');
  await eventually(() => hasRequest(pair.first, 'first_last'));
  pair.proxy.pass(40);
  expect(pair.second.connections).toBe(0);
  pair.proxy.pass(20);
  await eventually(() => hasRequest(pair.second, '\r\n\r\nfirst_last'));
  answer(pair.second, okOf('second'));
  expect(await bodyAt(client)).toBe('second');
});

test('a body that is sent on before its end is known: the delay begins with that end', async () => {
  await using pair = await startPair({ bufferRequestBytes: 5 });
  pair.proxy.shareNoBodyMemory();
  using client = await connectRaw(pair.proxy.port);
  client.send('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n');
  await eventually(() => hasRequest(pair.first, '5\r\nfirst\r\n'));
  pair.proxy.pass(500);
  expect(pair.second.connections).toBe(0);
  client.send('0\r\n\r\n');
  await eventually(() => hasRequest(pair.first, '0\r\n\r\n'));
  pair.proxy.pass(60);
  await eventually(() => hasRequest(pair.second, '\r\n\r\n5\r\nfirst\r\n0\r\n\r\n'));
});

describe('no second attempt', () => {
  const affinity: AffinitySettings = {
    mode: 'balanced',
    changeOnFailure: true,
    setsCookie: true,
    cookie: plainCookie,
  };
  const withAffinity = { kind: 'upstream', upstream: 'u0', canaries: [], affinity } as const;
  /** More than `sluice-request-buffer-size` by several reads. */
  const longBody = 'x'.repeat(2 ** 20 + 2 ** 18);
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';

  test.each<
    [
      string,
      Partial<RoutePolicy>,
      Partial<TestRoute>,
      Parameters<typeof send> extends [unknown, ...infer R] ? R : never,
    ]
  >([
    ['POST', {}, {}, ['POST', 'x']],
    ['POST that may be sent again: only after a failure', { retryOn: ['error', 'nonIdempotent'] }, {}, ['POST', 'x']],
    ['a method that nobody knows', {}, {}, ['BREW']],
    ['an upgrade', {}, {}, ['GET', '', upgrade]],
    ['a client with a place by cookie', {}, { target: withAffinity }, ['GET']],
    ['one try only', { maxAttempts: 1 }, {}, ['GET']],
    ['no time for another attempt', { retryTimeoutMs: 50 }, {}, ['GET']],
    ['a body that is not kept', { bufferRequestBytes: 0 }, {}, ['PUT', 'x']],
    ['a body longer than what is read ahead', { bufferRequestBytes: 4, maxBodyBytes: null }, {}, ['PUT', longBody]],
    ['no hedging', { hedge: null }, {}, ['GET']],
  ])('%s', async (_name, policy, more, request) => {
    await using pair = await startPair(policy, more);
    using client = await send(pair.proxy, ...request);
    const origins = [pair.first, pair.second];
    const end = request[1] === undefined || request[1] === '' ? '\r\n\r\n' : request[1];
    await eventually(() => origins.some((origin) => hasRequest(origin, end)));
    pair.proxy.pass(500);
    expect(pair.first.connections + pair.second.connections).toBe(1);
    for (const origin of origins) answer(origin, okOf('only'));
    expect(await bodyAt(client)).toBe('only');
    expect(pair.proxy.requests).toHaveLength(1);
    expect(pair.proxy.requests[0]?.attempts).toEqual([200]);
  });

  test('gRPC, whatever the method', async () => {
    const origins = await Promise.all([startHttp2Origin(() => {}), startHttp2Origin(() => {})]);
    const endpoints = origins.map(({ port }) => port);
    await using proxy = await startDataPath([{ endpoints, policy: { hedge, protocol: 'grpc' } }]);
    using _client = await send(proxy);
    const asked = () => origins.reduce((sum, { connections }) => sum + (connections[0]?.requests.length ?? 0), 0);
    await eventually(() => asked() === 1);
    proxy.pass(500);
    // Not even a connection is being opened.
    expect([asked(), proxy.context.pool.size]).toEqual([1, 1]);
    expect(proxy.context.hedging.outcomes).toMatchObject({ won: 0, lost: 0, cancelled: 0 });
    for (const origin of origins) await origin[Symbol.asyncDispose]();
  });

  test('the only endpoint', async () => {
    await using origin = await startRawOrigin(() => {});
    await using proxy = await startDataPath([{ endpoints: [origin.port], policy: { hedge } }]);
    using client = await send(proxy);
    await eventually(() => hasRequest(origin));
    proxy.pass(500);
    expect(proxy.context.hedging.outcomes.noEndpoint).toBe(1);
    answer(origin, okOf('only'));
    expect(await bodyAt(client)).toBe('only');
  });
});

describe('failures', () => {
  test('the first attempt fails during the race: the hedge goes on, without a third', async () => {
    await using pair = await startPair();
    using client = await race(pair);
    pair.first.sockets[0]?.destroy();
    await eventually(() => pair.proxy.context.hedging.outcomes.won === 1);
    answer(pair.second, okOf('second'));
    expect(await bodyAt(client)).toBe('second');
    expect(pair.proxy.requests[0]?.attempts).toEqual([502, 200]);
    await expectNothingLeft(pair.proxy);
  });

  test('the hedge fails during the race: the first attempt goes on', async () => {
    await using pair = await startPair();
    using client = await race(pair);
    pair.second.sockets[0]?.destroy();
    await eventually(() => pair.proxy.context.hedging.outcomes.failed === 1);
    answer(pair.first, okOf('first'));
    expect(await bodyAt(client)).toBe('first');
    expect(pair.proxy.requests[0]?.attempts).toEqual([200, 502]);
  });

  test('both fail: the request fails once, and each endpoint was asked once', async () => {
    await using pair = await startPair();
    using client = await race(pair);
    pair.first.sockets[0]?.destroy();
    await eventually(() => pair.proxy.context.hedging.outcomes.won === 1);
    pair.second.sockets[0]?.destroy();
    expect((await client.responses(1))[0]?.status).toBe(502);
    expect(pair.first.connections + pair.second.connections).toBe(2);
    expect(pair.proxy.requests[0]?.attempts).toEqual([502, 502]);
  });

  test.each(['first', 'second'] as const)('an unwanted status of the %s one waits for the other', async (which) => {
    await using pair = await startPair({ retryOn: ['error', 'http503'] });
    using client = await race(pair);
    const other = which === 'first' ? pair.second : pair.first;
    answer(pair[which], 'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n');
    const { outcomes } = pair.proxy.context.hedging;
    await eventually(() => outcomes.won + outcomes.failed === 1);
    answer(other, okOf('other'));
    expect(await bodyAt(client)).toBe('other');
    expect(pair.proxy.requests[0]?.attempts.toSorted()).toEqual([200, 503]);
    await expectNothingLeft(pair.proxy);
  });

  test('the hedge meets a kept connection that turns out closed: its endpoint is asked on a new one', async () => {
    await using pair = await startPair();
    for (const origin of [pair.first, pair.second]) {
      using client = await send(pair.proxy);
      await eventually(() => hasRequest(origin));
      answer(origin, okOf('kept'));
      expect(await bodyAt(client)).toBe('kept');
    }
    using client = await send(pair.proxy);
    const requestsOf = (origin: RawOrigin) => origin.received.join('').split(' HTTP/1.1\r\n').length - 1;
    await eventually(() => requestsOf(pair.first) === 2);
    pair.proxy.pass(60);
    await eventually(() => requestsOf(pair.second) === 2);
    pair.second.sockets[0]?.resetAndDestroy();
    await eventually(() => pair.second.connections === 2 && requestsOf(pair.second) === 3);
    answer(pair.second, okOf('fresh'));
    expect(await bodyAt(client)).toBe('fresh');
    expect(pair.proxy.context.hedging.outcomes).toMatchObject({ won: 1, failed: 0 });
  });

  test('a status that the route does not mind wins like any other', async () => {
    await using pair = await startPair();
    using client = await race(pair);
    answer(pair.second, 'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n');
    expect((await client.responses(1))[0]?.status).toBe(503);
  });

  test('a first endpoint that never connects is overtaken', async () => {
    await using silent = await SilentListener.start();
    await using origin = await startRawOrigin(() => {});
    const upstream: Partial<Upstream> = { health: noPassiveHealth };
    const endpoints = [silent.port, origin.port];
    await using proxy = await startDataPath([{ endpoints, policy: { hedge }, upstream }]);
    using client = await send(proxy);
    await eventually(() => proxy.context.pool.size === 1);
    proxy.pass(60);
    await eventually(() => hasRequest(origin));
    answer(origin, okOf('there'));
    expect(await bodyAt(client)).toBe('there');
    expect(proxy.context.hedging.outcomes.won).toBe(1);
    await expectNothingLeft(proxy);
  });

  test('a hedge that still connects takes over, and its own time limit holds', async () => {
    await using silent = await SilentListener.start();
    await using origin = await startRawOrigin(() => {});
    const endpoints = [origin.port, silent.port];
    const upstream: Partial<Upstream> = { health: noPassiveHealth };
    const policy = { hedge, connectTimeoutMs: 5000, readTimeoutMs: 60_000 };
    await using proxy = await startDataPath([{ endpoints, policy, upstream }]);
    using client = await send(proxy);
    await eventually(() => hasRequest(origin));
    proxy.pass(60);
    origin.sockets[0]?.destroy();
    await eventually(() => proxy.context.hedging.outcomes.won >= 1);
    proxy.pass(4900);
    expect(client.received).toBe('');
    proxy.pass(300);
    expect((await client.responses(1))[0]?.status).toBe(504);
  });

  test('the client goes away during the race: both attempts are cut', async () => {
    await using pair = await startPair();
    const client = await race(pair);
    client.socket.resetAndDestroy();
    await eventually(() => pair.proxy.context.hedging.outcomes.cancelled === 1);
    expect(pair.proxy.requests).toMatchObject([{ status: 499, attempts: [0, 0] }]);
    await expectNothingLeft(pair.proxy);
  });
});

describe('budgets', () => {
  test('at most the percent of the requests is doubled', async () => {
    const budget = { percent: 20, minPerSecond: 0 };
    await using pair = await startPair({ hedge: { afterMs: 50, budget } });
    for (let i = 1; i <= 10; i++) {
      using client = await send(pair.proxy, 'GET', '', `X-Number: ${i}\r\n`);
      const sent = () =>
        [pair.first, pair.second].filter(({ received }) =>
          received.some((text) => text.includes(`X-Number: ${i}\r\n`)),
        );
      await eventually(() => sent().length === 1);
      pair.proxy.pass(60);
      if (i % 5 === 0) await eventually(() => sent().length === 2);
      for (const origin of sent()) answer(origin, okOf('ok'));
      await client.responses(1);
    }
    expect(pair.proxy.context.hedging.outcomes.overBudget).toBe(8);
    const attempts = pair.proxy.requests.reduce((sum, request) => sum + request.attempts.length, 0);
    expect(attempts).toBe(12);
  });

  test('the retry budget counts as well', async () => {
    await using pair = await startPair({ retryBudget: { percent: 0, minPerSecond: 0 } });
    using client = await send(pair.proxy);
    await eventually(() => hasRequest(pair.first));
    pair.proxy.pass(60);
    expect(pair.proxy.context.hedging.outcomes.overBudget).toBe(1);
    answer(pair.first, okOf('first'));
    expect(await bodyAt(client)).toBe('first');
  });

  test('a hedge that the retry budget forbids takes nothing out of its own', async () => {
    const once: HedgeSettings = { afterMs: 50, budget: { percent: 0, minPerSecond: 1 } };
    // One request is not enough for a further attempt, two are.
    await using pair = await startPair({ hedge: once, retryBudget: { percent: 50, minPerSecond: 0 } });
    using alone = await send(pair.proxy);
    await eventually(() => hasRequest(pair.first));
    pair.proxy.pass(60);
    answer(pair.first, okOf('first'));
    expect(await bodyAt(alone)).toBe('first');
    using doubled = await send(pair.proxy);
    // In turn it is the first one's again: the choice of a second endpoint took the other's turn.
    await eventually(() => pair.first.received[0]?.split(' HTTP/1.1\r\n').length === 3);
    pair.proxy.pass(60);
    answer(pair.first, okOf('again'));
    expect(await bodyAt(doubled)).toBe('again');
    expect(pair.proxy.context.hedging.outcomes).toMatchObject({ overBudget: 1, lost: 1 });
  });

  test('no place at the upstream, no hedge; with one it is given back', async () => {
    await using full = await startPair({}, { upstream: { limits: { ...noLimits, maxRequests: 1 } } });
    using alone = await send(full.proxy);
    await eventually(() => hasRequest(full.first));
    full.proxy.pass(60);
    expect(full.proxy.context.hedging.outcomes.overBudget).toBe(1);
    answer(full.first, okOf('first'));
    expect(await bodyAt(alone)).toBe('first');

    await using roomy = await startPair({}, { upstream: { limits: { ...noLimits, maxRequests: 2 } } });
    const gate = roomy.proxy.context.endpoints.get('u0')?.gate;
    using client = await race(roomy);
    expect(gate?.requests).toBe(2);
    answer(roomy.second, 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n');
    await client.until((text) => text.includes('200 OK'));
    expect(gate?.requests).toBe(1);
    answer(roomy.second, 'body');
    await bodyAt(client);
    expect(gate?.requests).toBe(0);
  });

  test('the place of a hedge that loses, or that the retry budget does not allow, is given back at once', async () => {
    await using pair = await startPair({}, { upstream: { limits: { ...noLimits, maxRequests: 2 } } });
    const gate = pair.proxy.context.endpoints.get('u0')?.gate;
    using client = await race(pair);
    expect(gate?.requests).toBe(2);
    answer(pair.first, 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n');
    await client.until((text) => text.includes('200 OK'));
    expect(gate?.requests).toBe(1);
    answer(pair.first, 'body');
    await bodyAt(client);
    expect(gate?.requests).toBe(0);

    const retryBudget = { percent: 0, minPerSecond: 0 };
    await using poor = await startPair({ retryBudget }, { upstream: { limits: { ...noLimits, maxRequests: 2 } } });
    const places = poor.proxy.context.endpoints.get('u0')?.gate;
    using alone = await send(poor.proxy);
    await eventually(() => hasRequest(poor.first));
    poor.proxy.pass(60);
    expect([poor.proxy.context.hedging.outcomes.overBudget, places?.requests]).toEqual([1, 1]);
    answer(poor.first, okOf('first'));
    expect(await bodyAt(alone)).toBe('first');
    expect(places?.requests).toBe(0);
  });
});

test('HTTP/2 upstreams: the loser’s stream is reset, its connection stays', async () => {
  const origins = await Promise.all([startHttp2Origin(() => {}), startHttp2Origin(() => {})]);
  const endpoints = origins.map(({ port }) => port);
  const policy = { hedge, protocol: 'http2' } as const;
  await using proxy = await startDataPath([{ endpoints, policy, upstream: { health: noPassiveHealth } }]);
  using client = await send(proxy);
  await eventually(() => origins.some(({ connections }) => connections[0]?.requests.length === 1));
  const first = origins.find(({ connections }) => connections.length === 1);
  const second = origins.find((origin) => origin !== first);
  proxy.pass(60);
  await eventually(() => second?.connections[0]?.requests.length === 1);
  second?.connections[0]?.respond(second.connections[0].requests[0] as number, 'second');
  expect(await bodyAt(client)).toBe('second');
  const RST_STREAM = 3;
  await eventually(() => first?.connections[0]?.framesOf(RST_STREAM).length === 1);
  expect(first?.connections[0]?.socket.destroyed).toBe(false);
  await proxy.cutAll();
  for (const origin of origins) await origin[Symbol.asyncDispose]();
});

test('in a worker, by its own clock: the metric counts it', async () => {
  await using silent = await startRawOrigin(() => {});
  await using origin = await startReplyingOrigin(okOf('second'));
  const upstream = { health: noPassiveHealth };
  const policy = { hedge: { ...hedge, afterMs: 20 } };
  await using proxy = await startProxy([{ endpoints: [silent.port, origin.port], policy, upstream }]);
  using client = await connectRaw(proxy.port);
  const startedAtMs = performance.now();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  expect(await bodyAt(client)).toBe('second');
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(19);
  const counted = proxy.worker.sample().counters.filter(({ name }) => name === 'sluice_hedged_requests_total');
  expect(counted).toEqual([{ name: 'sluice_hedged_requests_total', labels: { result: 'won' }, value: 1 }]);
});

test('routes without hedging start no timer and count nothing', async () => {
  await using origin = await startReplyingOrigin(okOf('ok'));
  await using proxy = await startDataPath([{ endpoints: [origin.port] }]);
  using client = await send(proxy);
  expect(await bodyAt(client)).toBe('ok');
  expect(proxy.context.hedging.timers.isTurning).toBe(false);
  expect(Object.values(proxy.context.hedging.outcomes).every((count) => count === 0)).toBe(true);
});
