// What bounds further attempts: the time of each, and the retry budget.

import { expect, test } from '@jest/globals';
import { noPassiveHealth } from '../table/testing/build.ts';
import type { RoutePolicy } from '../table/types.ts';
import { eventually } from './testing/data-path.ts';
import { ask, countOf, OK, replyOf, startPair } from './testing/failing-pair.ts';
import { startReplyingOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';
import { startProxy, tableOf } from './testing/test-proxy.ts';

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
  await using pair = await startPair(replyOf(503), { retryOn: ['http503'], retryBudget }, noPassiveHealth);
  pair.second.reply = replyOf(503);
  // Requests that may not be sent again: they only earn two attempts for the others.
  for (let i = 0; i < 10; i++) await ask(pair.proxy, 'POST', 'x');
  for (let i = 0; i < 3; i++) await ask(pair.proxy);
  expect(pair.proxy.requests.slice(-3).map(({ attempts }) => attempts)).toEqual([[503, 503], [503, 503], [503]]);
});

test('the retry budget bounds attempts, not requests', async () => {
  const retryBudget = { percent: 20, minPerSecond: 0 };
  await using pair = await startPair(replyOf(503), { retryOn: ['http503'], retryBudget }, noPassiveHealth);
  pair.second.reply = replyOf(503);
  for (let i = 0; i < 20; i++) await ask(pair.proxy);
  const attempts = pair.proxy.requests.reduce((sum, request) => sum + request.attempts.length, 0);
  expect(attempts).toBe(24);
});

test('an update of the table forgets nothing of what the budget has given away', async () => {
  const policy: Partial<RoutePolicy> = { retryOn: ['http503'], retryBudget: { percent: 50, minPerSecond: 0 } };
  await using bad = await startReplyingOrigin(replyOf(503));
  await using other = await startReplyingOrigin(replyOf(503));
  const routes = [{ endpoints: [bad.port, other.port], policy, upstream: { health: noPassiveHealth } }];
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
