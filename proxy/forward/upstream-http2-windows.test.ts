// Flow control with HTTP/2 upstreams: what is held for a client that does not read, what is given back, and what waits for
// the upstream's own windows.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { expect, test } from '@jest/globals';
import { request } from 'undici';
import { Flag, FrameType, Setting } from '../http2/protocol.ts';
import { frame, type ReceivedFrame, uint32 } from '../listen/testing/http2-client.ts';
import { defaultUpstreamHttp2 } from '../table/upstream-protocol.ts';
import { type DataPath, eventually, startDataPath } from './testing/data-path.ts';
import { OK, type ServerEnd, startHttp2Origin } from './testing/http2-origin.ts';
import { connectRaw } from './testing/raw-client.ts';

const INITIAL_WINDOW = 65_535;
const MAX_PAYLOAD = 16_000;

/** Sends a body as fast as the windows allow, each frame with as many bytes of padding. */
class Feeder {
  /** Bytes of the body that have left. */
  sent = 0;
  readonly #server: ServerEnd;
  readonly #id: number;
  readonly #body: Buffer;
  readonly #window: number;
  readonly #padding: number;
  /** Largest payload of a frame. */
  readonly #piece: number;
  #flow = 0;
  /** What each window has grown by, as far as the frames were looked at. */
  readonly #updates = new Map<number, number>();
  #seen = 0;

  constructor(server: ServerEnd, id: number, body: Buffer, window: number, piece = MAX_PAYLOAD, padding = 0) {
    this.#server = server;
    this.#id = id;
    this.#body = body;
    this.#window = window;
    this.#piece = piece;
    this.#padding = padding;
    server.isPolite = false;
    server.request(id, [...OK, ['content-length', `${body.length}`]], false);
    server.socket.on('data', () => this.pump());
    this.pump();
  }

  pump(): void {
    const overhead = this.#padding === 0 ? 0 : this.#padding + 1;
    while (this.sent < this.#body.length) {
      const size = Math.min(this.#piece, this.#body.length - this.sent, this.#room - overhead);
      if (size <= 0) return;
      const isLast = this.sent + size === this.#body.length;
      this.#send(this.#body.subarray(this.sent, this.sent + size), isLast);
      this.sent += size;
      this.#flow += size + overhead;
    }
  }

  #send(part: Buffer, isLast: boolean): void {
    const flags = (isLast ? Flag.endStream : 0) | (this.#padding === 0 ? 0 : Flag.padded);
    const payload =
      this.#padding === 0 ? part : Buffer.concat([Buffer.from([this.#padding]), part, Buffer.alloc(this.#padding)]);
    this.#server.send(frame(FrameType.data, flags, this.#id, payload));
  }

  get #room(): number {
    return Math.min(this.#window + this.#given(this.#id), INITIAL_WINDOW + this.#given(0)) - this.#flow;
  }

  #given(streamId: number): number {
    const { frames } = this.#server;
    for (; this.#seen < frames.length; this.#seen++) {
      const each = frames[this.#seen] as ReceivedFrame;
      if (each.type !== FrameType.windowUpdate) continue;
      this.#updates.set(each.streamId, (this.#updates.get(each.streamId) ?? 0) + each.payload.readUInt32BE(0));
    }
    return this.#updates.get(streamId) ?? 0;
  }
}

/** A service of one body, and the proxy before it. */
async function serve(body: Buffer, window: number, piece?: number, padding?: number) {
  const feeders: Feeder[] = [];
  const stack = new AsyncDisposableStack();
  const origin = stack.use(
    await startHttp2Origin((server, id) => {
      feeders.push(new Feeder(server, id, body, window, piece, padding));
    }),
  );
  const proxy: DataPath = stack.use(
    await startDataPath([{ endpoints: [origin.port], policy: { protocol: 'http2' } }], {
      upstreamHttp2: { ...defaultUpstreamHttp2, streamWindowBytes: window },
    }),
  );
  return { feeders, origin, proxy, stack };
}

async function openResponse(port: number): Promise<http.IncomingMessage> {
  const asked = http.get({ port, host: '127.0.0.1', agent: false });
  asked.on('error', () => undefined);
  const [response] = (await once(asked, 'response')) as [http.IncomingMessage];
  return response;
}

/** Waits until the upstream has not been able to send for many turns. */
async function stalled(feeder: Feeder): Promise<void> {
  let sent = -1;
  let quiet = 0;
  while (quiet < 300) {
    quiet = feeder.sent === sent ? quiet + 1 : 0;
    sent = feeder.sent;
    await new Promise(setImmediate);
  }
}

/** More than the system takes between two sockets of one machine. */
const large = Buffer.alloc(20 * 1024 * 1024);
const WINDOW = 512 * 1024;
for (let at = 0; at < large.length; at += 4) large.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

test('a client that does not read: its upstream stops at the window; when it reads on it gets every byte', async () => {
  const { feeders, proxy, stack } = await serve(large, WINDOW);
  await using _ = stack;
  const response = await openResponse(proxy.port);
  await eventually(() => proxy.context.buffers.waitingBytes > 0);
  const [feeder] = feeders as [Feeder];
  await stalled(feeder);
  expect(feeder.sent).toBeLessThan(large.length);
  const hash = createHash('sha256');
  for await (const part of response) hash.update(part as Buffer);
  expect(hash.digest('hex')).toBe(hashOf(large));
  await eventually(() => proxy.requests.length === 1);
  expect(proxy.context.buffers.waitingBytes).toBe(0);
});

test('a client that goes away leaves nothing of what was held for it', async () => {
  const { feeders, origin, proxy, stack } = await serve(large, WINDOW);
  await using _ = stack;
  const response = await openResponse(proxy.port);
  await eventually(() => proxy.context.buffers.waitingBytes > 0);
  await stalled(feeders[0] as Feeder);
  response.on('error', () => undefined);
  response.destroy();
  await eventually(() => proxy.requests.length === 1);
  await eventually(() => proxy.context.buffers.waitingBytes === 0);
  // CANCEL: the upstream need not go on, and serves others.
  await eventually(() => origin.connections[0]?.resetOf(1) === 8);
  expect(proxy.leftovers()).toMatchObject({ inFlight: 0, upstreamConnections: 1 });
});

test('padding counts against the window, and is given back at once', async () => {
  const body = Buffer.from('padded'.repeat(20));
  const { proxy, stack } = await serve(body, 5_000, 1, 255);
  await using _ = stack;
  const response = await request(`http://127.0.0.1:${proxy.port}/`);
  expect(await response.body.text()).toBe(body.toString());
});

test('what comes of a response is passed on at once, though nothing follows for long', async () => {
  await using origin = await startHttp2Origin((server, id) => {
    server.request(id, OK, false);
    server.data(id, 'event: 1\n\n');
  });
  await using proxy = await startDataPath([{ endpoints: [origin.port], policy: { protocol: 'http2' } }]);
  using client = await connectRaw(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((text) => text.includes('event: 1\n\n'));
  origin.connections[0]?.data(1, 'event: 2\n\n');
  await client.until((text) => text.includes('event: 2\n\n'));
});

// RFC 9113 §6.9.2: a changed SETTINGS_INITIAL_WINDOW_SIZE moves the windows of streams that are open, too.
test('a body waits for the window of its stream, which SETTINGS may move', async () => {
  const initialWindow = (bytes: number) => Buffer.concat([Buffer.from([0, Setting.initialWindowSize]), uint32(bytes)]);
  await using origin = await startHttp2Origin((server, id) => {
    server.isPolite = false;
    if (id === 1) return server.respond(id, 'ok');
  }, initialWindow(10));
  await using proxy = await startDataPath([{ endpoints: [origin.port], policy: { protocol: 'http2' } }]);
  await (await request(`http://127.0.0.1:${proxy.port}/`)).body.text();
  using client = await connectRaw(proxy.port);
  const body = '0123456789'.repeat(5);
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n${body}`);
  const [server] = origin.connections as [ServerEnd];
  await eventually(() => server.body(3).length === 10);
  server.send(frame(FrameType.settings, 0, 0, initialWindow(35)));
  await eventually(() => server.body(3).length >= 35);
  expect(server.body(3)).toBe(body.slice(0, 35));
  server.send(frame(FrameType.windowUpdate, 0, 3, uint32(100)));
  await eventually(() => server.hasEnded(3));
  expect(server.body(3)).toBe(body);
});
