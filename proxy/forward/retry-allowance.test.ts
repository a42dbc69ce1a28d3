import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RetryAllowance } from './retry-allowance.ts';

/** Attempts that are allowed when each of `requests` in one second asks for one. */
function allowedOf(allowance: RetryAllowance, requests: number, nowMs: number): number {
  let allowed = 0;
  for (let i = 0; i < requests; i++) {
    allowance.countRequest(nowMs);
    if (allowance.take(nowMs)) allowed++;
  }
  return allowed;
}

test.each([
  ['a fifth', { percent: 20, minPerSecond: 0 }, 100, 20],
  ['none', { percent: 0, minPerSecond: 0 }, 100, 0],
  ['all', { percent: 100, minPerSecond: 0 }, 100, 100],
  ['the least of a second', { percent: 0, minPerSecond: 7 }, 100, 7],
  ['the least counts as part of the share', { percent: 20, minPerSecond: 10 }, 100, 20],
])('%s', (_name, budget, requests, expected) => {
  expect(allowedOf(new RetryAllowance(budget), requests, 5_000)).toBe(expected);
});

test('what is given back can be taken again, once', () => {
  const allowance = new RetryAllowance({ percent: 0, minPerSecond: 1 });
  expect(allowance.take(5_000)).toBe(true);
  allowance.giveBack();
  expect([allowance.take(5_000), allowance.take(5_000)]).toEqual([true, false]);
});

test('requests of the last ten seconds count, older ones do not', () => {
  const allowance = new RetryAllowance({ percent: 10, minPerSecond: 0 });
  for (let i = 0; i < 100; i++) allowance.countRequest(1_000);
  let allowed = 0;
  for (let i = 0; i < 50; i++) if (allowance.take(10_999)) allowed++;
  expect(allowed).toBe(10);
  for (let i = 0; i < 100; i++) allowance.countRequest(30_000);
  expect(allowance.take(30_000)).toBe(true);
  expect(allowance.take(45_000)).toBe(false);
});

test('never more than the share and the least together, however time goes', () => {
  const steps = fc.array(fc.record({ waitMs: fc.nat(3_000), requests: fc.nat(20) }), { maxLength: 30 });
  fc.assert(
    fc.property(steps, fc.nat(100), fc.nat(5), (history, percent, minPerSecond) => {
      const allowance = new RetryAllowance({ percent, minPerSecond });
      let nowMs = 0;
      let allowed = 0;
      let requests = 0;
      for (const step of history) {
        nowMs += step.waitMs;
        requests += step.requests;
        allowed += allowedOf(allowance, step.requests, nowMs);
      }
      const seconds = Math.floor(nowMs / 1000) + 1;
      expect(allowed).toBeLessThanOrEqual((requests * percent) / 100 + seconds * minPerSecond);
    }),
  );
});
