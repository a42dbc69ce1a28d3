import { describe, expect, it } from '@jest/globals';
import { type Sample, undisturbed } from './standstills.ts';

const spans = (...pairs: readonly (readonly [number, number])[]): Sample[] =>
  pairs.map(([atMs, endMs]) => ({ atMs, tookMs: endMs - atMs }));

describe('undisturbed', () => {
  it.each<[string, Sample[], Sample[], Sample[]]>([
    ['all without standstills', spans([0, 1], [2, 3]), [], spans([0, 1], [2, 3])],
    ['what lies before and after', spans([0, 2], [6, 7]), spans([2, 6]), spans([0, 2], [6, 7])],
    ['not what begins in one', spans([3, 7]), spans([2, 6]), []],
    ['not what ends in one', spans([1, 3]), spans([2, 6]), []],
    ['not what contains one', spans([1, 9]), spans([2, 6]), []],
    ['not what was due before the one held up had ended', spans([1, 9], [4, 10], [9.5, 11]), spans([2, 3]), []],
    ['what was due when the backlog was gone', spans([1, 9], [4, 10], [10, 11]), spans([2, 3]), spans([10, 11])],
    ['a slow one by itself', spans([0, 50], [10, 51]), spans([60, 70]), spans([0, 50], [10, 51])],
  ])('keeps %s', (_, samples, standstills, kept) => {
    expect(undisturbed(samples, standstills)).toEqual(kept);
  });
});
