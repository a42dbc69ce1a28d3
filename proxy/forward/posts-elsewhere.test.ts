// A POST whose connection never opened goes to another endpoint, whole and exactly once, however long it is: until there is
// a connection nothing of the body is read, so that nothing needs to be kept of it.

import { expect, test } from '@jest/globals';
import { noPassiveHealth } from '../table/testing/build.ts';
import type { RoutePolicy } from '../table/types.ts';
import { type DataPath, eventually, startDataPath } from './testing/data-path.ts';
import { startHttpOrigin } from './testing/origin.ts';
import { connectRaw, type RawResponse } from './testing/raw-client.ts';
import { SilentListener } from './testing/silent-listener.ts';

const upstream = { health: noPassiveHealth };

/** An origin that notes the ids and bodies of the POSTs that reach it. */
async function startNoting() {
  const bodies = new Map<string, string[]>();
  const origin = await startHttpOrigin((request, response) => {
    let body = '';
    request.setEncoding('latin1').on('data', (part: string) => (body += part));
    request.on('end', () => {
      const id = String(request.headers['x-id']);
      bodies.set(id, [...(bodies.get(id) ?? []), body]);
      response.end('ok');
    });
  });
  return { port: origin.port, bodies, [Symbol.asyncDispose]: () => origin[Symbol.asyncDispose]() };
}

/** A port that nobody listens at. */
async function refusingPort(): Promise<number> {
  await using origin = await startHttpOrigin(() => {});
  return origin.port;
}

async function post(proxy: DataPath, id: string, body: string, isChunked: boolean): Promise<RawResponse> {
  using client = await connectRaw(proxy.port);
  const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`;
  const sent = isChunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body;
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nX-Id: ${id}\r\n${framing}\r\n\r\n${sent}`);
  return (await client.responses(1))[0] as RawResponse;
}

const cases: ReadonlyArray<[string, number, Partial<RoutePolicy>, boolean]> = [
  ['a few bytes', 5, {}, false],
  ['much more than is ever kept', 500_000, {}, false],
  ['in chunks', 100_000, {}, true],
  ['with nothing kept', 5, { bufferRequestBytes: 0 }, false],
];

test.each(cases)('the first endpoint refuses: %s', async (_name, bytes, policy, isChunked) => {
  await using noting = await startNoting();
  const endpoints = [await refusingPort(), noting.port];
  await using proxy = await startDataPath([{ endpoints, policy, upstream }]);
  const body = 'b'.repeat(bytes);
  for (const id of ['1', '2', '3', '4']) expect((await post(proxy, id, body, isChunked)).status).toBe(200);
  expect([...noting.bodies].map(([id, got]) => [id, got.length, got[0] === body])).toEqual([
    ['1', 1, true],
    ['2', 1, true],
    ['3', 1, true],
    ['4', 1, true],
  ]);
  expect(proxy.requests.map(({ attempts }) => attempts.join())).toContain('502,200');
});

test.each(cases)('the first endpoint is a black hole: %s', async (_name, bytes, policy, isChunked) => {
  await using silent = await SilentListener.start();
  await using noting = await startNoting();
  const endpoints = [silent.port, noting.port];
  await using proxy = await startDataPath([{ endpoints, policy: { ...policy, connectTimeoutMs: 5000 }, upstream }]);
  const body = 'b'.repeat(bytes);
  const response = post(proxy, '1', body, isChunked);
  await eventually(() => proxy.context.pool.size === 1);
  proxy.pass(4900);
  expect(noting.bodies.size).toBe(0);
  proxy.pass(300);
  expect((await response).status).toBe(200);
  expect([...noting.bodies]).toEqual([['1', [body]]]);
  expect(proxy.requests.map(({ attempts }) => attempts)).toEqual([[504, 200]]);
});

test('without a healthy endpoint it fails once, and the client may go on', async () => {
  const endpoints = [await refusingPort(), await refusingPort()];
  await using proxy = await startDataPath([{ endpoints, upstream }]);
  expect((await post(proxy, '1', 'body', false)).status).toBe(502);
  expect(proxy.requests.map(({ attempts }) => attempts)).toEqual([[502, 502]]);
});
