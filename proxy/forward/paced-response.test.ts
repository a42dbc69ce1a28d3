// The reckoning of one paced response, by a clock that is moved by hand: never more than the rate gives, every byte once
// and in order, however it comes and whatever the client takes.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ReadBuffers } from '../listen/read-buffers.ts';
import type { BandwidthLimit } from '../table/route-settings.ts';
import { PacedResponse } from './paced-response.ts';
import { TimerWheel } from './timer-wheel.ts';

/** A client and an exchange that write down what they are told. */
class Scene {
  readonly wheel = new TimerWheel(50_000);
  readonly buffers = new ReadBuffers();
  readonly paced = new PacedResponse(this, this.wheel, this.buffers);
  /** What the client got. */
  got = '';
  readonly ends: string[] = [];
  ready = 0;
  /** The client takes what comes, and no more after it. */
  isSlow = false;
  /** Called by the flush, within which a client may turn out to be gone. */
  onFlush: () => void = () => undefined;
  /** The connection reads into the same buffer again and again. */
  readonly #shared = Buffer.alloc(64 * 1024);

  sendPaced(buf: Buffer, start: number, end: number): boolean {
    this.got += buf.latin1Slice(start, end);
    return !this.isSlow;
  }

  flushPaced(): void {
    this.onFlush();
  }

  onPaceReady(): void {
    this.ready++;
  }

  onPaceEnd(trailers: string): void {
    this.ends.push(trailers);
  }

  write(text: string): boolean {
    this.#shared.write(text, 7, 'latin1');
    const mayGoOn = this.paced.write(this.#shared, 7, 7 + text.length);
    this.#shared.fill('#');
    return mayGoOn;
  }

  pass(ms: number): void {
    this.wheel.advance(this.wheel.nowMs + ms);
  }

  begin(limit: BandwidthLimit): this {
    this.paced.begin(limit);
    return this;
  }
}

const slowly = { bytesPerSecond: 1000, afterBytes: 0 };

test('bytes come once and in order, never above the rate, and the upstream waits while any are held', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), size: fc.integer({ min: 1, max: 5000 }) }),
    fc.record({ kind: fc.constant('pass' as const), size: fc.integer({ min: 0, max: 3000 }) }),
    fc.record({ kind: fc.constantFrom('slow' as const, 'drain' as const), size: fc.constant(0) }),
  );
  const rate = fc.record({
    bytesPerSecond: fc.integer({ min: 1, max: 4000 }),
    afterBytes: fc.integer({ min: 0, max: 6000 }),
  });
  fc.assert(
    fc.property(rate, fc.array(step, { maxLength: 40 }), (limit, steps) => {
      const scene = new Scene().begin(limit);
      const { paced, buffers } = scene;
      const beganAtMs = scene.wheel.nowMs;
      let sent = '';
      const check = () => {
        expect(scene.got).toBe(sent.slice(0, scene.got.length));
        const allowed = limit.afterBytes + limit.bytesPerSecond * (1 + (scene.wheel.nowMs - beganAtMs) / 1000);
        expect(scene.got.length).toBeLessThanOrEqual(allowed);
        expect([paced.heldBytes, buffers.waitingBytes]).toEqual(Array(2).fill(sent.length - scene.got.length));
      };
      for (const { kind, size } of steps) {
        if (kind === 'write') {
          const text = Array.from({ length: size }, (_, at) =>
            String.fromCharCode(97 + ((sent.length + at) % 26)),
          ).join('');
          sent += text;
          // A client that was found slow is not written to before it drains.
          const before = scene.got.length;
          const wasHeld = paced.heldBytes > 0;
          const mayGoOn = scene.write(text);
          if (wasHeld) expect(scene.got.length).toBe(before);
          if (paced.heldBytes > 0) expect(mayGoOn).toBe(false);
        } else if (kind === 'pass') scene.pass(size);
        else if (kind === 'slow') scene.isSlow = true;
        else {
          scene.isSlow = false;
          paced.onClientDrain();
        }
        check();
      }
      scene.isSlow = false;
      paced.onClientDrain();
      // As long as the whole takes at this rate, in turns of the wheel.
      const neededMs = ((sent.length - limit.afterBytes) / limit.bytesPerSecond) * 1000 + 1000;
      for (let passedMs = 0; passedMs < Math.min(neededMs, 60_000); passedMs += 500) scene.pass(500);
      check();
      if (neededMs <= 60_000) expect(scene.got).toBe(sent);
      paced.clear();
      expect([paced.heldBytes, buffers.waitingBytes, scene.wheel.size]).toEqual([0, 0, 0]);
    }),
  );
});

describe('a slow client', () => {
  test('gets nothing before it drains, however long that takes; then what the rate has given meanwhile', () => {
    const scene = new Scene().begin(slowly);
    scene.isSlow = true;
    expect(scene.write('x'.repeat(500))).toBe(false);
    expect(scene.write('y'.repeat(2000))).toBe(false);
    scene.pass(60_000);
    expect(scene.got).toBe('x'.repeat(500));
    scene.isSlow = false;
    scene.paced.onClientDrain();
    expect(scene.got).toHaveLength(2500);
    expect(scene.ready).toBe(1);
  });

  test('that fills up again amid what is held gets no more of it', () => {
    const scene = new Scene().begin(slowly);
    scene.write('a'.repeat(1000));
    scene.write('b'.repeat(1000));
    scene.write('c'.repeat(1000));
    scene.isSlow = true;
    scene.pass(60_000);
    // One part of what is held; the upstream is not asked for more.
    expect([scene.got, scene.ready]).toEqual(['a'.repeat(1000) + 'b'.repeat(1000), 0]);
  });
});

test('the end comes with its trailers when all is out, and once', () => {
  const scene = new Scene().begin(slowly);
  scene.write('x'.repeat(1500));
  expect(scene.paced.end('x-sum: 1\r\n')).toBe(false);
  scene.pass(400);
  expect(scene.ends).toEqual([]);
  scene.pass(300);
  expect([scene.got.length, scene.ends, scene.ready]).toEqual([1500, ['x-sum: 1\r\n'], 0]);
  scene.pass(60_000);
  expect(scene.ends).toHaveLength(1);
});

test('the rest of a response comes when its time has come, not with the next full step', () => {
  const scene = new Scene().begin({ bytesPerSecond: 10_000, afterBytes: 0 });
  scene.write('x'.repeat(10_500));
  // 500 bytes more take 50 ms: one tick of the wheel, where a step of 200 ms would be two.
  scene.pass(100);
  expect(scene.got).toHaveLength(10_500);
});

test('bytes that come when time has passed, but its deadline has not fired yet, wait behind what is held', () => {
  const scene = new Scene().begin(slowly);
  scene.write('a'.repeat(1500));
  // A worker's clock goes on first, and sockets may be read before deadlines fire.
  scene.wheel.nowMs += 2000;
  expect(scene.write('b'.repeat(100))).toBe(false);
  expect(scene.got).toBe('a'.repeat(1000));
  scene.pass(100);
  expect([scene.got, scene.ready]).toEqual([`${'a'.repeat(1500)}${'b'.repeat(100)}`, 1]);
});

test('a client that is found gone while it is written to ends all: nothing is asked for any more', () => {
  const scene = new Scene().begin(slowly);
  scene.write('x'.repeat(1500));
  scene.onFlush = () => scene.paced.clear();
  scene.pass(60_000);
  expect([scene.ready, scene.ends, scene.wheel.size, scene.buffers.waitingBytes]).toEqual([0, [], 0, 0]);
});

test('a response that was cut leaves nothing to the next one', () => {
  const scene = new Scene().begin(slowly);
  scene.write('x'.repeat(1500));
  scene.paced.end('x-old: 1\r\n');
  // Amid a part: the next response begins at its own first byte.
  scene.pass(200);
  scene.isSlow = true;
  scene.pass(200);
  scene.paced.clear();
  scene.got = '';
  scene.isSlow = false;
  scene.begin(slowly);
  expect(scene.write('new'.repeat(500))).toBe(false);
  scene.pass(1000);
  expect([scene.got, scene.ends, scene.ready]).toEqual(['new'.repeat(500), [], 1]);
});
