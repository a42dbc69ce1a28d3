import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DISTRIBUTIONS, NumberStore, SeriesNumbers } from './series-numbers.ts';

/** Near each bound, and far from all. */
const value = fc.oneof(
  fc.constantFrom(...DISTRIBUTIONS.flatMap(({ limits }) => limits.flatMap((limit) => [limit, limit + 0.5]))),
  fc.constantFrom(0, 1e9),
);
const event = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({ series: fc.nat(), distribution: fc.nat(DISTRIBUTIONS.length - 1), value }),
  },
  fc.constantFrom('claim' as const, 'release' as const),
);

interface Model {
  readonly numbers: SeriesNumbers;
  readonly values: number[][];
  count: number;
}

function newModel(store: NumberStore): Model {
  return { numbers: new SeriesNumbers(store.claim()), values: DISTRIBUTIONS.map(() => []), count: 0 };
}

function expectSame({ numbers, values, count }: Model): void {
  expect(numbers.count).toBe(count);
  DISTRIBUTIONS.forEach((distribution, i) => {
    const { limits, bounds, unit } = distribution;
    expect(limits.map((limit) => limit * unit)).toEqual(bounds);
    const seen = values[i] as number[];
    const counts = [...limits, Number.POSITIVE_INFINITY].map(
      (limit, at) => seen.filter((each) => each <= limit && each > (limits[at - 1] ?? -1)).length,
    );
    expect(numbers.counts(distribution)).toEqual(counts);
    expect(numbers.sum(distribution)).toBeCloseTo(seen.reduce((sum, each) => sum + each, 0) * unit, 6);
  });
}

test('each series has its own counts and sums, whatever places were given back before', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const store = new NumberStore();
      let all = [newModel(store), newModel(store)];
      for (const each of events) {
        if (each === 'claim') all.push(newModel(store));
        else if (each === 'release') {
          all[0]?.numbers.release();
          all = [...all.slice(1), newModel(store)];
        } else {
          const model = all[each.series % all.length] as Model;
          const distribution = DISTRIBUTIONS[each.distribution];
          if (distribution === undefined) continue;
          model.numbers.observe(distribution, each.value);
          model.values[each.distribution]?.push(each.value);
          model.numbers.countRequest();
          model.count++;
        }
      }
      for (const model of all) expectSame(model);
    }),
  );
});

test('more series than one block holds', () => {
  const store = new NumberStore();
  const all = Array.from({ length: 600 }, () => new SeriesNumbers(store.claim()));
  all.forEach((numbers, i) => {
    for (let times = 0; times <= i; times++) numbers.countRequest();
  });
  expect(all.map(({ count }) => count)).toEqual(all.map((_, i) => i + 1));
});
