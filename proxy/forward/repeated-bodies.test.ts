// Further attempts with a body that was already sent: what is kept of it, and what is sent once more.

import { describe, expect, test } from '@jest/globals';
import type { RoutePolicy } from '../table/types.ts';
import { eventually, startDataPath } from './testing/data-path.ts';
import { ask, replyOf, startForgetful, startPair } from './testing/failing-pair.ts';
import { connectRaw } from './testing/raw-client.ts';

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
