// What a worker does with what other threads have found out about endpoints.

import { expect, test } from '@jest/globals';
import { startHttpOrigin } from '../forward/testing/origin.ts';
import { connectRaw } from '../forward/testing/raw-client.ts';
import { startProxy, type TestProxy } from '../forward/testing/test-proxy.ts';

async function startOrigins() {
  const start = () => startHttpOrigin((request, response) => response.end(String(request.socket.localPort)));
  const origins = await Promise.all([start(), start()]);
  const [first, second] = origins.map(({ port }) => port).toSorted((a, b) => a - b) as [number, number];
  return {
    first,
    second,
    async [Symbol.asyncDispose]() {
      await Promise.all(origins.map((origin) => origin[Symbol.asyncDispose]()));
    },
  };
}

/** Ports that answer so many requests, each once, in order. */
async function answering(proxy: TestProxy, times: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  using client = await connectRaw(proxy.port);
  for (let i = 1; i <= times; i++) {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    ports.add(Number((await client.responses(i)).at(-1)?.body));
  }
  return [...ports].toSorted((a, b) => a - b);
}

test('an endpoint that fails its check gets nothing until it passes', async () => {
  await using origins = await startOrigins();
  const { first, second } = origins;
  await using proxy = await startProxy([{ endpoints: [first, second] }]);
  expect(await answering(proxy, 4)).toEqual([first, second]);
  const news = { type: 'probed', upstream: 'u0', endpoint: `127.0.0.1:${first}` } as const;
  proxy.worker.hear({ ...news, isFailing: true });
  expect(await answering(proxy, 4)).toEqual([second]);
  proxy.worker.hear({ ...news, isFailing: false });
  expect(await answering(proxy, 4)).toEqual([first, second]);
});

test('all endpoints fail their checks: all are used', async () => {
  await using origins = await startOrigins();
  const { first, second } = origins;
  await using proxy = await startProxy([{ endpoints: [first, second] }]);
  for (const port of [first, second]) {
    proxy.worker.hear({ type: 'probed', upstream: 'u0', endpoint: `127.0.0.1:${port}`, isFailing: true });
  }
  expect(await answering(proxy, 4)).toEqual([first, second]);
});

test('what another worker ejected gets nothing here; news of what is not known changes nothing', async () => {
  await using origins = await startOrigins();
  const { first, second } = origins;
  await using proxy = await startProxy([{ endpoints: [first, second] }]);
  const untilMs = performance.now() + 60_000;
  proxy.worker.hear({ type: 'ejected', upstream: 'gone', endpoint: `127.0.0.1:${first}`, untilMs });
  proxy.worker.hear({ type: 'ejected', upstream: 'u0', endpoint: '10.0.0.1:80', untilMs });
  expect(await answering(proxy, 4)).toEqual([first, second]);
  proxy.worker.hear({ type: 'ejected', upstream: 'u0', endpoint: `127.0.0.1:${first}`, untilMs });
  expect(await answering(proxy, 4)).toEqual([second]);
  // It was told, so it tells nobody.
  expect(proxy.ejections).toEqual([]);
});
