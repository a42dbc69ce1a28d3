import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BodyPace } from './body-pace.ts';

function pace(rate: number, graceMs: number): BodyPace {
  const made = new BodyPace();
  made.begin(rate, graceMs);
  return made;
}

test('the grace comes first, and bytes buy time at the rate', () => {
  const body = pace(100, 10_000);
  expect(body.leftMs(0)).toBe(10_000);
  expect(body.leftMs(9_000)).toBe(1_000);
  body.take(200, 9_000);
  expect(body.leftMs(9_000)).toBe(3_000);
  expect(body.isSpent(11_999)).toBe(false);
  expect(body.isSpent(12_000)).toBe(true);
});

test('a fast start does not pay for a slow end: never more than the grace is in hand', () => {
  const body = pace(100, 10_000);
  body.leftMs(0);
  body.take(1_000_000, 1_000);
  expect(body.leftMs(1_000)).toBe(10_000);
});

test('time does not run before the client is asked, nor while it is not', () => {
  const body = pace(100, 10_000);
  expect(body.leftMs(50_000)).toBe(10_000);
  body.pause(51_000);
  expect(body.leftMs(90_000)).toBe(9_000);
});

test('a rate of 0 is no limit', () => {
  const body = pace(0, 10);
  expect(body.leftMs(0)).toBe(Number.POSITIVE_INFINITY);
  body.pause(5);
  expect(body.isSpent(1e9)).toBe(false);
});

test('property: whoever sends at the rate in steps below the grace never runs out, whoever sends at half of it does', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 59 }), (rate, stepSeconds) => {
      const honest = pace(rate, 60_000);
      const trickling = pace(rate, 60_000);
      honest.leftMs(0);
      trickling.leftMs(0);
      for (let at = stepSeconds; at <= 60 * stepSeconds + 240; at += stepSeconds) {
        expect(honest.isSpent(at * 1000)).toBe(false);
        honest.take(rate * stepSeconds, at * 1000);
        trickling.take((rate * stepSeconds) / 2, at * 1000);
      }
      expect(honest.leftMs((60 * stepSeconds + 240) * 1000)).toBeGreaterThan(0);
      expect(trickling.leftMs((60 * stepSeconds + 300) * 1000)).toBe(0);
    }),
    { numRuns: 50 },
  );
});
