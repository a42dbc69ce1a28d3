// Pods that are gone before their EndpointSlice says so: a rolling update leaves several refusing endpoints in the table
// for some milliseconds, more of them than `proxy-next-upstream-tries`.

import { expect, test } from '@jest/globals';
import { startHttpOrigin, startRawOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';
import { startProxy } from './testing/test-proxy.ts';

/** Ports on which nothing listens, all different. */
async function closedPorts(count: number): Promise<readonly number[]> {
  const origins = await Promise.all(Array.from({ length: count }, () => startRawOrigin(() => {})));
  const ports = origins.map(({ port }) => port);
  await Promise.all(origins.map((origin) => origin[Symbol.asyncDispose]()));
  return ports;
}

test.each([
  ['each request finds the ninth', 3, { 200: 9 }],
  ['a limit of one attempt is kept', 1, { 200: 1, 502: 8 }],
])('eight of nine endpoints refuse: %s', async (_name, maxAttempts, expected) => {
  await using origin = await startHttpOrigin((_, response) => response.end('ok'));
  const endpoints = [...(await closedPorts(8)), origin.port];
  await using proxy = await startProxy([{ endpoints, policy: { maxAttempts } }]);
  using client = await connectRaw(proxy.port);
  // Round robin: nine requests begin at nine endpoints.
  for (let i = 1; i <= 9; i++) {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.responses(i);
  }
  const statuses = (await client.responses(9)).map(({ status }) => status);
  const count = (status: number) => statuses.filter((seen) => seen === status).length;
  expect({ 200: count(200), ...(count(502) > 0 && { 502: count(502) }) }).toEqual(expected);
});
