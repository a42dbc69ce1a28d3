// Limits of single endpoints are exact also for what is not a first attempt: retries, hedges, and the second connection of
// an attempt, while another worker takes places in the same moment.

import type { ServerResponse } from 'node:http';
import { expect, test } from '@jest/globals';
import { rowKey } from '../endpoints/shared-loads.ts';
import { noLimits, noPassiveHealth, plainCookie } from '../table/testing/build.ts';
import { eventually, startSharedPath } from './testing/data-path.ts';
import { startHttpOrigin, startRawOrigin } from './testing/origin.ts';
import { RacingLoads } from './testing/racing-loads.ts';
import { connectRaw } from './testing/raw-client.ts';
import type { TestRoute } from './testing/test-proxy.ts';

/** A proxy whose endpoints may have one request each, with another worker that races for the one of `racedPort`. */
async function startRacing(ports: readonly number[], racedPort: number, more: Partial<TestRoute> = {}) {
  const racing = new RacingLoads();
  const upstream = { limits: { ...noLimits, maxRequestsPerEndpoint: 1 }, health: noPassiveHealth };
  const { proxy } = await startSharedPath([{ endpoints: ports, upstream, ...more }], { loads: racing });
  racing.racedRow = racing.find(rowKey('u0', `127.0.0.1:${racedPort}`));
  return { proxy, racing, load: () => racing.sum(racing.racedRow) };
}

async function startHolding() {
  const held: ServerResponse[] = [];
  const origin = await startHttpOrigin((_request, response) => held.push(response));
  return { held, port: origin.port, [Symbol.asyncDispose]: () => origin[Symbol.asyncDispose]() };
}

async function send(port: number) {
  const client = await connectRaw(port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  return client;
}

test.each([
  ['is not sent there', false, 502, 1],
  ['is sent there when the other worker has stepped back as well', true, 200, 0],
])('a retry whose endpoint another worker takes at that moment %s', async (_name, stepsBack, status, left) => {
  await using free = await startHolding();
  await using failing = await startRawOrigin((socket) => {
    Object.assign(racing, { takes: 1, stepsBack });
    socket.resetAndDestroy();
  });
  const { proxy, racing, load } = await startRacing([failing.port, free.port], free.port);
  await using _ = proxy;
  using client = await send(proxy.port);
  await eventually(() => free.held.length === 1 || proxy.requests.length === 1);
  expect(free.held).toHaveLength(status === 200 ? 1 : 0);
  for (const response of free.held) response.end();
  expect((await client.responses(1))[0]?.status).toBe(status);
  await eventually(() => proxy.requests.length === 1);
  expect(load()).toBe(left);
});

test('a first attempt is not refused because two workers have both stepped back', async () => {
  await using free = await startHolding();
  const { proxy, racing, load } = await startRacing([free.port], free.port);
  await using _ = proxy;
  Object.assign(racing, { takes: 3, stepsBack: true });
  using client = await send(proxy.port);
  await eventually(() => free.held.length === 1 || proxy.requests.length === 1);
  for (const response of free.held) response.end();
  expect((await client.responses(1))[0]?.status).toBe(200);
  expect(load()).toBe(0);
});

test('a hedge whose endpoint another worker takes at that moment is not made', async () => {
  await using slow = await startHolding();
  await using free = await startHolding();
  const hedge = { afterMs: 50, budget: { percent: 100, minPerSecond: 100 } };
  const { proxy, racing, load } = await startRacing([slow.port, free.port], free.port, { policy: { hedge } });
  await using _ = proxy;
  using client = await send(proxy.port);
  await eventually(() => slow.held.length === 1);
  racing.takes = 1;
  proxy.pass(60);
  expect(proxy.context.hedging.outcomes).toMatchObject({ overBudget: 1, won: 0, lost: 0 });
  slow.held[0]?.end();
  expect((await client.responses(1))[0]?.status).toBe(200);
  expect([free.held.length, load(), proxy.context.endpoints.get('u0')?.gate?.requests]).toEqual([0, 1, 0]);
});

test('a client whose endpoint another worker takes at that moment is the guest of another one', async () => {
  const start = () => startHttpOrigin((request, response) => response.end(String(request.socket.localPort)));
  await using first = await start();
  await using second = await start();
  const ports = [first.port, second.port];
  const affinity = { mode: 'balanced', cookie: plainCookie, changeOnFailure: false, setsCookie: true } as const;
  const target = { kind: 'upstream', upstream: 'u0', canaries: [], affinity } as const;
  const { proxy, racing, load } = await startRacing(ports, first.port, { target });
  await using _ = proxy;
  using client = await send(proxy.port);
  const bound = (await client.responses(1))[0];
  const [cookie] = (bound?.headers['set-cookie'] ?? '').split(';');
  racing.racedRow = racing.find(rowKey('u0', `127.0.0.1:${bound?.body}`));
  await eventually(() => load() === 0);
  racing.takes = 1;
  client.send(`GET / HTTP/1.1\r\nHost: a\r\nCookie: ${cookie}\r\n\r\n`);
  const guest = (await client.responses(2))[1];
  expect(guest?.body).toBe(String(ports.find((port) => String(port) !== bound?.body)));
  expect([guest?.headers['set-cookie'], load()]).toEqual([undefined, 1]);
});

test('a request whose kept connection turned out closed keeps its place while it opens another one', async () => {
  const heads = (text: string) => text.split('\r\n\r\n').length - 1;
  const grabsAtSecond: number[] = [];
  await using origin = await startRawOrigin((socket, soFar, connection) => {
    if (connection === 1) grabsAtSecond.push(racing.grabs);
    // Closes at the second request of the first connection, as at the end of a keep-alive time.
    if (connection === 0 && heads(soFar) === 2) socket.resetAndDestroy();
    else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  const { proxy, racing, load } = await startRacing([origin.port], origin.port);
  await using _ = proxy;
  using client = await send(proxy.port);
  expect((await client.responses(1))[0]?.status).toBe(200);
  await eventually(() => load() === 0);
  racing.grabs = 1;
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  expect((await client.responses(2))[1]?.status).toBe(200);
  // The other worker has found nothing to grab before the request was over.
  await eventually(() => racing.grabs === 0);
  expect(grabsAtSecond).toEqual([1]);
  expect([origin.received.map(heads), proxy.requests[1]?.attempts.length]).toEqual([[2, 1], 2]);
});
