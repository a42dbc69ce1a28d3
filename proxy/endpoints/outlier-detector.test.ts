import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { defaultOutliers } from '../table/defaults.ts';
import type { OutlierSettings } from '../table/upstream-settings.ts';
import { OutlierDetector, type Watched } from './outlier-detector.ts';
import { OutlierState } from './outlier-state.ts';

interface Named extends Watched {
  readonly name: string;
  /** Out for a reason that requests do not show. */
  failsChecks: boolean;
}

/** A detector over endpoints a, b, c... that writes down what it decides. */
function watch(count: number, settings: Partial<OutlierSettings> = {}) {
  const log: string[] = [];
  const endpoints = Array.from(
    { length: count },
    (_, at): Named => ({
      name: 'abcdefghij'[at] ?? '?',
      failsChecks: false,
      outlier: new OutlierState(),
      get outlierPhase() {
        return this.outlier.phase;
      },
      get isOut() {
        return this.failsChecks || this.outlier.phase !== 'closed';
      },
    }),
  );
  const events = {
    onEjected: ({ name }: Named, untilMs: number, reason: string) => log.push(`${name} until ${untilMs}: ${reason}`),
    onReadmitted: ({ name }: Named) => log.push(`${name} back`),
    onChanged: () => undefined,
  };
  const detector = new OutlierDetector<Named>({ ...defaultOutliers, ...settings }, events, 0);
  detector.update(endpoints);
  const at = (name: string): Named => {
    const found = endpoints.find((endpoint) => endpoint.name === name);
    if (found === undefined) throw new Error(`no endpoint ${name}`);
    return found;
  };
  return {
    log,
    detector,
    endpoints,
    at,
    fail: (name: string, times: number, nowMs = 0) => {
      for (let i = 0; i < times; i++) detector.onFailed(at(name), nowMs);
    },
    answer: (name: string, times: number, latencyMs = 10, nowMs = 0) => {
      for (let i = 0; i < times; i++) detector.onAnswered(at(name), latencyMs, nowMs, false);
    },
    phases: () => endpoints.map(({ outlier }) => outlier.phase).join(' '),
  };
}

describe('errors in a row', () => {
  test('the fifth ejects, an answer in between starts anew', () => {
    const { fail, answer, log } = watch(4);
    fail('a', 4);
    answer('a', 1);
    fail('a', 4);
    expect(log).toEqual([]);
    fail('a', 1);
    expect(log).toEqual(['a until 5000: consecutiveErrors']);
  });

  test.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [10, 5],
  ])('of %d endpoints that all fail, %d are ejected at most', (count, want) => {
    const { fail, endpoints, log } = watch(count);
    for (const { name } of endpoints) fail(name, 50);
    expect(log).toHaveLength(want);
  });

  test('a rule that is null does not eject', () => {
    const { fail, log } = watch(4, { consecutiveErrors: null });
    fail('a', 1000);
    expect(log).toEqual([]);
  });
});

describe('ejection, probe, readmission', () => {
  test('the whole way, and each relapse lasts longer up to the limit', () => {
    const { fail, answer, detector, phases, log } = watch(3, { ejectionMs: 1000, maxEjectionMs: 2500 });
    fail('a', 5, 0);
    detector.tick(999);
    expect(phases()).toBe('open closed closed');
    detector.tick(1000);
    expect(phases()).toBe('halfOpen closed closed');
    fail('a', 1, 1100);
    detector.tick(3100);
    fail('a', 1, 3200);
    detector.tick(5700);
    answer('a', 1, 10, 5800);
    expect(phases()).toBe('closed closed closed');
    expect(log).toEqual([
      'a until 1000: consecutiveErrors',
      'a until 3100: failedProbe',
      'a until 5700: failedProbe',
      'a back',
    ]);
  });

  test('history counts for maxEjectionMs after the return, then it is forgotten', () => {
    for (const [laterMs, want] of [
      [2000, 'a until 4000: consecutiveErrors'],
      [9000, 'a until 10000: consecutiveErrors'],
    ] as const) {
      const { fail, answer, detector, log } = watch(3, { ejectionMs: 1000, maxEjectionMs: 5000 });
      fail('a', 5, 0);
      detector.tick(1000);
      answer('a', 1, 10, 1000);
      fail('a', 5, laterMs);
      expect(log.at(-1)).toBe(want);
    }
  });

  test('the end of an old request neither frees an ejected endpoint nor ejects it again', () => {
    const { fail, answer, phases, log } = watch(3);
    fail('a', 5);
    answer('a', 3);
    fail('a', 20);
    expect([phases(), log.length]).toEqual(['open closed closed', 1]);
  });

  test('in panic an answer proves an ejected endpoint', () => {
    const { fail, detector, at, log } = watch(3);
    fail('a', 5);
    detector.onAnswered(at('a'), 10, 100, true);
    expect(log.at(-1)).toBe('a back');
  });

  test('another worker’s ejection is taken over, under the same cap, and never shortens', () => {
    const { detector, at, phases } = watch(2);
    detector.onEjectedElsewhere(at('a'), 9000, 0);
    detector.onEjectedElsewhere(at('a'), 5000, 0);
    detector.onEjectedElsewhere(at('b'), 9000, 0);
    expect(phases()).toBe('open closed');
    detector.tick(8999);
    expect(phases()).toBe('open closed');
    detector.tick(9000);
    expect(phases()).toBe('halfOpen closed');
  });

  test('another worker’s ejection counts: the next relapse lasts longer, whichever worker finds it', () => {
    const { detector, at, fail, log } = watch(3, { ejectionMs: 1000 });
    detector.onEjectedElsewhere(at('a'), 1000, 0);
    // The same one, decided by two workers in one moment.
    detector.onEjectedElsewhere(at('a'), 1001, 1);
    detector.tick(1001);
    detector.onEjectedElsewhere(at('a'), 3100, 1100);
    detector.tick(3100);
    fail('a', 1, 3200);
    expect(log).toEqual(['a until 6200: failedProbe']);
  });

  test('the last one that is used stays, whatever the others are out for', () => {
    const { fail, at, phases, log, detector } = watch(4);
    for (const name of ['a', 'b', 'c']) at(name).failsChecks = true;
    fail('d', 50);
    detector.onEjectedElsewhere(at('d'), 9000, 0);
    expect([phases(), log]).toEqual(['closed closed closed closed', []]);
    at('c').failsChecks = false;
    fail('d', 1);
    expect(phases()).toBe('closed closed closed open');
    // One that is out already takes nobody away.
    fail('a', 5);
    expect(phases()).toBe('open closed closed open');
  });
});

describe('windows', () => {
  const rates = {
    consecutiveErrors: null,
    errorRatePercent: 50,
    minRequests: 10,
    windowMs: 1000,
    maxEjectedPercent: 30,
  };

  test('the error rate of a window ejects, the worst first', () => {
    const { fail, answer, detector, endpoints, log } = watch(4, rates);
    for (const { name } of endpoints) answer(name, 10);
    fail('b', 12);
    fail('c', 40);
    detector.tick(999);
    expect(log).toEqual([]);
    detector.tick(1000);
    expect(log).toEqual(['c until 6000: errorRate']);
  });

  test.each([
    ['exactly the rate, in exactly enough requests', 5, 5, 1],
    ['a little less', 5, 6, 0],
    ['too few requests', 5, 4, 0],
  ])('%s', (_name, failed, answered, ejected) => {
    const { fail, answer, detector, log } = watch(4, rates);
    answer('a', answered);
    fail('a', failed);
    detector.tick(1000);
    expect(log).toHaveLength(ejected);
  });

  test('few requests say nothing, and a window forgets the one before', () => {
    const { fail, answer, detector, log } = watch(4, rates);
    fail('a', 9);
    detector.tick(1000);
    fail('a', 9);
    answer('a', 10);
    detector.tick(2000);
    expect(log).toEqual([]);
  });

  test('latency against the median of all', () => {
    const { answer, detector, endpoints, log } = watch(5, { ...rates, errorRatePercent: null, latencyFactor: 3 });
    for (const { name } of endpoints) answer(name, 20, name === 'd' ? 100 : 20);
    detector.tick(1000);
    expect(log).toEqual(['d until 6000: latency']);
  });

  test.each([
    [60, 0],
    [61, 1],
  ])('a mean of %d ms with a median of 20 and a factor of 3', (latencyMs, ejected) => {
    const { answer, detector, endpoints, log } = watch(5, { ...rates, errorRatePercent: null, latencyFactor: 3 });
    for (const { name } of endpoints) answer(name, 20, name === 'd' ? latencyMs : 20);
    detector.tick(1000);
    expect(log).toHaveLength(ejected);
  });

  test('half of all are slow: the others are the measure', () => {
    const { answer, detector, endpoints, log } = watch(4, { ...rates, errorRatePercent: null, latencyFactor: 3 });
    for (const [at, { name }] of endpoints.entries()) answer(name, 20, at < 2 ? 20 : 100);
    detector.tick(1000);
    expect(log).toEqual(['c until 6000: latency']);
  });

  test('one judged endpoint has nobody to be compared with', () => {
    const { answer, detector, log } = watch(3, { ...rates, errorRatePercent: null, latencyFactor: 2 });
    answer('a', 20, 1000);
    detector.tick(1000);
    expect(log).toEqual([]);
  });
});

test('whatever happens: never more out than allowed, and all come back when all answer', () => {
  const step = fc.record({ at: fc.nat(5), kind: fc.constantFrom('fail', 'answer', 'tick'), afterMs: fc.nat(3000) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 200 }), (count, steps) => {
      const { detector, endpoints } = watch(count, { consecutiveErrors: 2, maxEjectedPercent: 50 });
      let nowMs = 0;
      for (const { at, kind, afterMs } of steps) {
        nowMs += afterMs;
        const endpoint = endpoints[at % count] as Named;
        if (kind === 'tick') detector.tick(nowMs);
        else if (kind === 'fail') detector.onFailed(endpoint, nowMs);
        else detector.onAnswered(endpoint, 5, nowMs, false);
        const out = endpoints.filter(({ outlier }) => outlier.phase !== 'closed').length;
        expect(out).toBeLessThanOrEqual(Math.min(count - 1, Math.max(1, Math.floor(count / 2))));
      }
      detector.tick(nowMs + 120_000);
      for (const endpoint of endpoints) detector.onAnswered(endpoint, 5, nowMs + 120_000, false);
      expect(endpoints.every(({ outlier }) => outlier.phase === 'closed')).toBe(true);
    }),
  );
});
