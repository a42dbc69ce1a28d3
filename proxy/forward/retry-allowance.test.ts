import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { IndexedRoute } from '../match/index.ts';
import { RetryAllowance, RetryAllowances } from './retry-allowance.ts';

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

describe('the allowances of a worker', () => {
  const none = { percent: 0, minPerSecond: 1 };
  /** A route as another table holds it: another object each time. */
  const routeOf = (id: string) => ({ route: { id } }) as IndexedRoute;

  test('what a route has spent is spent in the next table too, and changed numbers hold at once', () => {
    const allowances = new RetryAllowances();
    expect(allowances.of(routeOf('a'), none, 5_000).take(5_000)).toBe(true);
    expect(allowances.of(routeOf('a'), none, 5_000).take(5_000)).toBe(false);
    expect(allowances.of(routeOf('b'), none, 5_000).take(5_000)).toBe(true);
    expect(allowances.of(routeOf('a'), { ...none, minPerSecond: 2 }, 5_000).take(5_000)).toBe(true);
    expect(allowances.of(routeOf('a'), none, 5_000).take(5_000)).toBe(false);
  });

  test('routes that come and go leave nothing behind; those in use are kept', () => {
    const allowances = new RetryAllowances();
    for (let nowMs = 1_000; nowMs < 100_000; nowMs += 10) {
      allowances.of(routeOf(`gone ${nowMs}`), none, nowMs).countRequest(nowMs);
      allowances.of(routeOf('stays'), none, nowMs).countRequest(nowMs);
      allowances.of(routeOf('stays'), none, nowMs).take(nowMs);
      // A thousand are made in the ten seconds for which one counts.
      expect(allowances.size).toBeLessThan(2_100);
      expect(allowances.of(routeOf('stays'), none, nowMs).take(nowMs)).toBe(false);
    }
  });
});
