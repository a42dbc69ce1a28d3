// The times of the upstream that metrics and access log show, measured with a clock that is moved by hand.

import { expect, test } from '@jest/globals';
import type { RequestRecord } from '../observe/observer.ts';
import { type DataPath, eventually, startDataPath } from './testing/data-path.ts';
import { startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';
import { SilentListener } from './testing/silent-listener.ts';
import { startProxy } from './testing/test-proxy.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** Notes the times of each finished request of a path. */
function timesOf(path: DataPath): Array<Record<string, number>> {
  const noted: Array<Record<string, number>> = [];
  const { onRequest } = path;
  path.onRequest = (record: RequestRecord) => {
    const { connectMs, headerMs, upstreamMs, durationMs } = record;
    noted.push({ connectMs, headerMs, upstreamMs, durationMs });
    onRequest.call(path, record);
  };
  return noted;
}

test('head, body and end of a response, on a new connection and on one that was open', async () => {
  const sockets: Array<{ write(text: string): unknown }> = [];
  let requests = 0;
  await using origin = await startRawOrigin((socket) => {
    sockets[0] = socket;
    requests++;
  });
  await using path = await startDataPath([{ endpoints: [origin.port] }]);
  const noted = timesOf(path);
  using client = await connectRaw(path.port);
  for (let i = 1; i <= 2; i++) {
    client.send(GET);
    await eventually(() => requests === i);
    path.pass(300);
    sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n');
    await client.until((text) => text.split('Content-Length: 2\r\n\r\n').length === i + 1);
    path.pass(400);
    sockets[0]?.write('ok');
    await client.responses(i);
  }
  // The first connect takes no time of this clock either.
  const times = { connectMs: 0, headerMs: 300, upstreamMs: 700, durationMs: 700 };
  expect(noted).toEqual([times, times]);
});

test('a connection that never opens has neither connect nor head', async () => {
  await using endpoint = await SilentListener.start();
  await using path = await startDataPath([{ endpoints: [endpoint.port], policy: { connectTimeoutMs: 2_000 } }]);
  const noted = timesOf(path);
  using client = await connectRaw(path.port);
  client.send(GET);
  await eventually(() => path.leftovers().upstreamConnections === 1);
  while (noted.length === 0) path.pass(100);
  expect(noted).toEqual([
    { connectMs: -1, headerMs: -1, upstreamMs: expect.any(Number), durationMs: expect.any(Number) },
  ]);
  expect(noted[0]?.['upstreamMs']).toBe(noted[0]?.['durationMs']);
});

test('an answer of our own has none', async () => {
  await using path = await startDataPath([{ target: { kind: 'answer', status: 503, reason: 'noBackend' } }]);
  const noted = timesOf(path);
  using client = await connectRaw(path.port);
  client.send(GET);
  await client.responses(1);
  expect(noted).toEqual([{ connectMs: -1, headerMs: -1, upstreamMs: -1, durationMs: 0 }]);
});

test('a worker samples all histograms of ingress-nginx, with the bytes of the wire', async () => {
  await using origin = await startReplyingOrigin('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  await using proxy = await startProxy([{ endpoints: [origin.port] }]);
  using client = await connectRaw(proxy.port);
  const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc';
  client.send(post);
  await client.responses(1);
  const { histograms } = proxy.worker.sample();
  const sums = Object.fromEntries(
    histograms.map(({ name, sum }) => [name.replace('nginx_ingress_controller_', ''), sum]),
  );
  expect(sums).toEqual({
    request_duration_seconds: expect.any(Number),
    connect_duration_seconds: expect.any(Number),
    header_duration_seconds: expect.any(Number),
    response_duration_seconds: expect.any(Number),
    request_size: post.length,
    response_size: client.received.length,
    bytes_sent: client.received.length,
  });
  for (const { counts } of histograms) expect(counts.reduce((total, count) => total + count)).toBe(1);
});
