import { describe, expect, test } from '@jest/globals';
import type { LoadResult } from './load.ts';
import { cpuRatio, median, rotate, summarize } from './summary.ts';

const RUN: LoadResult = {
  requests: 1000,
  seconds: 2,
  cpuNs: 10_000_000,
  bulkBytes: 0,
  p50Us: 1500,
  p99Us: 4000,
  p999Us: 9000,
  handshakes: 0,
  resumptions: 0,
  cipher: '',
  errors: 0,
  firstError: '',
};

describe('median', () => {
  test.each([
    { name: 'one value', values: [7], want: 7 },
    { name: 'odd count, unsorted', values: [9, 1, 5], want: 5 },
    { name: 'even count', values: [4, 1, 3, 2], want: 2.5 },
    { name: 'numbers, not text', values: [10, 9, 100], want: 10 },
    { name: 'no value', values: [], want: Number.NaN },
  ])('$name', ({ values, want }) => {
    expect(median(values)).toBe(want);
  });
});

describe('summarize', () => {
  test('units: microseconds of CPU per request, requests per second, milliseconds', () => {
    const summary = summarize('sluice', [RUN]);
    expect(summary).toMatchObject({ cpuUs: 10, requestsPerSecond: 500, p50Ms: 1.5, p99Ms: 4, p999Ms: 9, errors: 0 });
  });

  test('one bad round does not move the figures, but its errors count', () => {
    const bad = { ...RUN, cpuNs: 900_000_000, errors: 3, firstError: 'status 502' };
    const summary = summarize('sluice', [RUN, bad, RUN]);
    expect(summary).toMatchObject({ cpuUs: 10, errors: 3, firstError: 'status 502', cpuUsRounds: [10, 900, 10] });
  });
});

test('disturbance is the median of the rounds in which it was watched', () => {
  const foreignShares = [0.5, 0.1, 0.2].map((foreignShare) => ({ ...RUN, foreignShare }));
  expect(summarize('sluice', foreignShares).foreignShare).toBe(0.2);
  expect(summarize('sluice', [RUN]).foreignShare).toBeNull();
});

describe('cpuRatio', () => {
  const ours = summarize('sluice', [RUN]);
  const theirs = summarize('nginx', [{ ...RUN, cpuNs: 20_000_000 }]);

  test('divides medians', () => {
    expect(cpuRatio(ours, [ours, theirs], 'nginx')).toBe(0.5);
  });

  test('is null against somebody who did not take part', () => {
    expect(cpuRatio(ours, [ours], 'nginx')).toBeNull();
  });

  test('is null when either of the two answered wrongly', () => {
    const broken = { ...theirs, errors: 1 };
    expect(cpuRatio(ours, [ours, broken], 'nginx')).toBeNull();
    expect(cpuRatio(broken, [ours, broken], 'sluice')).toBeNull();
  });
});

test('rotate gives every contender each place of the order', () => {
  expect([0, 1, 2, 3].map((round) => rotate(['a', 'b', 'c'], round).join(''))).toEqual(['abc', 'bca', 'cab', 'abc']);
  expect(rotate([], 3)).toEqual([]);
});
