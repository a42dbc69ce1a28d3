// Request bodies that trickle on HTTP/2 streams: the same limits as in HTTP/1.1, each stream by itself.

import { expect, test } from '@jest/globals';
import { type DataPath, eventually, startDataPath } from '../forward/testing/data-path.ts';
import { type ServerEnd, startHttp2Origin } from '../forward/testing/http2-origin.ts';
import { type RawOrigin, startRawOrigin } from '../forward/testing/origin.ts';
import { STREAMED } from '../forward/testing/test-proxy.ts';
import { Flag, FrameType } from '../http2/protocol.ts';
import { defaultHttp2 } from '../table/defaults.ts';
import { defaultPeerLimits, type PeerLimits } from '../table/peer-limits.ts';
import { block, connectHttp2, frame, type Http2Client, POST } from './testing/http2-client.ts';

async function pathTo(origin: RawOrigin, limits: Partial<PeerLimits>): Promise<DataPath> {
  return startDataPath([{ endpoints: [origin.port], policy: STREAMED }], {
    http2: { ...defaultHttp2, hasPriorKnowledge: true },
    peerLimits: { ...defaultPeerLimits, ...limits },
  });
}

function begin(client: Http2Client, streamId: number): void {
  client.send(frame(FrameType.headers, Flag.endHeaders, streamId, block(POST)));
}

async function sendByte(client: Http2Client, streamId: number, origin: RawOrigin, connection: number): Promise<void> {
  const before = origin.received[connection]?.length ?? 0;
  client.send(frame(FrameType.data, 0, streamId, Buffer.from('x')));
  await eventually(() => (origin.received[connection]?.length ?? 0) > before);
}

test('a body that trickles within client-body-timeout is cut by the rate; another stream is not', async () => {
  await using origin = await startRawOrigin(() => {});
  await using path = await pathTo(origin, { minBodyRate: 100 });
  using client = (await connectHttp2(path.port)).greet();
  begin(client, 1);
  await eventually(() => origin.connections === 1 && origin.received[0]?.endsWith('\r\n\r\n') === true);
  for (let i = 0; i < 3; i++) {
    await sendByte(client, 1, origin, 0);
    path.pass(19_000);
  }
  expect(path.requests).toEqual([]);
  begin(client, 3);
  await eventually(() => origin.received[1]?.endsWith('\r\n\r\n') === true);
  path.pass(5_000);
  expect(path.requests).toEqual([{ status: 408, reason: 'bodyTooSlow', attempts: [0] }]);
  expect(path.leftovers().openConnections).toBe(1);
});

test('a body that comes at the rate is not, however long it takes', async () => {
  await using origin = await startRawOrigin(() => {});
  await using path = await pathTo(origin, { minBodyRate: 100 });
  using client = (await connectHttp2(path.port)).greet();
  begin(client, 1);
  await eventually(() => origin.received[0]?.endsWith('\r\n\r\n') === true);
  for (let i = 0; i < 10; i++) {
    const before = origin.received[0]?.length ?? 0;
    client.send(frame(FrameType.data, 0, 1, Buffer.alloc(3_000, 'x')));
    await eventually(() => (origin.received[0]?.length ?? 0) >= before + 3_000);
    path.pass(30_000);
    expect(path.requests).toEqual([]);
  }
});

test('a rate of 0 leaves the time between two frames alone', async () => {
  await using origin = await startRawOrigin(() => {});
  await using path = await pathTo(origin, { minBodyRate: 0 });
  using client = (await connectHttp2(path.port)).greet();
  begin(client, 1);
  await eventually(() => origin.received[0]?.endsWith('\r\n\r\n') === true);
  for (let i = 0; i < 5; i++) {
    await sendByte(client, 1, origin, 0);
    path.pass(50_000);
  }
  expect(path.requests).toEqual([]);
  path.pass(11_000);
  expect(path.requests).toEqual([{ status: 408, reason: 'bodyTimeout', attempts: [0] }]);
});

test('empty frames buy no time', async () => {
  await using origin = await startRawOrigin(() => {});
  await using path = await pathTo(origin, { minBodyRate: 100 });
  using client = (await connectHttp2(path.port)).greet();
  begin(client, 1);
  await eventually(() => origin.received[0]?.endsWith('\r\n\r\n') === true);
  await sendByte(client, 1, origin, 0);
  for (let i = 0; i < 4; i++) {
    client.send(frame(FrameType.data, 0, 1, Buffer.alloc(0)));
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    path.pass(16_000);
  }
  expect(path.requests).toEqual([{ status: 408, reason: expect.stringMatching(/^body/), attempts: [0] }]);
});

/** One message of gRPC, of a byte: as much as a lively chat has in half a minute. */
const MESSAGE = Buffer.from([0, 0, 0, 0, 1, 120]);

test('messages of a gRPC call may be far apart, also while the server says nothing', async () => {
  let sent = 0;
  await using origin = await startHttp2Origin(() => {});
  const policy = { protocol: 'grpc', maxBodyBytes: null } as const;
  await using path = await startDataPath([{ endpoints: [origin.port], policy }], {
    http2: { ...defaultHttp2, hasPriorKnowledge: true },
  });
  using client = (await connectHttp2(path.port)).greet();
  begin(client, 1);
  for (let i = 0; i < 8; i++) {
    client.send(frame(FrameType.data, 0, 1, MESSAGE));
    sent += MESSAGE.length;
    await eventually(() => bytesOf(origin.connections[0]) === sent);
    path.pass(19_000);
  }
  expect(path.requests).toEqual([]);
});

function bytesOf(server: ServerEnd | undefined): number {
  return server?.framesOf(FrameType.data).reduce((sum, { payload }) => sum + payload.length, 0) ?? 0;
}

test('once the upstream answers, the body is half of a conversation: only its silences are limited', async () => {
  await using origin = await startRawOrigin(() => {});
  await using path = await pathTo(origin, { minBodyRate: 100 });
  using client = (await connectHttp2(path.port)).greet();
  begin(client, 1);
  await eventually(() => origin.received[0]?.endsWith('\r\n\r\n') === true);
  path.pass(55_000);
  // Five seconds are left of the time for the body.
  origin.sockets[0]?.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
  for (let answered = 1; answered < 5; answered++) {
    await client.until(() => client.body(1).length === answered);
    path.pass(30_000);
    expect(path.requests).toEqual([]);
    await sendByte(client, 1, origin, 0);
    origin.sockets[0]?.write('1\r\nb\r\n');
  }
});
