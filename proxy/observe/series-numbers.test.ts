import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  defaultHistogramBounds,
  type HistogramBounds,
  NumberStore,
  SeriesLayout,
  SeriesNumbers,
} from './series-numbers.ts';

/** Near each bound, and far from all. */
function values({ all }: SeriesLayout): fc.Arbitrary<number> {
  return fc.oneof(
    fc.constantFrom(...all.flatMap(({ limits }) => limits.flatMap((limit) => [limit, limit + 0.5]))),
    fc.constantFrom(0, 1e9),
  );
}

function events(layout: SeriesLayout) {
  const distribution = fc.nat(layout.all.length - 1);
  return fc.oneof(
    { weight: 20, arbitrary: fc.record({ series: fc.nat(), distribution, value: values(layout) }) },
    fc.constantFrom('claim' as const, 'release' as const),
  );
}

interface Model {
  readonly numbers: SeriesNumbers;
  readonly values: number[][];
  count: number;
}

function newModel(store: NumberStore, { all }: SeriesLayout): Model {
  return { numbers: new SeriesNumbers(store.claim()), values: all.map(() => []), count: 0 };
}

function expectSame({ numbers, values, count }: Model, { all }: SeriesLayout): void {
  expect(numbers.count).toBe(count);
  all.forEach((distribution, i) => {
    const { limits, bounds, unit } = distribution;
    for (const [at, limit] of limits.entries()) expect(limit * unit).toBeCloseTo(bounds[at] as number, 9);
    const seen = values[i] as number[];
    const counts = [...limits, Number.POSITIVE_INFINITY].map(
      (limit, at) => seen.filter((each) => each <= limit && each > (limits[at - 1] ?? -1)).length,
    );
    expect(numbers.counts(distribution)).toEqual(counts);
    expect(numbers.sum(distribution)).toBeCloseTo(seen.reduce((sum, each) => sum + each, 0) * unit, 6);
  });
}

test.each<[string, HistogramBounds]>([
  ['the default bounds', defaultHistogramBounds],
  ['one bound each', { time: [1], length: [7], size: [100] }],
  ['many sizes', { time: [0, 0.1, 60, 600], length: [64, 4096], size: Array.from({ length: 40 }, (_, i) => 2 ** i) }],
])('each series has its own counts and sums, whatever places were given back before: %s', (_name, bounds) => {
  const layout = new SeriesLayout(bounds);
  fc.assert(
    fc.property(fc.array(events(layout), { maxLength: 200 }), (given) => {
      const store = new NumberStore(layout);
      let all = [newModel(store, layout), newModel(store, layout)];
      for (const each of given) {
        if (each === 'claim') all.push(newModel(store, layout));
        else if (each === 'release') {
          all[0]?.numbers.release();
          all = [...all.slice(1), newModel(store, layout)];
        } else {
          const model = all[each.series % all.length] as Model;
          const distribution = layout.all[each.distribution];
          if (distribution === undefined) continue;
          model.numbers.observe(distribution, each.value);
          model.values[each.distribution]?.push(each.value);
          model.numbers.countRequest();
          model.count++;
        }
      }
      for (const model of all) expectSame(model, layout);
    }),
  );
});

test('more series than one block holds', () => {
  const store = new NumberStore(new SeriesLayout(defaultHistogramBounds));
  const all = Array.from({ length: 600 }, () => new SeriesNumbers(store.claim()));
  all.forEach((numbers, i) => {
    for (let times = 0; times <= i; times++) numbers.countRequest();
  });
  expect(all.map(({ count }) => count)).toEqual(all.map((_, i) => i + 1));
});
