// Further attempts on the wire: by status, by broken heads, with a body that was already sent, in time and in budget;
// and endpoints that are left out because of their answers.

import { describe, expect, test } from '@jest/globals';
import { defaultHealth, defaultOutliers, plainEndpoint, plainUpstream } from '../table/defaults.ts';
import type { AffinityCookie } from '../table/route-settings.ts';
import type { RetryCondition, RoutePolicy } from '../table/types.ts';
import type { UpstreamHealth } from '../table/upstream-settings.ts';
import { type DataPath, eventually, startDataPath } from './testing/data-path.ts';
import { type RawOrigin, startHttpOrigin, startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw, type RawResponse } from './testing/raw-client.ts';
import { startProxy, tableOf } from './testing/test-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const replyOf = (status: number) => `HTTP/1.1 ${status} Some\r\nContent-Length: 4\r\nX-From: origin\r\n\r\nsome`;

/** A proxy with two endpoints of which `bad` is asked first, since round robin starts at the lower port. */
async function startPair(bad: string, policy: Partial<RoutePolicy>, health: UpstreamHealth = defaultHealth) {
  const origins = await Promise.all([startSwitching(), startSwitching()]);
  const [first, second] = origins.toSorted((a, b) => a.origin.port - b.origin.port) as [Switching, Switching];
  first.reply = bad;
  const endpoints = [first.origin.port, second.origin.port];
  const proxy = await startDataPath([{ endpoints, policy, upstream: { health } }]);
  return {
    proxy,
    first,
    second,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      for (const { origin } of origins) await origin[Symbol.asyncDispose]();
    },
  };
}

interface Switching {
  origin: RawOrigin;
  reply: string;
  /** It answers when it has seen this much of a request. */
  answersAt: string;
}

async function startSwitching(): Promise<Switching> {
  const self = { reply: OK, answersAt: '\r\n\r\n' } as Switching;
  self.origin = await startRawOrigin((socket, soFar) => {
    if (soFar.includes(self.answersAt)) socket.write(self.reply, 'latin1');
  });
  return self;
}

const affinityCookie: AffinityCookie = {
  name: 'INGRESSCOOKIE',
  path: '/',
  domain: null,
  sameSite: null,
  conditionalSameSiteNone: false,
  secure: false,
  expiresSeconds: null,
  maxAgeSeconds: null,
};

/** Requests that have come. */
const countOf = ({ received }: RawOrigin): number => received.join('').split(' HTTP/1.1\r\n').length - 1;

async function ask(proxy: DataPath, method = 'GET', body = ''): Promise<RawResponse> {
  using client = await connectRaw(proxy.port);
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
  client.send(`${method} / HTTP/1.1\r\nHost: a\r\n${length}\r\n${body}`);
  return (await client.responses(1))[0] as RawResponse;
}

describe('by status', () => {
  test.each<[number, RetryCondition]>([
    [500, 'http500'],
    [502, 'http502'],
    [503, 'http503'],
    [504, 'http504'],
    [403, 'http403'],
    [404, 'http404'],
    [429, 'http429'],
  ])('%i goes elsewhere with its word, and stands without it', async (status, word) => {
    await using pair = await startPair(replyOf(status), { retryOn: [word] });
    expect(await ask(pair.proxy)).toMatchObject({ status: 200, body: 'ok' });
    expect(pair.proxy.requests.at(-1)?.attempts).toEqual([status, 200]);
    await using plain = await startPair(replyOf(status), {});
    expect(await ask(plain.proxy)).toMatchObject({ status, body: 'some', headers: { 'x-from': 'origin' } });
  });

  test('a POST stands unless the operator allows it to be sent again', async () => {
    await using pair = await startPair(replyOf(503), { retryOn: ['http503'] });
    expect((await ask(pair.proxy, 'POST', 'x')).status).toBe(503);
    await using allowed = await startPair(replyOf(503), { retryOn: ['http503', 'nonIdempotent'] });
    expect((await ask(allowed.proxy, 'POST', 'body!')).status).toBe(200);
    expect(allowed.second.origin.received[0]).toMatch(/\r\n\r\nbody!$/);
  });

  test('the answer of the last endpoint stands as it is', async () => {
    await using pair = await startPair(replyOf(503), { retryOn: ['http503'] });
    pair.second.reply = replyOf(503);
    expect(await ask(pair.proxy)).toMatchObject({ status: 503, body: 'some', headers: { 'x-from': 'origin' } });
    expect(pair.proxy.requests.at(-1)?.attempts).toEqual([503, 503]);
  });

  test('tries are counted', async () => {
    await using pair = await startPair(replyOf(503), { retryOn: ['http503'], maxAttempts: 1 });
    expect((await ask(pair.proxy)).status).toBe(503);
  });
});

describe('the connection of a further attempt', () => {
  const badReply = replyOf(503);

  test('requests that may be repeated use open ones: as many as are under way at a time', async () => {
    const health = { ...defaultHealth, passive: 'off' } as const;
    await using pair = await startPair(badReply, { retryOn: ['http503'] }, health);
    for (let i = 0; i < 10; i++) expect((await ask(pair.proxy)).status).toBe(200);
    expect(pair.proxy.requests.filter(({ attempts }) => attempts.join() === '503,200')).toHaveLength(10);
    expect(pair.second.origin.connections).toBe(1);
  });

  test('what is at hand of a body leaves at once on an open one too', async () => {
    await using pair = await startPair(OK, { retryOn: ['http503'], bufferRequestBytes: 5 });
    pair.proxy.shareNoBodyMemory();
    for (let i = 0; i < 2; i++) await ask(pair.proxy);
    pair.first.reply = badReply;
    pair.second.answersAt = '_last';
    using client = await connectRaw(pair.proxy.port);
    client.send('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst');
    await eventually(() => pair.second.origin.received[0]?.endsWith('first') === true);
    client.send('_last');
    expect((await client.responses(1))[0]?.status).toBe(200);
    expect(pair.second.origin.connections).toBe(1);
  });

  test('one that turns out closed is replaced, and its endpoint asked all the same', async () => {
    const health = { ...defaultHealth, passive: 'off' } as const;
    await using forgetful = await startForgetful();
    await using bad = await startReplyingOrigin(badReply);
    const endpoints = [bad.port, forgetful.port];
    await using proxy = await startDataPath([{ endpoints, policy: { retryOn: ['http503'] }, upstream: { health } }]);
    for (let i = 0; i < 4; i++) expect((await ask(proxy)).status).toBe(200);
    expect(proxy.requests.map(({ attempts }) => attempts.join())).toEqual(['503,200', ...Array(3).fill('503,502,200')]);
  });

  test('what could not be sent once more gets a new one', async () => {
    await using forgetful = await startForgetful();
    await using closed = await startHttpOrigin(() => {});
    const { port } = closed;
    await closed[Symbol.asyncDispose]();
    await using proxy = await startDataPath([{ endpoints: [port, forgetful.port] }]);
    for (let i = 0; i < 2; i++) expect((await ask(proxy, 'GET')).status).toBe(200);
    // Round robin: this one begins at the endpoint that refuses, and the other's open connection would fail.
    expect((await ask(proxy, 'POST', 'x')).status).toBe(200);
    expect(forgetful.connections).toBe(3);
  });
});

describe('all others have failed', () => {
  test.each<[string, string]>([
    ['near ones by their answers', replyOf(503)],
    ['near ones without a head', 'HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n'],
  ])('%s: an endpoint of another zone is asked, before health has found out', async (_name, reply) => {
    await using near = await startReplyingOrigin(reply);
    await using far = await startReplyingOrigin(OK);
    const policy: Partial<RoutePolicy> = { retryOn: ['error', 'http503', 'invalidHeader'] };
    await using proxy = await startDataPath([{ endpoints: [near.port, far.port], policy }]);
    const inZone = ({ port }: RawOrigin, zone: string) => ({ ...plainEndpoint('127.0.0.1', port), zones: [zone] });
    const endpoints = [inZone(near, 'a'), inZone(far, 'b')];
    const upstream = { ...plainUpstream('u0', endpoints), zone: { zone: 'a', minUsablePercent: 50 } };
    proxy.context.endpoints.applyUpstreams([upstream], []);
    for (let i = 0; i < 3; i++) expect((await ask(proxy)).status).toBe(200);
    expect(proxy.requests.map(({ attempts }) => attempts.length)).toEqual([2, 2, 2]);
  });

  test('an endpoint that is left out is asked, since it may be well again', async () => {
    await using pair = await startPair('', { retryOn: ['error'] });
    const left = pair.proxy.context.endpoints.get('u0')?.endpoints.find(({ port }) => port === pair.second.origin.port);
    if (left === undefined) throw new Error('expected an endpoint');
    for (let i = 0; i < 5; i++) pair.proxy.context.endpoints.get('u0')?.onFailed(left, 1);
    expect(left.isOut).toBe(true);
    const response = ask(pair.proxy);
    await eventually(() => pair.first.origin.connections === 1);
    pair.first.origin.sockets[0]?.destroy();
    expect((await response).status).toBe(200);
    expect(pair.second.origin.connections).toBe(1);
  });

  test('not instead of an answer, whatever its status', async () => {
    await using pair = await startPair(replyOf(503), { retryOn: ['error', 'http503'] });
    const left = pair.proxy.context.endpoints.get('u0')?.endpoints.find(({ port }) => port === pair.second.origin.port);
    if (left === undefined) throw new Error('expected an endpoint');
    for (let i = 0; i < 5; i++) pair.proxy.context.endpoints.get('u0')?.onFailed(left, 1);
    expect(await ask(pair.proxy)).toMatchObject({ status: 503, body: 'some' });
    expect(pair.second.origin.connections).toBe(0);
  });
});

test('a kept connection that turns out closed uses up no attempt', async () => {
  await using first = await startRawOrigin((socket, soFar, connection) => {
    if (connection > 0) socket.write(replyOf(503));
    else if (soFar.split(' HTTP/1.1\r\n').length > 2) socket.destroy();
    else socket.write(OK);
  });
  await using second = await startReplyingOrigin(OK);
  const policy: Partial<RoutePolicy> = { maxAttempts: 2, retryOn: ['error', 'http503'] };
  await using proxy = await startDataPath([{ endpoints: [first.port, second.port], policy }]);
  for (let i = 0; i < 3; i++) expect((await ask(proxy)).status).toBe(200);
  expect(proxy.requests.at(-1)?.attempts).toEqual([502, 503, 200]);
});

test('an endpoint that left while a kept connection to it turned out closed is not asked again', async () => {
  await using first = await startRawOrigin((socket, soFar) => {
    if (soFar.split(' HTTP/1.1\r\n').length === 2) socket.write(OK);
  });
  await using second = await startReplyingOrigin(OK);
  await using proxy = await startDataPath([{ endpoints: [first.port, second.port] }]);
  for (let i = 0; i < 2; i++) await ask(proxy);
  const response = ask(proxy);
  await eventually(() => first.received[0]?.split(' HTTP/1.1\r\n').length === 3);
  proxy.context.endpoints.applyUpstreams([plainUpstream('u0', [plainEndpoint('127.0.0.1', second.port)])], []);
  first.sockets[0]?.destroy();
  expect((await response).status).toBe(200);
  expect(first.connections).toBe(1);
});

test('a client that is bound to an endpoint, without a limit of attempts, asks it as often as there are endpoints', async () => {
  const affinity = { mode: 'persistent', cookie: affinityCookie, changeOnFailure: false, setsCookie: true } as const;
  const target = { kind: 'upstream', upstream: 'u0', canaries: [], affinity } as const;
  await using bad = await startReplyingOrigin(replyOf(503));
  await using other = await startReplyingOrigin(replyOf(503));
  const policy: Partial<RoutePolicy> = { maxAttempts: null, retryOn: ['http503'] };
  await using proxy = await startDataPath([{ endpoints: [bad.port, other.port], policy, target }]);
  const cookie = (await ask(proxy)).headers['set-cookie']?.split(';')[0];
  const before = [countOf(bad), countOf(other)];
  using client = await connectRaw(proxy.port);
  client.send(`GET / HTTP/1.1\r\nHost: a\r\nCookie: ${cookie}\r\n\r\n`);
  expect((await client.responses(1))[0]?.status).toBe(503);
  expect(proxy.requests.at(-1)?.attempts).toEqual([503, 503]);
  const more = [countOf(bad) - (before[0] ?? 0), countOf(other) - (before[1] ?? 0)];
  expect(more.toSorted()).toEqual([0, 2]);
});

test('the cookie of a client whose first endpoint failed never names that endpoint', async () => {
  const affinity = { mode: 'balanced', cookie: affinityCookie, changeOnFailure: false, setsCookie: true } as const;
  const target = { kind: 'upstream', upstream: 'u0', canaries: [], affinity } as const;
  await using bad = await startReplyingOrigin(replyOf(503));
  await using good = await startReplyingOrigin(OK);
  const policy: Partial<RoutePolicy> = { retryOn: ['http503'] };
  await using proxy = await startDataPath([{ endpoints: [bad.port, good.port], policy, target }]);
  // So heavy that nearly no key leads to the other one.
  const endpoints = [{ ...plainEndpoint('127.0.0.1', bad.port), weight: 1000 }, plainEndpoint('127.0.0.1', good.port)];
  const health = { ...defaultHealth, passive: 'off' } as const;
  proxy.context.endpoints.applyUpstreams([{ ...plainUpstream('u0', endpoints), health }], []);
  for (let i = 0; i < 8; i++) {
    const first = await ask(proxy);
    const cookie = first.headers['set-cookie']?.split(';')[0] ?? 'none=1';
    using client = await connectRaw(proxy.port);
    client.send(`GET / HTTP/1.1\r\nHost: a\r\nCookie: ${cookie}\r\n\r\n`);
    expect([first.status, (await client.responses(1))[0]?.status]).toEqual([200, 200]);
  }
});

test('a head that is none goes elsewhere with `invalid_header` only', async () => {
  const bad = 'HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n';
  await using pair = await startPair(bad, { retryOn: ['invalidHeader'] });
  expect((await ask(pair.proxy)).status).toBe(200);
  await using plain = await startPair(bad, {});
  expect((await ask(plain.proxy)).status).toBe(502);
});

/** An origin that answers the first request of a connection and closes at the second, as at the end of a keep-alive time. */
function startForgetful(): Promise<RawOrigin> {
  return startRawOrigin((socket, soFar) => {
    if (soFar.split(' HTTP/1.1\r\n').length > 2) socket.destroy();
    else if (soFar.includes('\r\n\r\n')) socket.write(OK);
  });
}

describe('a body that was sent already', () => {
  const limit = { bufferRequestBytes: 8192 };
  test.each<[string, string, number, Partial<RoutePolicy>, number]>([
    ['PUT of a few bytes', 'PUT', 5, limit, 200],
    ['DELETE up to the limit', 'DELETE', 8192, limit, 200],
    ['PUT of one byte more: it was read ahead, though it came along with the head', 'PUT', 8193, limit, 200],
    ['PUT of more than is read ahead', 'PUT', 1_200_000, { ...limit, maxBodyBytes: null }, 502],
    [
      'POST of one byte more that may be sent again',
      'POST',
      8193,
      { ...limit, retryOn: ['error', 'nonIdempotent'] },
      200,
    ],
    ['PUT with buffering off', 'PUT', 5, { bufferRequestBytes: 0 }, 502],
    ['POST: it may have been processed', 'POST', 5, limit, 502],
    ['POST that may be sent again', 'POST', 5, { ...limit, retryOn: ['error', 'nonIdempotent'] }, 200],
  ])('a pooled connection turns out closed: %s', async (_name, method, bytes, policy, expected) => {
    await using origin = await startForgetful();
    await using proxy = await startDataPath([{ endpoints: [origin.port], policy }]);
    await ask(proxy);
    const body = 'b'.repeat(bytes);
    expect((await ask(proxy, method, body)).status).toBe(expected);
    expect(origin.connections).toBe(expected === 200 ? 2 : 1);
    if (expected === 200) expect(origin.received[1]?.endsWith(`\r\n\r\n${body}`)).toBe(true);
  });

  test('a chunked body has a length by then', async () => {
    await using origin = await startForgetful();
    await using proxy = await startDataPath([{ endpoints: [origin.port] }]);
    await ask(proxy);
    using client = await connectRaw(proxy.port);
    client.send('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n');
    expect((await client.responses(1))[0]?.status).toBe(200);
    await eventually(() => origin.received[1]?.endsWith('abcde') === true);
    expect(origin.received[1]).toMatch(/\r\nContent-Length: 5\r\n(.*\r\n)*\r\nabcde$/);
    expect(origin.received[1]).not.toMatch(/chunked/);
  });

  test('the rest of it follows when the client sends it later', async () => {
    await using pair = await startPair(replyOf(503), { retryOn: ['http503'], bufferRequestBytes: 5 });
    pair.proxy.shareNoBodyMemory();
    pair.second.answersAt = '_last';
    using client = await connectRaw(pair.proxy.port);
    client.send('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst');
    await eventually(() => pair.second.origin.received[0]?.endsWith('first') === true);
    client.send('_last');
    await eventually(() => pair.second.origin.received[0]?.endsWith('first_last') === true);
    expect((await client.responses(1))[0]?.status).toBe(200);
  });
});

test('per-try timeout: an endpoint that does not answer is left for another, long before proxy-read-timeout', async () => {
  await using pair = await startPair('', { perTryTimeoutMs: 500 });
  const response = ask(pair.proxy);
  await eventually(() => pair.first.origin.connections === 1);
  pair.proxy.pass(400);
  expect(pair.second.origin.connections).toBe(0);
  pair.proxy.pass(200);
  expect((await response).status).toBe(200);
  expect(pair.proxy.requests.at(-1)?.attempts).toEqual([504, 200]);
});

test('a per-try timeout that is shorter than a tick of the clock is not over at the next tick', async () => {
  await using pair = await startPair('', { perTryTimeoutMs: 50 });
  const response = ask(pair.proxy);
  await eventually(() => pair.first.origin.connections === 1);
  // The tick may come a moment after the attempt began.
  pair.proxy.pass(100);
  expect(pair.proxy.leftovers().inFlight).toBe(1);
  pair.first.origin.sockets[0]?.write(OK);
  expect((await response).status).toBe(200);
  expect(pair.proxy.requests.at(-1)?.attempts).toEqual([200]);
});

test('a slow body is not cut by the per-try timeout', async () => {
  await using pair = await startPair('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab', { perTryTimeoutMs: 500 });
  using client = await connectRaw(pair.proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((text) => text.endsWith('ab'));
  pair.proxy.pass(5_000);
  pair.first.origin.sockets[0]?.write('cd');
  expect((await client.responses(1))[0]?.body).toBe('abcd');
});

test('a retry that finds no further endpoint takes nothing out of the budget', async () => {
  const retryBudget = { percent: 20, minPerSecond: 0 };
  const health = { ...defaultHealth, passive: 'off' } as const;
  await using pair = await startPair(replyOf(503), { retryOn: ['http503'], retryBudget }, health);
  pair.second.reply = replyOf(503);
  // Requests that may not be sent again: they only earn two attempts for the others.
  for (let i = 0; i < 10; i++) await ask(pair.proxy, 'POST', 'x');
  for (let i = 0; i < 3; i++) await ask(pair.proxy);
  expect(pair.proxy.requests.slice(-3).map(({ attempts }) => attempts)).toEqual([[503, 503], [503, 503], [503]]);
});

test('the retry budget bounds attempts, not requests', async () => {
  const retryBudget = { percent: 20, minPerSecond: 0 };
  const health = { ...defaultHealth, passive: 'off' } as const;
  await using pair = await startPair(replyOf(503), { retryOn: ['http503'], retryBudget }, health);
  pair.second.reply = replyOf(503);
  for (let i = 0; i < 20; i++) await ask(pair.proxy);
  const attempts = pair.proxy.requests.reduce((sum, request) => sum + request.attempts.length, 0);
  expect(attempts).toBe(24);
});

test('an update of the table forgets nothing of what the budget has given away', async () => {
  const health = { ...defaultHealth, passive: 'off' } as const;
  const policy: Partial<RoutePolicy> = { retryOn: ['http503'], retryBudget: { percent: 50, minPerSecond: 0 } };
  await using bad = await startReplyingOrigin(replyOf(503));
  await using other = await startReplyingOrigin(replyOf(503));
  const routes = [{ endpoints: [bad.port, other.port], policy, upstream: { health } }];
  await using proxy = await startProxy(routes);
  using client = await connectRaw(proxy.port);
  for (let i = 1; i <= 8; i++) {
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    await client.responses(i);
  }
  proxy.publish(tableOf(routes, { serverTokens: true }));
  for (let i = 9; i <= 20; i++) {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.responses(i);
  }
  // Half of the twenty requests; without the eight POSTs it would be six.
  expect(countOf(bad) + countOf(other)).toBe(30);
});

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
