import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { LoopTurn } from './loop-turn.ts';
import { ReadBuffers, SMALL_BODY_BYTES } from './read-buffers.ts';
import { SocketWriter } from './socket-writer.ts';

/** Takes writes and reports them finished when it is told. */
class SlowSocket {
  readonly writes: string[] = [];
  writable = true;
  writableLength = 0;
  writableNeedDrain = false;
  /** Takes everything at once when false. */
  isSlow = false;
  corked = 0;
  readonly #unfinished: Array<() => void> = [];

  write(data: string | Buffer, second?: unknown): boolean {
    this.writes.push(typeof data === 'string' ? data : data.toString('latin1'));
    if (this.isSlow) this.writableLength += data.length;
    if (typeof second === 'function') this.#unfinished.push(second as () => void);
    return !this.isSlow;
  }

  cork(): void {
    this.corked++;
  }

  uncork(): void {
    this.corked--;
  }

  /** The system has taken all that was written. */
  finish(): void {
    this.writableLength = 0;
    for (const done of this.#unfinished.splice(0)) done();
  }
}

const BIG = Buffer.alloc(SMALL_BODY_BYTES + 1, 'x');

function scene() {
  const socket = new SlowSocket();
  const buffers = new ReadBuffers();
  const writer = new SocketWriter(buffers, new LoopTurn());
  let drains = 0;
  writer.open(socket as unknown as Parameters<SocketWriter['open']>[0], { onDrain: () => drains++ });
  return { socket, buffers, writer, drains: () => drains };
}

describe('writes are as few as possible', () => {
  test('text and small bodies leave together, at the flush', () => {
    const { socket, writer } = scene();
    writer.addText('head ');
    writer.addBytes(Buffer.from('__body__'), 2, 6);
    expect(socket.writes).toEqual([]);
    writer.flush();
    writer.flush();
    expect(socket.writes).toEqual(['head body']);
  });

  test('what is added in one turn of the loop leaves together, when the turn ends', async () => {
    const { socket, writer } = scene();
    writer.addText('a');
    writer.flushSoon();
    writer.addText('b');
    writer.flushSoon();
    writer.addText('c');
    expect(socket.writes).toEqual([]);
    expect(writer.hasUnsent).toBe(true);
    await new Promise(setImmediate);
    expect(socket.writes).toEqual(['abc']);
    expect(writer.hasUnsent).toBe(false);
    writer.addText('d');
    writer.flushSoon();
    await new Promise(setImmediate);
    expect(socket.writes).toEqual(['abc', 'd']);
  });

  test('a flush before the end of the turn leaves nothing for it', async () => {
    const { socket, writer } = scene();
    writer.addText('a');
    writer.flushSoon();
    writer.flush();
    expect(socket.writes).toEqual(['a']);
    writer.addText('b');
    writer.flushSoon();
    await new Promise(setImmediate);
    expect(socket.writes).toEqual(['a', 'b']);
  });

  test('much text does not wait for the end of the turn', () => {
    const { socket, writer } = scene();
    for (let i = 0; i < 70; i++) {
      writer.addText('x'.repeat(1000));
      writer.flushSoon();
    }
    expect(socket.writes).toHaveLength(1);
  });

  test('a body of the limit is copied, a larger one is written as it is, behind the text before it', () => {
    const { socket, writer } = scene();
    const small = Buffer.alloc(SMALL_BODY_BYTES, 'a');
    writer.addText('1');
    writer.addBytes(small, 0, small.length);
    small.fill('b');
    writer.flush();
    expect(socket.writes).toEqual([`1${'a'.repeat(small.length)}`]);
    writer.addText('2');
    writer.addBytes(BIG, 0, BIG.length);
    expect(socket.writes.slice(1)).toEqual(['2', BIG.toString()]);
    expect(socket.corked).toBe(0);
  });

  test('much text does not wait for the flush', () => {
    const { socket, writer } = scene();
    const part = Buffer.alloc(4_000, 'x');
    for (let i = 0; i < 20; i++) writer.addBytes(part, 0, part.length);
    expect(socket.writes).toHaveLength(1);
    writer.flush();
    expect(socket.writes.join('')).toBe('x'.repeat(80_000));
  });

  test.each([
    ['small', 3],
    ['large', BIG.length],
  ])('a %s chunk is framed (RFC 9112 §7.1)', (_name, size) => {
    const { socket, writer } = scene();
    writer.addChunk(BIG, 0, size);
    writer.flush();
    expect(socket.writes.join('')).toBe(`${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`);
    expect(socket.corked).toBe(0);
  });
});

describe('what blocks', () => {
  test('a large write until it is finished; it is told once, and counted as waiting meanwhile', () => {
    const { socket, buffers, writer, drains } = scene();
    socket.isSlow = true;
    writer.addBytes(BIG, 0, BIG.length);
    writer.addBytes(BIG, 0, 0);
    writer.addBytes(BIG, 0, BIG.length);
    expect([writer.isBlocked, buffers.waitingBytes, drains()]).toEqual([true, 2 * BIG.length, 0]);
    socket.finish();
    expect([writer.isBlocked, buffers.waitingBytes, drains()]).toEqual([false, 0, 1]);
  });

  test('a large write that the system took at once does not', () => {
    const { socket, buffers, writer } = scene();
    writer.addBytes(BIG, 0, BIG.length);
    expect([writer.isBlocked, buffers.waitingBytes]).toEqual([false, 0]);
    socket.finish();
    expect(buffers.waitingBytes).toBe(0);
  });

  test('text only beyond the high-water mark', () => {
    const { socket, writer } = scene();
    socket.isSlow = true;
    writer.addText('x');
    writer.flush();
    expect(writer.isBlocked).toBe(false);
    socket.writableNeedDrain = true;
    expect(writer.isBlocked).toBe(true);
  });

  test('nothing before it is opened', () => {
    expect(new SocketWriter(new ReadBuffers(), new LoopTurn()).isBlocked).toBe(false);
  });
});

describe('a slow receiver moves', () => {
  test.each([
    [
      'by part of a write, as the handle tells',
      [{ _handle: { writeQueueSize: 900 } }, { _handle: { writeQueueSize: 899 } }],
      true,
    ],
    [
      'not, when nothing was taken',
      [{ _handle: { writeQueueSize: 900 } }, { _handle: { writeQueueSize: 900 } }],
      false,
    ],
    ['not, when only more waits', [{ _handle: { writeQueueSize: 900 } }, { _handle: { writeQueueSize: 901 } }], false],
    ['by whole writes, where the handle does not tell', [{ writableLength: 900 }, { writableLength: 800 }], true],
    [
      'not, without a handle',
      [
        { _handle: null, writableLength: 9 },
        { _handle: null, writableLength: 9 },
      ],
      false,
    ],
  ])('%s', (_name, [before, after], expected) => {
    const { socket, writer } = scene();
    Object.assign(socket, before);
    writer.hasMoved();
    Object.assign(socket, after);
    expect(writer.hasMoved()).toBe(expected);
    expect(writer.hasMoved()).toBe(false);
  });

  test('a real handle tells', async () => {
    const accepted: net.Socket[] = [];
    await using server = net.createServer((each) => accepted.push(each.pause())).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    const writer = new SocketWriter(new ReadBuffers(), new LoopTurn());
    writer.open(socket, { onDrain: () => {} });
    // More than any socket buffer takes.
    const much = Buffer.alloc(64 * 1024 * 1024);
    writer.addBytes(much, 0, much.length);
    writer.hasMoved();
    const { writeQueueSize } = (socket as unknown as { _handle: { writeQueueSize: number } })._handle;
    expect(writeQueueSize).toBeGreaterThan(0);
    expect(writeQueueSize).toBeLessThan(much.length);
    socket.destroy();
    for (const each of accepted) each.destroy();
  });
});

describe('text for a plain socket goes past the queue of the stream', () => {
  /** A writer on one end of a connection, and the other end, not yet reading. */
  async function pair() {
    const server = net.createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    const [[peer]] = (await Promise.all([once(server, 'connection'), once(socket, 'connect')])) as [
      [net.Socket],
      unknown,
    ];
    const queued: string[] = [];
    const { write } = socket;
    socket.write = (...args: unknown[]) => {
      queued.push(String(args[0]).slice(0, 8));
      return Reflect.apply(write, socket, args) as boolean;
    };
    const writer = new SocketWriter(new ReadBuffers(), new LoopTurn());
    writer.open(socket, { onDrain: () => {} });
    const close = (): void => {
      for (const each of [socket, peer]) each.destroy();
      server.close();
    };
    return { socket, peer, writer, queued, [Symbol.dispose]: close };
  }

  async function readAll(peer: net.Socket): Promise<string> {
    let text = '';
    for await (const chunk of peer.setEncoding('latin1')) text += chunk;
    return text;
  }

  test('what the system takes at once is not queued at all', async () => {
    using scene = await pair();
    const { socket, peer, writer, queued } = scene;
    for (const text of ['one ', 'two\xff ', 'three']) {
      writer.addText(text);
      writer.flush();
      expect(writer.hasUnsent).toBe(false);
    }
    socket.end();
    expect(await readAll(peer)).toBe('one two\xff three');
    expect(queued).toEqual([]);
  });

  test('what it does not take waits; later text and bytes follow in order, and an end comes behind them', async () => {
    using scene = await pair();
    const { socket, peer, writer, queued } = scene;
    const much = 'm'.repeat(32 * 1024 * 1024);
    writer.addText(much);
    writer.flush();
    expect(writer.hasUnsent).toBe(true);
    writer.addText('behind1 ');
    writer.flush();
    writer.addBytes(BIG, 0, BIG.length);
    writer.addText('behind2 ');
    writer.flush();
    expect(queued).toEqual(['behind1 ', 'xxxxxxxx', 'behind2 ']);
    expect(writer.isBlocked).toBe(true);
    socket.end();
    expect((await readAll(peer)) === `${much}behind1 ${BIG.toString()}behind2 `).toBe(true);
    expect([writer.hasUnsent, writer.isBlocked]).toEqual([false, false]);
  });

  test('bytes that wait in the queue are not overtaken', async () => {
    using scene = await pair();
    const { socket, peer, writer } = scene;
    const much = Buffer.alloc(32 * 1024 * 1024, 'm');
    writer.addBytes(much, 0, much.length);
    writer.addText('behind');
    writer.flush();
    socket.end();
    expect((await readAll(peer)).slice(-8)).toBe('mmbehind');
  });

  test('a failed write closes the socket, whether it fails at once or later', async () => {
    for (const text of ['short', 'm'.repeat(32 * 1024 * 1024)]) {
      using scene = await pair();
      const { socket, peer, writer } = scene;
      const failed = once(socket, 'error') as Promise<[NodeJS.ErrnoException]>;
      if (text.length > 10) writer.addText(text);
      writer.flush();
      peer.resetAndDestroy();
      await once(peer, 'close');
      while (!socket.destroyed) {
        writer.addText('x');
        writer.flush();
        await new Promise(setImmediate);
      }
      const [error] = await failed;
      expect(['EPIPE', 'ECONNRESET']).toContain(error.code);
    }
  });
});

test('bytes of a tunnel stay as they were, unless they are the writer’s to keep', () => {
  for (const isOwned of [false, true]) {
    const { socket, writer } = scene();
    const bytes = Buffer.alloc(BIG.length, 'a');
    const taken: Buffer[] = [];
    socket.write = (data) => taken.push(data as Buffer) > 0;
    writer.addCopiedBytes(bytes, 0, bytes.length, isOwned);
    bytes.fill('b');
    expect(taken[0]?.[0]).toBe(isOwned ? 98 : 97);
  }
});

test('a socket that is closed for writing takes nothing, and nothing is kept for it', () => {
  const { socket, buffers, writer } = scene();
  socket.writable = false;
  writer.addText('x');
  writer.addBytes(BIG, 0, BIG.length);
  writer.flush();
  expect([socket.writes, buffers.waitingBytes, writer.isBlocked]).toEqual([[], 0, false]);
});

test('bytesOut counts all that was added', () => {
  const { writer } = scene();
  writer.addText('abc');
  writer.addBytes(BIG, 0, 10);
  writer.addBytes(BIG, 0, BIG.length);
  expect(writer.bytesOut).toBe(13 + BIG.length);
});
