import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { AdaptiveLimitSettings } from '../table/upstream-settings.ts';
import { AdaptiveLimit } from './adaptive-limit.ts';
import { LoadNumbers } from './load-numbers.ts';

const settings: AdaptiveLimitSettings = {
  minRequests: 5,
  maxRequests: 100,
  tolerancePercent: 50,
  measureEveryMs: 60_000,
};
const START_MS = 1_000_000;

/** A limit with a clock moved by hand, and the numbers that workers share. */
class Bench {
  readonly numbers = { found: new LoadNumbers(), times: new LoadNumbers(), before: new LoadNumbers() };
  readonly limit: AdaptiveLimit;
  nowMs = START_MS;

  constructor(changed: Partial<AdaptiveLimitSettings> = {}) {
    this.limit = new AdaptiveLimit({ ...settings, ...changed }, this.numbers);
  }

  /** Answers that took `latencyMs`, one every 10 ms, for so long. */
  pass(ms: number, latencyMs: number, load: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.nowMs += 10;
      this.limit.observe(latencyMs, this.nowMs, load);
    }
  }

  /** Lets it measure a baseline of 20 ms. */
  measured(): this {
    this.limit.advance(this.nowMs, 1);
    while (this.limit.baselineMs === 0) this.pass(10, 20, 1);
    expect(this.nowMs).toBeLessThan(START_MS + 400);
    expect(this.limit.baselineMs).toBe(20);
    return this;
  }
}

test('begins with the lowest limit, and with 20 once the baseline is known', () => {
  const bench = new Bench();
  bench.limit.advance(bench.nowMs, 1);
  expect(bench.limit.limit).toBe(5);
  bench.measured();
  expect(bench.limit.limit).toBe(20);
});

test.each([
  [1, 10, 1],
  [30, 100, 30],
  [1, 3, 1],
])('bounds from %i to %i hold from the start: %i', (minRequests, maxRequests, atLeast) => {
  const bench = new Bench({ minRequests, maxRequests });
  bench.limit.advance(bench.nowMs, 1);
  expect(bench.limit.limit).toBeGreaterThanOrEqual(atLeast);
  expect(bench.limit.limit).toBeLessThanOrEqual(maxRequests);
});

describe('a window', () => {
  test.each([
    ['as fast as alone, and in use: grows', 20, 20, 24],
    ['within the tolerance, and in use: grows', 29, 20, 24],
    ['fast, but less than half in use: stays', 20, 9, 20],
    ['above the tolerance: falls by as much', 40, 20, 15],
    ['far above: falls by half at most', 500, 20, 10],
    ['above, whatever is in use', 40, 1, 15],
  ])('%s', (_name, latencyMs, load, want) => {
    const bench = new Bench().measured();
    const before = bench.limit.limit;
    for (let waited = 0; bench.limit.limit === before && waited < 2000; waited += 10) bench.pass(10, latencyMs, load);
    expect(bench.limit.limit).toBe(want);
  });

  test('ends after ten answers at the earliest', () => {
    const bench = new Bench().measured();
    bench.nowMs += 1000;
    for (let i = 0; i < 9; i++) bench.limit.observe(500, bench.nowMs, 20);
    expect(bench.limit.limit).toBe(20);
    bench.limit.observe(500, bench.nowMs, 20);
    expect(bench.limit.limit).toBe(10);
  });

  test('does not count what began under another limit', () => {
    const bench = new Bench().measured();
    for (let i = 0; i < 100 && bench.limit.limit === 20; i++) bench.pass(10, 40, 20);
    expect(bench.limit.limit).toBe(15);
    // These began before the limit fell.
    for (let i = 0; i < 50; i++) bench.limit.observe(5000, bench.nowMs + 100, 20);
    expect(bench.limit.limit).toBe(15);
  });
});

describe('the baseline', () => {
  test('is measured again when its time has come, with half of the limit', () => {
    const bench = new Bench().measured();
    bench.nowMs += settings.measureEveryMs;
    bench.limit.advance(bench.nowMs, 20);
    expect(bench.limit.limit).toBe(10);
    // More are there than should be: their times say nothing yet.
    bench.pass(500, 90, 15);
    expect(bench.limit.baselineMs).toBe(20);
    bench.pass(100, 30, 10);
    expect(bench.limit.limit).toBe(10);
    while (bench.limit.baselineMs === 20) bench.pass(10, 30, 10);
    expect(bench.limit.baselineMs).toBe(30);
    expect(bench.limit.limit).toBe(20);
  });

  test('takes what there is when answers are slow, and stays when there are none', () => {
    const bench = new Bench().measured();
    bench.nowMs += settings.measureEveryMs;
    bench.limit.advance(bench.nowMs, 1);
    bench.nowMs += 3000;
    bench.limit.observe(2900, bench.nowMs, 1);
    bench.nowMs += 3000;
    bench.limit.advance(bench.nowMs, 1);
    expect(bench.limit.baselineMs).toBe(2900);
    bench.nowMs += settings.measureEveryMs;
    bench.limit.advance(bench.nowMs, 1);
    bench.nowMs += 6000;
    bench.limit.advance(bench.nowMs, 1);
    expect(bench.limit.baselineMs).toBe(2900);
    expect(bench.limit.limit).toBe(20);
  });

  test('is doubted when less load makes nothing faster, and the limit comes back', () => {
    const bench = new Bench().measured();
    let lowest = 20;
    for (let i = 0; i < 200 && bench.limit.baselineMs > 0; i++) {
      bench.pass(10, 60, 8);
      if (bench.limit.baselineMs > 0) lowest = Math.min(lowest, bench.limit.limit);
    }
    expect(lowest).toBeLessThan(15);
    while (bench.limit.baselineMs === 0) bench.pass(10, 60, 8);
    expect([bench.limit.baselineMs, bench.limit.limit]).toEqual([60, 20]);
  });

  test('is not doubted when less load does make answers faster', () => {
    const bench = new Bench().measured();
    for (let i = 0; i < 200; i++) bench.pass(10, 4 * bench.limit.limit, bench.limit.limit);
    expect(bench.limit.baselineMs).toBe(20);
    expect(bench.limit.limit).toBeLessThan(13);
  });

  test('is taken from what there is when requests stay', () => {
    const bench = new Bench();
    bench.limit.advance(bench.nowMs, 500);
    bench.pass(4900, 70, 500);
    expect(bench.limit.baselineMs).toBe(0);
    bench.pass(1000, 70, 500);
    expect(bench.limit.baselineMs).toBe(70);
  });

  test('that another worker has found holds here too', () => {
    const bench = new Bench().measured();
    const other = new AdaptiveLimit(settings, bench.numbers);
    other.advance(bench.nowMs, 1);
    expect([other.baselineMs, other.limit]).toEqual([20, 20]);
    bench.nowMs += settings.measureEveryMs;
    other.advance(bench.nowMs, 1);
    expect(other.limit).toBe(10);
    bench.limit.advance(bench.nowMs, 1);
    bench.pass(500, 25, 1);
    other.advance(bench.nowMs, 1);
    expect([other.baselineMs, other.limit]).toEqual([25, 20]);
  });
});

test('property: whatever it is told, the limit is whole and within its bounds', () => {
  const event = fc.record({
    waitMs: fc.nat(100_000),
    latencyMs: fc.double({ min: 0, max: 1e7, noNaN: true }),
    load: fc.nat(2000),
    times: fc.integer({ min: 1, max: 40 }),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), fc.integer({ min: 1, max: 50 }), (events, minRequests) => {
      const bench = new Bench({ minRequests });
      for (const { waitMs, latencyMs, load, times } of events) {
        bench.nowMs += waitMs;
        for (let i = 0; i < times; i++) bench.limit.observe(latencyMs, ++bench.nowMs, load);
        expect(Number.isInteger(bench.limit.limit)).toBe(true);
        expect(bench.limit.limit).toBeGreaterThanOrEqual(minRequests);
        expect(bench.limit.limit).toBeLessThanOrEqual(settings.maxRequests);
      }
    }),
  );
});
