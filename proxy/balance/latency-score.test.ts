import { describe, expect, test } from '@jest/globals';
import { LatencyScore, startingScore } from './latency-score.ts';

const start = 1_700_000_000_000;

describe('LatencyScore', () => {
  test.each([
    ['the first response is the score', [[0, 100]], 0, 100],
    ['it decays with e^(-t / 10 s)', [[0, 100]], 10_000, 100 * Math.exp(-1)],
    [
      'a later one counts by the time passed',
      [
        [0, 100],
        [10_000, 200],
      ],
      10_000,
      100 * Math.exp(-1) + 200 * (1 - Math.exp(-1)),
    ],
    [
      'one at the same moment changes nothing',
      [
        [0, 100],
        [0, 900],
      ],
      0,
      100,
    ],
    ['a clock that lags behind is no time passed', [[5000, 100]], 4000, 100],
  ] as const)('%s', (_, observations, atMs, want) => {
    const score = new LatencyScore();
    for (const [afterMs, rttMs] of observations) score.observe(rttMs, start + afterMs);
    expect(score.valueMs(start + atMs)).toBeCloseTo(want, 9);
  });

  test('a fast failure does not make an endpoint look fast, a slow one makes it look slow', () => {
    const score = new LatencyScore();
    score.observe(50, start);
    score.observeFailure(1, start + 10_000);
    // Counted as if the answer had taken what the score says: without it, it would have decayed to 50 / e.
    expect(score.valueMs(start + 10_000)).toBeCloseTo(50 * Math.exp(-1) * (2 - Math.exp(-1)), 9);
    score.observeFailure(5000, start + 20_000);
    expect(score.valueMs(start + 20_000)).toBeGreaterThan(3000);
  });

  test('two views of the same cells are one score: that of all workers', () => {
    const cells = new Float64Array(4);
    const [here, there] = [new LatencyScore(cells, 2), new LatencyScore(cells, 2)];
    expect(there.isUnknown).toBe(true);
    here.observe(30, start);
    expect(there.valueMs(start)).toBe(30);
    expect(there.isUnknown).toBe(false);
    expect(cells.slice(0, 2)).toEqual(new Float64Array(2));
  });
});

test.each([
  ['nothing known', [], 0],
  ['none has answered', [0, 0], 0],
  ['the mean of those that have', [10, 30, 0], 20],
])('startingScore: %s', (_, scores, want) => expect(startingScore(scores)).toBe(want));
