import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FineWheel } from './fine-wheel.ts';
import { Deadline } from './timer-wheel.ts';

/** A wheel whose clock and timer are moved by hand. */
function start() {
  const state = { nowMs: 1000, everyMs: 0, run: null as (() => void) | null };
  const wheel = new FineWheel(
    () => state.nowMs,
    (run, everyMs) => {
      Object.assign(state, { run, everyMs });
      return () => {
        state.run = null;
      };
    },
  );
  const pass = (ms: number): void => {
    for (const end = state.nowMs + ms; state.nowMs < end; ) {
      state.nowMs = Math.min(end, state.nowMs + 5);
      state.run?.();
    }
  };
  return { state, wheel, pass };
}

function owner(nowMs: () => number) {
  const firedAtMs: number[] = [];
  return { firedAtMs, deadline: new Deadline({ onDeadline: () => firedAtMs.push(nowMs()) }) };
}

test('stands still until there is a deadline, and again after the last one', () => {
  const { state, wheel, pass } = start();
  expect(state.run).toBeNull();
  const { deadline, firedAtMs } = owner(() => state.nowMs);
  wheel.set(deadline, 20);
  expect(wheel.isTurning).toBe(true);
  pass(100);
  expect(firedAtMs).toEqual([1020]);
  expect(wheel.isTurning).toBe(false);
  expect(state.run).toBeNull();
});

test('a cleared deadline does not fire, a removed one does not keep the timer either', () => {
  const { state, wheel, pass } = start();
  const cleared = owner(() => state.nowMs);
  const removed = owner(() => state.nowMs);
  wheel.set(cleared.deadline, 20);
  wheel.set(removed.deadline, 5000);
  wheel.clear(cleared.deadline);
  wheel.remove(removed.deadline);
  pass(30);
  expect(wheel.isTurning).toBe(false);
  pass(10_000);
  expect([cleared.firedAtMs, removed.firedAtMs]).toEqual([[], []]);
});

test('property: never early, and late by one tick at most, however long it stood still', () => {
  const step = fc.record({
    waitMs: fc.double({ min: 0, max: 5000, noNaN: true }),
    delayMs: fc.integer({ min: 1, max: 4000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
      const { state, wheel, pass } = start();
      const expected: number[] = [];
      const owners = steps.map(({ waitMs, delayMs }) => {
        pass(waitMs);
        const each = owner(() => state.nowMs);
        expected.push(state.nowMs + delayMs);
        wheel.set(each.deadline, delayMs);
        return each;
      });
      pass(5000);
      owners.forEach(({ firedAtMs }, at) => {
        expect(firedAtMs).toHaveLength(1);
        const lateMs = (firedAtMs[0] as number) - (expected[at] as number);
        expect(lateMs).toBeGreaterThanOrEqual(-1e-6);
        // A tick of the wheel, and one of the timer that turns it.
        expect(lateMs).toBeLessThanOrEqual(10);
      });
      expect(wheel.isTurning).toBe(false);
    }),
    { numRuns: 60 },
  );
});
