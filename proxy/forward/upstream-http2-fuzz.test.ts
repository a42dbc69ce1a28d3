// Random frames from an HTTP/2 upstream, right and wrong ones: a request always ends, nothing is left behind, and the next
// connection works.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrameType } from '../http2/protocol.ts';
import { block, frame } from '../listen/testing/http2-client.ts';
import { eventually, startDataPath } from './testing/data-path.ts';
import { OK, startHttp2Origin } from './testing/http2-origin.ts';
import { connectRaw } from './testing/raw-client.ts';

const streamId = fc.constantFrom(0, 1, 1, 1, 1, 2, 3, 0x7fffffff);
const flags = fc.constantFrom(0, 0x1, 0x4, 0x5, 0x8, 0xd, 0x20, 0x24, 0xff);

const anyFrame = fc.oneof(
  // A sound head, often enough for the states behind it.
  fc.constantFrom(0x4, 0x5).map((flag) => frame(FrameType.headers, flag, 1, block(OK))),
  fc
    .tuple(fc.constantFrom('trailer', 'content-length', 'x'), fc.constantFrom('1', '5', 'no'))
    .map(([name, value]) => frame(FrameType.headers, 0x4, 1, block([...OK, [name, value]]))),
  fc.tuple(fc.constantFrom(0, 0x1), fc.uint8Array({ maxLength: 9000 })).map(([flag, bytes]) => {
    return frame(FrameType.data, flag, 1, Buffer.from(bytes));
  }),
  fc.tuple(fc.nat(12), flags, streamId, fc.uint8Array({ maxLength: 40 })).map(([type, flag, id, bytes]) => {
    return frame(type, flag, id, Buffer.from(bytes));
  }),
  // Not even a frame.
  fc.uint8Array({ minLength: 1, maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
);

const script = fc.array(anyFrame, { maxLength: 12 });
const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 30 });

/** Cuts bytes into pieces of these lengths, and the rest. */
function pieces(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const out: Buffer[] = [];
  let at = 0;
  for (const length of lengths) {
    if (at >= bytes.length) break;
    out.push(bytes.subarray(at, at + length));
    at += length;
  }
  if (at < bytes.length) out.push(bytes.subarray(at));
  return out;
}

test('whatever comes, the request ends and the connection after it works', async () => {
  let next: readonly Buffer[] = [];
  await using origin = await startHttp2Origin((server, id) => {
    if (next.length === 0) return server.respond(id, 'well');
    const sent = next;
    next = [];
    server.isPolite = false;
    for (const piece of sent) server.socket.write(piece);
    server.socket.end();
  });
  await using proxy = await startDataPath([
    { endpoints: [origin.port], policy: { protocol: 'http2', maxAttempts: 1 } },
  ]);
  const run = async (frames: readonly Buffer[], lengths: readonly number[]): Promise<void> => {
    next = pieces(Buffer.concat(frames), lengths);
    using client = await connectRaw(proxy.port);
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await client.closed();
    next = [];
    using second = await connectRaw(proxy.port);
    second.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await second.closed();
    expect(second.received).toContain('well');
    expect(proxy.leftovers().inFlight).toBe(0);
  };
  await fc.assert(fc.asyncProperty(script, cuts, run), { numRuns: 150 });
  expect(proxy.context.buffers.waitingBytes).toBe(0);
  proxy.pass(70_000);
  await eventually(() => proxy.leftovers().upstreamConnections === 0);
}, 60_000);
