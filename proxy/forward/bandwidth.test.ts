// `limit-rate` and `limit-rate-after` on the wire: how much is out after how long, whole bodies, bounded memory.

import http2 from 'node:http2';
import { describe, expect, test } from '@jest/globals';
import { defaultHttp2 } from '../table/defaults.ts';
import type { BandwidthLimit } from '../table/route-settings.ts';
import { type DataPath, eventually, NOTHING_LEFT, startDataPath } from './testing/data-path.ts';
import { startHttpOrigin, startRawOrigin } from './testing/origin.ts';
import { connectRaw, type RawClient } from './testing/raw-client.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const KIB = 1024;

function bodyBytes(client: RawClient): number {
  const at = client.received.indexOf('\r\n\r\n');
  return at === -1 ? 0 : client.received.length - at - 4;
}

/** Serves a body of this size under a limit. */
async function serve(size: number, bandwidth: BandwidthLimit, isChunked = false) {
  const body = Buffer.alloc(size, 'abcdefgh');
  const origin = await startHttpOrigin((_request, response) => {
    if (!isChunked) response.setHeader('content-length', size);
    response.write(body);
    response.end();
  });
  const policy = { bandwidth };
  const proxy = await startDataPath([{ endpoints: [origin.port], policy }], { http2: H2C });
  return { origin, proxy, body: body.toString('latin1') };
}

const H2C = { ...defaultHttp2, hasPriorKnowledge: true };

async function stop({ origin, proxy }: { origin: AsyncDisposable; proxy: DataPath }): Promise<void> {
  await proxy.cutAll();
  await eventually(() => proxy.leftovers().openConnections === 0);
  expect(proxy.context.buffers.waitingBytes).toBe(0);
  // Deadlines that were cleared leave the wheel when their slot comes up.
  proxy.pass(200_000);
  expect(proxy.leftovers()).toEqual(NOTHING_LEFT);
  await origin[Symbol.asyncDispose]();
}

describe('limit-rate', () => {
  test.each([
    ['from the first byte', { bytesPerSecond: 10 * KIB, afterBytes: 0 }, [10, 20, 30, 40]],
    ['after a first part', { bytesPerSecond: 5 * KIB, afterBytes: 20 * KIB }, [25, 30, 35, 40]],
  ])('%s: what may be out after each second, and no byte more', async (_name, limit, kibibytes) => {
    const serving = await serve(40 * KIB, limit);
    using client = await connectRaw(serving.proxy.port);
    client.send(GET);
    for (const expected of kibibytes) {
      await client.untilTrue(() => bodyBytes(client) >= expected * KIB);
      expect(bodyBytes(client)).toBe(expected * KIB);
      // In steps, as the wheel of a worker turns.
      for (let step = 0; step < 10; step++) serving.proxy.pass(100);
    }
    expect(client.received.endsWith(serving.body.slice(-100))).toBe(true);
    expect(client.received.slice(-40 * KIB)).toBe(serving.body);
    await stop(serving);
  });

  test('a response below the first part is not slowed', async () => {
    const serving = await serve(20 * KIB, { bytesPerSecond: 1, afterBytes: 20 * KIB });
    using client = await connectRaw(serving.proxy.port);
    client.send(GET);
    const [response] = await client.responses(1);
    expect(response?.body).toBe(serving.body);
    await stop(serving);
  });

  test('a chunked response comes whole, and the connection serves the next request', async () => {
    const serving = await serve(300 * KIB, { bytesPerSecond: 64 * KIB, afterBytes: 0 }, true);
    using client = await connectRaw(serving.proxy.port);
    client.send(GET);
    await client.untilTrue(() => {
      serving.proxy.pass(100);
      return client.received.endsWith('0\r\n\r\n');
    });
    const [response] = await client.responses(1);
    expect(response?.body).toBe(serving.body);
    client.send(GET);
    await client.untilTrue(() => client.received.split('HTTP/1.1 200').length === 3);
    client.socket.destroy();
    await stop(serving);
  });

  test('each response of a connection is slowed by itself, and ends when its Service ends it', async () => {
    const size = 30 * KIB;
    const halves: string[] = ['a', 'b'].map((letter) => letter.repeat(size / 2));
    await using origin = await startRawOrigin((socket) =>
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${halves[0]}`),
    );
    const policy = { bandwidth: { bytesPerSecond: 10 * KIB, afterBytes: 0 } };
    await using proxy = await startDataPath([{ endpoints: [origin.port], policy }]);
    using client = await connectRaw(proxy.port);
    const responses = () => client.received.split('HTTP/1.1 200').length - 1;
    for (let round = 1; round <= 2; round++) {
      // Time that no response has used is nobody's.
      proxy.pass(30_000);
      const before = client.received.length;
      const body = () => client.received.slice(before).split('\r\n\r\n')[1]?.length ?? 0;
      client.send(GET);
      await client.untilTrue(() => body() >= 10 * KIB);
      expect(body()).toBe(10 * KIB);
      for (let step = 0; step < 10; step++) proxy.pass(100);
      await client.untilTrue(() => body() === size / 2);
      // All that was held is out, but the response is not over.
      for (let step = 0; step < 20; step++) proxy.pass(100);
      expect([proxy.requests.length, proxy.leftovers().inFlight]).toEqual([round - 1, 1]);
      origin.sockets[0]?.write(halves[1] as string);
      await client.untilTrue(() => {
        proxy.pass(100);
        return body() === size;
      });
      await eventually(() => proxy.requests.length === round);
    }
    expect([responses(), origin.connections]).toEqual([2, 1]);
  });

  test('a response that ended while its client was slow does not hold up the next one', async () => {
    const serving = await serve(8 * KIB * KIB, { bytesPerSecond: 1024 * KIB * KIB, afterBytes: 0 });
    using client = await connectRaw(serving.proxy.port);
    for (let round = 1; round <= 2; round++) {
      client.socket.pause();
      client.send(GET);
      // As much of it is on its way as fits between the two.
      for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
      client.socket.resume();
      await eventually(() => serving.proxy.requests.length === round);
    }
    await client.untilTrue(() => client.received.length > 16 * KIB * KIB);
    client.socket.destroy();
    await stop(serving);
  });

  test('over HTTP/2', async () => {
    const serving = await serve(30 * KIB, { bytesPerSecond: 10 * KIB, afterBytes: 0 });
    const session = http2.connect(`http://127.0.0.1:${serving.proxy.port}`);
    const stream = session.request({ ':path': '/' });
    let body = '';
    let isEnded = false;
    stream.setEncoding('latin1');
    stream.on('data', (text: string) => {
      body += text;
    });
    stream.on('end', () => {
      isEnded = true;
    });
    for (const expected of [10, 20, 30]) {
      await eventually(() => body.length >= expected * KIB);
      expect(body.length).toBe(expected * KIB);
      for (let step = 0; step < 10; step++) serving.proxy.pass(100);
    }
    await eventually(() => isEnded);
    expect(body).toBe(serving.body);
    session.destroy();
    await stop(serving);
  });

  test('the upstream is held back: a large body does not pile up', async () => {
    const serving = await serve(64 * KIB * KIB, { bytesPerSecond: 10 * KIB, afterBytes: 0 });
    using client = await connectRaw(serving.proxy.port);
    client.send(GET);
    await client.untilTrue(() => bodyBytes(client) >= 10 * KIB);
    for (let turn = 0; turn < 300; turn++) await new Promise(setImmediate);
    expect(serving.proxy.context.buffers.waitingBytes).toBeGreaterThan(0);
    expect(serving.proxy.context.buffers.waitingBytes).toBeLessThanOrEqual(256 * KIB);
    // A minute of a slowed response is not the upstream's fault.
    for (let second = 0; second < 120; second++) serving.proxy.pass(1000);
    await client.untilTrue(() => bodyBytes(client) >= 100 * KIB);
    client.socket.destroy();
    await eventually(() => serving.proxy.requests.length === 1);
    expect(serving.proxy.requests[0]?.status).not.toBe(504);
    await stop(serving);
  });

  test('a response that breaks off is cut, not completed', async () => {
    await using origin = await startRawOrigin((socket) =>
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n${'x'.repeat(3000)}`),
    );
    await using proxy = await startDataPath([
      { endpoints: [origin.port], policy: { bandwidth: { bytesPerSecond: 1000, afterBytes: 0 } } },
    ]);
    using client = await connectRaw(proxy.port);
    client.send(GET);
    await client.untilTrue(() => {
      proxy.pass(100);
      return client.ended !== '';
    });
    expect(bodyBytes(client)).toBeLessThan(5000);
    await eventually(() => proxy.requests[0]?.reason === 'upstreamTruncated');
  });
});
