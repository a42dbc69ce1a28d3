import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HeldPayload } from './held-payload.ts';
import { ReadBuffers, SMALL_BODY_BYTES } from './read-buffers.ts';

function scene(): { buffers: ReadBuffers; held: HeldPayload } {
  const buffers = new ReadBuffers();
  return { buffers, held: new HeldPayload(buffers) };
}

test('gives back what was added, in order, whatever its buffers are used for afterwards', () => {
  const part = fc.record({ length: fc.nat(3 * SMALL_BODY_BYTES), isStable: fc.boolean() });
  const step = fc.oneof(part, fc.record({ use: fc.nat(2 * SMALL_BODY_BYTES) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const { buffers, held } = scene();
      const expected: number[] = [];
      let next = 0;
      for (const each of steps) {
        if ('use' in each) {
          if (held.isEmpty) continue;
          const { buf, start, end } = held.first;
          const bytes = Math.min(each.use, end - start);
          expect([...buf.subarray(start, start + bytes)]).toEqual(expected.splice(0, bytes));
          held.use(bytes);
        } else if (each.length > 0) {
          const buf = Buffer.from(Array.from({ length: each.length + 2 }, () => next++ % 251));
          expected.push(...buf.subarray(1, -1));
          held.add(buf, 1, buf.length - 1, each.isStable);
          if (!each.isStable) buf.fill(255);
        }
        expect([held.bytes, buffers.waitingBytes]).toEqual([expected.length, expected.length]);
      }
      held.clear();
      expect([held.isEmpty, held.bytes, buffers.waitingBytes]).toEqual([true, 0, 0]);
    }),
    { numRuns: 50 },
  );
});

test('a byte at a time costs little more than the bytes', () => {
  const { held } = scene();
  const byte = Buffer.from('x');
  for (let i = 0; i < 20_000; i++) held.add(byte, 0, 1, true);
  let parts = 0;
  let capacity = 0;
  for (; !held.isEmpty; parts++) {
    const { buf, start, end } = held.first;
    capacity += buf.length;
    held.use(end - start);
  }
  expect(parts).toBeLessThan(8);
  expect(capacity).toBeLessThan(25_000);
});
