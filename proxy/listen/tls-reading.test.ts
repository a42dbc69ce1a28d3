// TLS into buffers of ours: nothing lost, doubled, out of order or written over, however the reader pauses. One read from
// the system holds many records here, which Node delivers behind a pause as well.

import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generate } from 'selfsigned';
import { SocketAdopter, type SocketOwner } from './sockets.ts';
import { canReadTls } from './tls-reading.ts';

const TOTAL_BYTES = 1_000_000;
const SHARED = Buffer.alloc(32 * 1024);

let server: tls.Server;

beforeAll(async () => {
  const pair = await generate([{ name: 'commonName', value: 'test' }], { keyType: 'ec' });
  server = tls.createServer({ cert: pair.cert, key: pair.private });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterAll(() => {
  server.close();
});

async function connect(): Promise<{ readonly client: tls.TLSSocket; readonly socket: tls.TLSSocket }> {
  const accepted = once(server, 'secureConnection').then(([socket]) => socket as tls.TLSSocket);
  const client = tls.connect({ port: (server.address() as AddressInfo).port, rejectUnauthorized: false });
  await once(client, 'secureConnect');
  return { client, socket: await accepted };
}

/** Keeps what it read, and the buffer it lies in while a pause lasts, as a write that has not finished would. */
class Reader implements SocketOwner {
  readonly received: Buffer[] = [];
  readonly buffers = new Set<Buffer>();
  readonly ended: Promise<void>;
  pauses = 0;
  changed = 0;
  owned = 0;
  bytes = 0;
  readonly #socket: Socket;
  readonly #own = Buffer.alloc(20 * 1024);
  readonly #pauseEvery: number;
  #end: () => void = () => {};
  #reads = 0;
  #isPaused = false;

  constructor(socket: Socket, pauseEvery: number) {
    this.#socket = socket;
    this.#pauseEvery = pauseEvery;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  onRead(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    expect(this.#isPaused).toBe(false);
    const bytes = Buffer.from(buf.subarray(start, end));
    this.received.push(bytes);
    this.bytes += bytes.length;
    if (isOwned) this.owned++;
    else this.buffers.add(buf);
    if (++this.#reads % this.#pauseEvery !== 0) return true;
    this.pauses++;
    this.#isPaused = true;
    // Two turns of the loop: what is still to come of this read has come by then.
    setImmediate(() => setImmediate(() => this.#goOn(buf, start, bytes, isOwned)));
    return false;
  }

  #goOn(buf: Buffer, start: number, bytes: Buffer, isOwned: boolean): void {
    const isKept = isOwned || buf === this.#own;
    if (isKept && !buf.subarray(start, start + bytes.length).equals(bytes)) this.changed++;
    this.#isPaused = false;
    this.#socket.resume();
  }

  nextBuffer(): Buffer {
    return this.#own;
  }

  onEnd(): void {
    this.#end();
  }

  onDrain(): void {}
  onError(): void {}
  onClose(): void {}
}

function pattern(bytes: number): Buffer {
  const pattern = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) pattern.writeUInt32LE(at, at);
  return pattern;
}

describe('TLS sockets read into buffers of ours', () => {
  test('on this Node', async () => {
    const { client, socket } = await connect();
    expect(canReadTls(socket)).toBe(true);
    client.destroy();
  });

  test.each([
    { name: 'without a pause', pauseEvery: Number.POSITIVE_INFINITY, recordBytes: 700 },
    { name: 'paused after each read', pauseEvery: 1, recordBytes: 700 },
    { name: 'paused after each third read', pauseEvery: 3, recordBytes: 1500 },
    { name: 'paused after each second read, full records', pauseEvery: 2, recordBytes: 16_384 },
  ])('all of it in order: $name', async ({ pauseEvery, recordBytes }) => {
    const { client, socket } = await connect();
    const reader = new Reader(socket, pauseEvery);
    new SocketAdopter(SHARED).adoptTls(socket, reader);
    const sent = pattern(TOTAL_BYTES);
    client.cork();
    for (let at = 0; at < sent.length; at += recordBytes) client.write(sent.subarray(at, at + recordBytes));
    client.uncork();
    client.end();
    await reader.ended;
    expect(Buffer.concat(reader.received).equals(sent)).toBe(true);
    expect(reader.changed).toBe(0);
    // The first read, and those behind it: no buffer was made for either.
    expect(reader.buffers.has(SHARED)).toBe(true);
    if (pauseEvery > 1) expect(reader.buffers.size).toBeGreaterThan(1);
    if (pauseEvery > TOTAL_BYTES) expect(reader.owned).toBe(0);
    else expect(reader.pauses).toBeGreaterThan(10);
    socket.destroy();
    client.destroy();
  });

  test('what Node had read before comes as data', async () => {
    const { client, socket } = await connect();
    client.write('early');
    await once(socket, 'readable');
    expect(canReadTls(socket)).toBe(false);
    const reader = new Reader(socket, Number.POSITIVE_INFINITY);
    new SocketAdopter(SHARED).adoptTls(socket, reader);
    client.end(' late');
    await reader.ended;
    expect(Buffer.concat(reader.received).toString()).toBe('early late');
    expect(reader.owned).toBeGreaterThan(0);
    socket.destroy();
    client.destroy();
  });
});
