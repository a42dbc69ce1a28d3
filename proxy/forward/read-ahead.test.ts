// `proxy-request-buffering` on the wire: a body is read before an endpoint is picked, so that slow clients hold none; what
// that may cost in memory; and that nothing of a body is lost or doubled on the way.

import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { BodyLimits } from '../table/body-limits.ts';
import { noLimits } from '../table/testing/build.ts';
import type { RoutePolicy, Upstream } from '../table/types.ts';
import { type DataPath, eventually, NOTHING_LEFT, startDataPath } from './testing/data-path.ts';
import { type RawOrigin, startHttpOrigin, startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';
import { SilentListener } from './testing/silent-listener.ts';
import { STREAMED } from './testing/test-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const ROOMY: BodyLimits = { maxBodyBytes: 1024 * 1024, maxMemoryBytes: 32 * 1024 * 1024 };
function post(length: number, body = '', fields = ''): string {
  return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n${fields}\r\n${body}`;
}

function serve(
  ports: readonly number[],
  policy: Partial<RoutePolicy> = {},
  bodyLimits: BodyLimits = ROOMY,
  upstream: Partial<Upstream> = {},
): Promise<DataPath> {
  return startDataPath([{ endpoints: ports, policy: { maxBodyBytes: null, ...policy }, upstream }], { bodyLimits });
}

/** Bytes of bodies that are held. */
function held(path: DataPath): number {
  return path.leftovers().heldBodyBytes;
}

/** Waits until all is over and expects that nothing is left. */
async function expectNothingLeft(path: DataPath): Promise<void> {
  await path.cutAll();
  await eventually(
    () => path.leftovers().openConnections === 0,
    () => path.leftovers(),
  );
  expect(path.leftovers()).toEqual(NOTHING_LEFT);
}

describe('while the client sends', () => {
  test('no endpoint is picked and none is asked; then it gets the request in one piece', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using path = await serve([origin.port]);
    using client = await connectRaw(path.port);
    client.send(post(10, 'first'));
    await eventually(() => held(path) > 0);
    expect([path.leftovers().inFlight, path.leftovers().upstreamConnections, origin.connections]).toEqual([0, 0, 0]);
    client.send('_last');
    expect((await client.responses(1))[0]?.status).toBe(200);
    expect(origin.received[0]).toMatch(/\r\nContent-Length: 10\r\n(.*\r\n)*\r\nfirst_last$/);
    await expectNothingLeft(path);
  });

  test('it is told to go on (Expect: 100-continue) before there is a connection', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using path = await serve([origin.port]);
    using client = await connectRaw(path.port);
    client.send(post(3, '', 'Expect: 100-continue\r\n'));
    await client.until((text) => text === 'HTTP/1.1 100 Continue\r\n\r\n');
    expect(origin.connections).toBe(0);
    client.send('abc');
    await client.until((text) => text.endsWith('\r\n\r\nok'));
    expect(origin.received[0]).not.toMatch(/expect/i);
  });

  test('its request holds no place among those of the upstream', async () => {
    await using origin = await startReplyingOrigin(OK);
    const limits = { ...noLimits, maxRequests: 1 };
    await using path = await serve([origin.port], {}, ROOMY, { limits });
    using slow = await connectRaw(path.port);
    slow.send(post(4, 'ab'));
    await eventually(() => held(path) > 0);
    using other = await connectRaw(path.port);
    other.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    expect((await other.responses(1))[0]?.status).toBe(200);
    slow.send('cd');
    expect((await slow.responses(1))[0]?.status).toBe(200);
  });

  test('no time of further attempts runs, and none is charged to the endpoint', async () => {
    await using broken = await startRawOrigin((socket) => socket.destroy());
    await using good = await startReplyingOrigin(OK);
    const [first, second] = [broken, good].toSorted((a, b) => a.port - b.port) as [RawOrigin, RawOrigin];
    await using path = await serve([first.port, second.port], {
      retryTimeoutMs: 1000,
      retryOn: ['error', 'nonIdempotent'],
    });
    for (let i = 0; i < 2; i++) {
      using client = await connectRaw(path.port);
      client.send(post(4, 'ab'));
      await eventually(() => held(path) > 0);
      path.pass(5_000);
      client.send('cd');
      expect((await client.responses(1))[0]?.status).toBe(200);
    }
    // Round robin: at least one of the two met the broken endpoint first.
    expect(Math.max(...path.requests.map(({ attempts }) => attempts.length))).toBe(2);
  });

  test('it goes away: nobody hears of it', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using path = await serve([origin.port]);
    const client = await connectRaw(path.port);
    client.send(post(10, 'first'));
    await eventually(() => held(path) > 0);
    client.socket.destroy();
    await eventually(() => path.requests.length === 1);
    expect(path.requests).toEqual([{ status: 499, reason: 'clientGone', attempts: [] }]);
    expect(origin.connections).toBe(0);
    await expectNothingLeft(path);
  });

  test.each([
    ['a chunked body grows too large', { maxBodyBytes: 5 }, '6\r\nabcdef\r\n', 413],
    ['a chunk is none', {}, 'zz\r\n', 400],
  ])('%s: nobody hears of it', async (_name, policy, chunk, status) => {
    await using origin = await startReplyingOrigin(OK);
    await using path = await serve([origin.port], policy);
    using client = await connectRaw(path.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    client.send(chunk);
    expect((await client.responses(1))[0]?.status).toBe(status);
    expect(origin.connections).toBe(0);
    await expectNothingLeft(path);
  });
});

describe('framing', () => {
  test('a chunked body that was read as a whole is sent with its length', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using path = await serve([origin.port]);
    using client = await connectRaw(path.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-A: Transfer-Encoding: chunked\r\n\r\n');
    for (const piece of ['3\r\nabc\r\n', '2\r\nde\r\n', '0\r\n\r\n']) client.send(piece);
    expect((await client.responses(1))[0]?.status).toBe(200);
    const [head, body] = origin.received[0]?.split('\r\n\r\n') ?? [];
    expect(body).toBe('abcde');
    expect(head).toMatch(/\r\nContent-Length: 5(\r\n|$)/);
    expect(head).toMatch(/\r\nX-A: Transfer-Encoding: chunked\r\n/);
    expect(head?.match(/transfer-encoding/gi)).toHaveLength(1);
  });

  test('a chunked body without a byte has the length 0', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using path = await serve([origin.port]);
    using client = await connectRaw(path.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
    expect((await client.responses(1))[0]?.status).toBe(200);
    expect(origin.received[0]).toMatch(/\r\nContent-Length: 0\r\n(.*\r\n)*\r\n$/);
  });

  test('the next request of the connection begins behind the body', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using path = await serve([origin.port]);
    using client = await connectRaw(path.port);
    client.send(post(6, 'abc'));
    await eventually(() => held(path) > 0);
    client.send(`defGET /next HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect((await client.responses(2)).map(({ status }) => status)).toEqual([200, 200]);
    await eventually(() => origin.received.join('').includes('GET /next HTTP/1.1\r\n'));
    expect(origin.received[0]).toMatch(/\r\n\r\nabcdef(GET |$)/);
  });
});

describe('limits', () => {
  test('with `off` it is sent on as it comes', async () => {
    await using origin = await startReplyingOrigin('');
    await using path = await serve([origin.port], STREAMED);
    using client = await connectRaw(path.port);
    client.send(post(10, 'first'));
    await eventually(() => origin.received[0]?.endsWith('\r\n\r\nfirst') === true);
  });

  test.each([
    ['its own bytes count where the shared ones are fewer', 8, 4, 7, 8],
    ['the shared ones where they are more', 4, 8, 7, 8],
  ])('%s', async (_name, bufferRequestBytes, maxBodyBytes, waiting, sending) => {
    await using origin = await startReplyingOrigin('');
    await using path = await serve([origin.port], { bufferRequestBytes }, { ...ROOMY, maxBodyBytes });
    using client = await connectRaw(path.port);
    client.send(post(100, 'x'.repeat(waiting)));
    await eventually(() => held(path) > 0);
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    expect(origin.connections).toBe(0);
    client.send('y'.repeat(sending - waiting));
    await eventually(() => origin.received[0]?.endsWith('xy') === true);
    // What follows is streamed, and a POST that is on its way is kept no longer.
    client.send('z');
    await eventually(() => origin.received[0]?.endsWith('xyz') === true);
    expect(held(path)).toBe(0);
  });

  test('the memory of all bodies is used up: the next has only its own, until one of them is over', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using path = await serve([origin.port], { bufferRequestBytes: 4 }, { ...ROOMY, maxMemoryBytes: 1500 });
    using greedy = await connectRaw(path.port);
    greedy.send(post(3000, 'x'.repeat(1400)));
    await eventually(() => held(path) === 1400);
    using other = await connectRaw(path.port);
    other.send(post(6, 'abcd'));
    await eventually(() => origin.received.some((text) => text.endsWith('\r\n\r\nabcd')));
    other.send('ef');
    await other.responses(1);
    greedy.send('x'.repeat(1600));
    await greedy.responses(1);
    await eventually(() => held(path) === 0);
    using last = await connectRaw(path.port);
    last.send(post(6, 'wxyz'));
    await eventually(() => held(path) > 0);
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    expect(origin.received.join('')).not.toContain('wxyz');
  });

  test('a body that ends while the connection is being opened is complete', async () => {
    await using listener = await SilentListener.start();
    await using path = await serve(
      [listener.port],
      { bufferRequestBytes: 4, connectTimeoutMs: 60_000 },
      {
        ...ROOMY,
        maxBodyBytes: 4,
      },
    );
    using client = await connectRaw(path.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n');
    await eventually(() => path.leftovers().inFlight === 1);
    client.send('0\r\n\r\n');
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    path.pass(61_000);
    expect((await client.responses(1))[0]?.status).toBe(504);
    await expectNothingLeft(path);
  });
});

describe('bodies arrive as they were sent', () => {
  const echo = () =>
    startHttpOrigin((request, response) => {
      const hash = createHash('sha256');
      request.on('data', (part: Buffer) => hash.update(part));
      request.on('end', () => response.end(hash.digest('hex')));
    });

  test('whatever their size, framing and pieces, below and above the limits', async () => {
    await using origin = await echo();
    await using path = await serve([origin.port], { bufferRequestBytes: 1000 }, { ...ROOMY, maxBodyBytes: 300_000 });
    const pieces = fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(pieces, fc.boolean(), async (lengths, isChunked) => {
        const parts = lengths.map((length, at) => Buffer.alloc(length, `${at}-${length};`));
        const whole = Buffer.concat(parts);
        using client = await connectRaw(path.port);
        const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${whole.length}`;
        client.send(`PUT / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`);
        for (const part of parts) {
          if (isChunked) client.send(`${part.length.toString(16)}\r\n`);
          client.socket.write(part);
          if (isChunked) client.send('\r\n');
        }
        if (isChunked) client.send('0\r\n\r\n');
        const [response] = await client.responses(1);
        expect(response?.body).toBe(createHash('sha256').update(whole).digest('hex'));
      }),
      { numRuns: 40 },
    );
    await eventually(() => held(path) === 0);
  });

  test('also to an endpoint that does not read for a while, and nothing is given up before it does', async () => {
    await using origin = await startRawOrigin((socket, soFar) => {
      if (soFar.length > 20_000_000) socket.write(OK);
    });
    await using path = await serve([origin.port], {}, { maxBodyBytes: 2 ** 30, maxMemoryBytes: 2 ** 30 });
    const size = 20_000_000;
    using client = await connectRaw(path.port);
    client.send(post(size));
    client.socket.write(Buffer.alloc(size, 'x'));
    await eventually(() => origin.sockets.length === 1);
    origin.sockets[0]?.pause();
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
    expect(held(path)).toBeGreaterThanOrEqual(size);
    origin.sockets[0]?.resume();
    expect((await client.responses(1))[0]?.status).toBe(200);
    await eventually(() => held(path) === 0);
  });
});

test('an upstream without endpoints is a 503 once the body is there, and the connection goes on', async () => {
  await using path = await serve([]);
  using client = await connectRaw(path.port);
  client.send(post(4, 'ab'));
  await eventually(() => held(path) > 0);
  client.send('cd');
  const [response] = await client.responses(1);
  expect(response).toMatchObject({ status: 503 });
  expect(response?.headers['connection']).toBeUndefined();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  expect((await client.responses(2))[1]?.status).toBe(503);
});
