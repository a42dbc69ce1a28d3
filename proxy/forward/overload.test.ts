// Circuit breaking on the wire: places, the queue for them, and what is answered when there is none.

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { expect, test } from '@jest/globals';
import { rowKey } from '../endpoints/shared-loads.ts';
import { plainUpstream } from '../table/defaults.ts';
import { noLimits } from '../table/testing/build.ts';
import { eventually, NOTHING_LEFT, startDataPath, startSharedPath } from './testing/data-path.ts';
import { startHttpOrigin } from './testing/origin.ts';
import { RacingLoads } from './testing/racing-loads.ts';
import { connectRaw, type RawClient } from './testing/raw-client.ts';
import { tableOf } from './testing/test-proxy.ts';

/** An origin that answers when it is told to. */
async function startHolding() {
  const held: ServerResponse[] = [];
  const origin = await startHttpOrigin((_request, response) => held.push(response));
  return { origin, held, port: origin.port, [Symbol.asyncDispose]: () => origin[Symbol.asyncDispose]() };
}

async function send(port: number): Promise<RawClient> {
  const client = await connectRaw(port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  return client;
}

const statusOf = async (client: RawClient) => (await client.responses(1))[0]?.status;

test.each(['maxRequests', 'maxConnections'] as const)(
  '%s: one is served, one waits, the third is refused',
  async (limit) => {
    await using holding = await startHolding();
    const limits = { ...noLimits, [limit]: 1, maxPending: 1 };
    await using proxy = await startDataPath([{ endpoints: [holding.port], upstream: { limits } }]);
    using first = await send(proxy.port);
    await eventually(() => holding.held.length === 1);
    using second = await send(proxy.port);
    await eventually(() => proxy.context.endpoints.get('u0')?.gate?.pending === 1);
    using third = await send(proxy.port);
    const refused = (await third.responses(1))[0];
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '7' } });
    expect(proxy.requests.at(-1)).toMatchObject({ reason: 'overloaded', attempts: [] });
    holding.held[0]?.end('one');
    expect(await statusOf(first)).toBe(200);
    await eventually(() => holding.held.length === 2);
    holding.held[1]?.end('two');
    expect(await statusOf(second)).toBe(200);
  },
);

test('who waits too long is answered 503, and its place in the queue is free again', async () => {
  await using holding = await startHolding();
  const limits = { ...noLimits, maxRequests: 1, maxPending: 1, pendingTimeoutMs: 500 };
  await using proxy = await startDataPath([{ endpoints: [holding.port], upstream: { limits } }]);
  using first = await send(proxy.port);
  await eventually(() => holding.held.length === 1);
  const gate = proxy.context.endpoints.get('u0')?.gate;
  using second = await send(proxy.port);
  await eventually(() => gate?.pending === 1);
  proxy.pass(400);
  expect(gate?.pending).toBe(1);
  proxy.pass(200);
  expect((await second.responses(1))[0]).toMatchObject({ status: 503, headers: { 'retry-after': '7' } });
  expect(proxy.requests.at(-1)?.reason).toBe('pendingTimeout');
  expect(gate?.pending).toBe(0);
  holding.held[0]?.end();
  expect(await statusOf(first)).toBe(200);
  expect(gate?.requests).toBe(0);
});

test('a client that goes away while it waits leaves the queue; one that goes while it is served frees its place', async () => {
  await using holding = await startHolding();
  const limits = { ...noLimits, maxRequests: 1, maxPending: 5 };
  await using proxy = await startDataPath([{ endpoints: [holding.port], upstream: { limits } }]);
  const gate = () => proxy.context.endpoints.get('u0')?.gate;
  using first = await send(proxy.port);
  await eventually(() => holding.held.length === 1);
  const waiting = await send(proxy.port);
  await eventually(() => gate()?.pending === 1);
  waiting.socket.resetAndDestroy();
  await eventually(() => gate()?.pending === 0);
  first.socket.resetAndDestroy();
  await eventually(() => gate()?.requests === 0);
  await proxy.cutAll();
  await eventually(() => proxy.leftovers().openConnections === 0);
  expect(proxy.leftovers()).toEqual(NOTHING_LEFT);
});

test('limits that a change of the settings lifts hold nobody up: who waits is served at once', async () => {
  await using holding = await startHolding();
  const limits = { ...noLimits, maxRequests: 1, maxPending: 5, pendingTimeoutMs: 600_000 };
  const routes = (upstream: object) => [{ endpoints: [holding.port], upstream }];
  await using proxy = await startDataPath(routes({ limits }));
  using first = await send(proxy.port);
  await eventually(() => holding.held.length === 1);
  using second = await send(proxy.port);
  using third = await send(proxy.port);
  await eventually(() => proxy.context.endpoints.get('u0')?.gate?.pending === 2);
  proxy.context.endpoints.replaceUpstreams(tableOf(routes({})).upstreams);
  await eventually(() => holding.held.length === 3);
  for (const response of holding.held) response.end();
  expect(await Promise.all([first, second, third].map(statusOf))).toEqual([200, 200, 200]);
  expect(proxy.leftovers()).toMatchObject({ inFlight: 0 });
});

test('a waiting POST keeps its body until there is a place', async () => {
  let body = '';
  await using holding = await startHolding();
  holding.origin.server.on('request', (request) => request.on('data', (chunk: Buffer) => (body += chunk.toString())));
  const limits = { ...noLimits, maxRequests: 1, maxPending: 5 };
  await using proxy = await startDataPath([{ endpoints: [holding.port], upstream: { limits } }]);
  using first = await send(proxy.port);
  await eventually(() => holding.held.length === 1);
  using second = await connectRaw(proxy.port);
  second.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello');
  await eventually(() => proxy.context.endpoints.get('u0')?.gate?.pending === 1);
  holding.held[0]?.end();
  await first.responses(1);
  await eventually(() => holding.held.length === 2 && body.length === 5);
  expect(body).toBe('hello');
  holding.held[1]?.end();
  expect(await statusOf(second)).toBe(200);
});

test.each(['maxRequestsPerEndpoint', 'maxConnectionsPerEndpoint'] as const)(
  '%s: the other endpoint is used, then 503',
  async (limit) => {
    await using a = await startHolding();
    await using b = await startHolding();
    const limits = { ...noLimits, [limit]: 1 };
    const endpoints = [a.port, b.port].toSorted((x, y) => x - y);
    await using proxy = await startDataPath([{ endpoints, upstream: { limits } }]);
    const clients = [await send(proxy.port), await send(proxy.port)];
    await eventually(() => a.held.length === 1 && b.held.length === 1);
    using third = await send(proxy.port);
    expect((await third.responses(1))[0]).toMatchObject({ status: 503, headers: { 'retry-after': '7' } });
    expect(proxy.requests.at(-1)?.reason).toBe('endpointsFull');
    for (const { held } of [a, b]) held[0]?.end();
    for (const client of clients) {
      expect(await statusOf(client)).toBe(200);
      client.socket.destroy();
      await once(client.socket, 'close');
    }
  },
);

test.each(['maxRequestsPerEndpoint', 'maxConnectionsPerEndpoint'] as const)(
  '%s: who finds all endpoints full waits for the first that has room',
  async (limit) => {
    await using a = await startHolding();
    await using b = await startHolding();
    const limits = { ...noLimits, [limit]: 1, maxPending: 1, pendingTimeoutMs: 500 };
    const endpoints = [a.port, b.port].toSorted((x, y) => x - y);
    await using proxy = await startDataPath([{ endpoints, upstream: { limits } }]);
    const gate = proxy.context.endpoints.get('u0')?.gate;
    const clients = [await send(proxy.port), await send(proxy.port)];
    await eventually(() => a.held.length === 1 && b.held.length === 1);
    using third = await send(proxy.port);
    await eventually(() => gate?.pending === 1);
    using fourth = await send(proxy.port);
    expect((await fourth.responses(1))[0]).toMatchObject({ status: 503, headers: { 'retry-after': '7' } });
    expect(proxy.requests.at(-1)).toMatchObject({ reason: 'endpointsFull', attempts: [] });
    b.held[0]?.end();
    await eventually(() => b.held.length === 2);
    using fifth = await send(proxy.port);
    await eventually(() => gate?.pending === 1);
    proxy.pass(600);
    expect((await fifth.responses(1))[0]).toMatchObject({ status: 503, headers: { 'retry-after': '7' } });
    expect(proxy.requests.at(-1)?.reason).toBe('pendingTimeout');
    for (const { held } of [a, b]) for (const response of held) response.end();
    expect(await statusOf(third)).toBe(200);
    for (const client of clients) client.socket.destroy();
    await eventually(() => gate?.requests === 0);
    expect([a.held.length, b.held.length]).toEqual([1, 2]);
  },
);

test('two workers that take the last place of an endpoint at one moment: one of them waits', async () => {
  await using holding = await startHolding();
  const limits = { ...noLimits, maxRequestsPerEndpoint: 1, maxPending: 5, pendingTimeoutMs: 500 };
  const routes = [{ endpoints: [holding.port], upstream: { limits } }];
  const racing = new RacingLoads();
  const { proxy, loads } = await startSharedPath(routes, { loads: racing });
  await using _ = proxy;
  racing.racedRow = loads.find(rowKey('u0', `127.0.0.1:${holding.port}`));
  racing.takes = 1;
  const gate = proxy.context.endpoints.get('u0')?.gate;
  using client = await send(proxy.port);
  await eventually(() => gate?.pending === 1);
  expect([gate?.requests, loads.sum(racing.racedRow), holding.held.length]).toEqual([0, 1, 0]);
  // The other worker's request ends, and so does the wait.
  loads.set(1, racing.racedRow, 0);
  proxy.pass(100);
  await eventually(() => holding.held.length === 1);
  holding.held[0]?.end();
  expect(await statusOf(client)).toBe(200);
  expect([gate?.requests, gate?.pending, loads.sum(racing.racedRow)]).toEqual([0, 0, 0]);
  // Without a queue it is refused, and nothing stays counted.
  racing.takes = 1;
  proxy.context.endpoints.replaceUpstreams(
    tableOf([{ endpoints: [holding.port], upstream: { limits: { ...limits, maxPending: 0 } } }]).upstreams,
  );
  using refused = await send(proxy.port);
  expect(await statusOf(refused)).toBe(503);
  expect(proxy.requests.at(-1)).toMatchObject({ reason: 'endpointsFull', attempts: [] });
  expect([gate?.requests, gate?.pending, loads.sum(racing.racedRow)]).toEqual([0, 0, 1]);
});

test('with the endpoints all who wait go: 503 at once, each of them', async () => {
  await using holding = await startHolding();
  const limits = { ...noLimits, maxRequests: 1, maxPending: 50, pendingTimeoutMs: 600_000 };
  await using proxy = await startDataPath([{ endpoints: [holding.port], upstream: { limits } }]);
  const gate = proxy.context.endpoints.get('u0')?.gate;
  using first = await send(proxy.port);
  await eventually(() => holding.held.length === 1);
  const waiting = await Promise.all(Array.from({ length: 20 }, () => send(proxy.port)));
  await eventually(() => gate?.pending === 20);
  proxy.context.endpoints.applyUpstreams([{ ...plainUpstream('u0', []), limits }], []);
  holding.held[0]?.end();
  expect(await statusOf(first)).toBe(200);
  for (const client of waiting) {
    expect(await statusOf(client)).toBe(503);
    client.socket.destroy();
  }
  expect([gate?.requests, gate?.pending]).toEqual([0, 0]);
  expect(proxy.requests.filter(({ reason }) => reason === 'noEndpoint')).toHaveLength(20);
});
