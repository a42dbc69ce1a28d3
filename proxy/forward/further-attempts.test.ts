// Further attempts on the wire: by status, by broken heads and connections, and where they go.

import { describe, expect, test } from '@jest/globals';
import { plainEndpoint, plainUpstream } from '../table/defaults.ts';
import { noPassiveHealth, plainCookie } from '../table/testing/build.ts';
import type { RetryCondition, RoutePolicy } from '../table/types.ts';
import { eventually, startDataPath } from './testing/data-path.ts';
import { ask, countOf, OK, replyOf, startForgetful, startPair } from './testing/failing-pair.ts';
import { type RawOrigin, startHttpOrigin, startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';

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
    await using pair = await startPair(badReply, { retryOn: ['http503'] }, noPassiveHealth);
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
    await using forgetful = await startForgetful();
    await using bad = await startReplyingOrigin(badReply);
    const endpoints = [bad.port, forgetful.port];
    await using proxy = await startDataPath([
      { endpoints, policy: { retryOn: ['http503'] }, upstream: { health: noPassiveHealth } },
    ]);
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
  const affinity = { mode: 'persistent', cookie: plainCookie, changeOnFailure: false, setsCookie: true } as const;
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
  const affinity = { mode: 'balanced', cookie: plainCookie, changeOnFailure: false, setsCookie: true } as const;
  const target = { kind: 'upstream', upstream: 'u0', canaries: [], affinity } as const;
  await using bad = await startReplyingOrigin(replyOf(503));
  await using good = await startReplyingOrigin(OK);
  const policy: Partial<RoutePolicy> = { retryOn: ['http503'] };
  await using proxy = await startDataPath([{ endpoints: [bad.port, good.port], policy, target }]);
  // So heavy that nearly no key leads to the other one.
  const endpoints = [{ ...plainEndpoint('127.0.0.1', bad.port), weight: 1000 }, plainEndpoint('127.0.0.1', good.port)];
  proxy.context.endpoints.applyUpstreams([{ ...plainUpstream('u0', endpoints), health: noPassiveHealth }], []);
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
