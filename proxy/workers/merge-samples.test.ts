import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addSamples, emptySample, withoutGauges } from './merge-samples.ts';
import type { WorkerSample } from './messages.ts';

const value = (name: string, labels: Record<string, string>, amount: number) => ({ name, labels, value: amount });
const histogram = (counts: readonly number[], sum: number, bounds = [1, 2]) => ({
  name: 'h',
  labels: {},
  bounds,
  counts,
  sum,
});

describe('addSamples', () => {
  test('nothing gives the empty sample', () => {
    expect(addSamples([])).toEqual(emptySample);
  });

  test('values with equal name and labels are added, in whatever order the labels stand', () => {
    const sum = addSamples([
      { ...emptySample, counters: [value('c', { a: '1', b: '2' }, 3), value('c', { a: '2' }, 1)] },
      { ...emptySample, counters: [value('c', { b: '2', a: '1' }, 4), value('d', {}, 5)] },
    ]);
    expect(sum.counters).toEqual([value('c', { a: '1', b: '2' }, 7), value('c', { a: '2' }, 1), value('d', {}, 5)]);
  });

  test('label text cannot be confused with structure', () => {
    const sum = addSamples([
      { ...emptySample, counters: [value('c', { a: 'x","b":"y' }, 1), value('c', { a: 'x', b: 'y' }, 1)] },
    ]);
    expect(sum.counters).toHaveLength(2);
  });

  test('histograms are added bucket by bucket', () => {
    const sum = addSamples([
      { ...emptySample, histograms: [histogram([1, 0, 2], 7.5)] },
      { ...emptySample, histograms: [histogram([0, 4, 1], 2.5)] },
    ]);
    expect(sum.histograms).toEqual([histogram([1, 4, 3], 10)]);
  });

  test('different buckets are a bug', () => {
    const samples: WorkerSample[] = [
      { ...emptySample, histograms: [histogram([1, 0, 2], 1)] },
      { ...emptySample, histograms: [histogram([1, 0, 2], 1, [1, 3])] },
    ];
    expect(() => addSamples(samples)).toThrow('buckets of h');
  });

  test('how samples are grouped does not matter', () => {
    const arbitrary = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.constantFrom('x', 'y'), fc.nat(1000))).map(
      (entries): WorkerSample => ({
        ...emptySample,
        counters: entries.map(([name, label, amount]) => value(name, { label }, amount)),
      }),
    );
    fc.assert(
      fc.property(arbitrary, arbitrary, arbitrary, (a, b, c) => {
        expect(addSamples([addSamples([a, b]), c])).toEqual(addSamples([a, addSamples([b, c])]));
      }),
    );
  });
});

test('withoutGauges keeps what was counted', () => {
  const sample: WorkerSample = {
    counters: [value('c', {}, 1)],
    gauges: [value('g', {}, 1)],
    histograms: [histogram([1, 1, 1], 1)],
  };
  expect(withoutGauges(sample)).toEqual({ ...sample, gauges: [] });
});
