import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SortedList } from './sorted-list.ts';

type Entry = readonly [key: string, value: number];
const keyOf = ([key]: Entry) => key;

/** One step: what is laid over the list. Few keys, so that they meet; many steps, so that chunks split and shrink. */
const change = fc.tuple(fc.nat(400).map(String), fc.option(fc.nat(9)));
const steps = fc.array(fc.array(change, { maxLength: 200, size: 'max' }), { maxLength: 12, size: 'max' });

function changesOf(step: readonly (readonly [string, number | null])[]): Map<string, Entry | null> {
  return new Map(step.map(([key, value]) => [key, value === null ? null : [key, value]]));
}

function apply(model: Map<string, Entry>, changes: ReadonlyMap<string, Entry | null>): Map<string, Entry> {
  const next = new Map(model);
  for (const [key, entry] of changes) {
    if (entry === null) next.delete(key);
    else next.set(key, entry);
  }
  return next;
}

const sorted = (model: Map<string, Entry>) => [...model.values()].sort(([a], [b]) => (a < b ? -1 : 1));

test('each version holds what was laid over it, and older versions stay as they were', () => {
  fc.assert(
    fc.property(steps, (all) => {
      let list = SortedList.of(keyOf);
      let model = new Map<string, Entry>();
      const versions: (readonly [SortedList<Entry>, Map<string, Entry>])[] = [];
      for (const step of all) {
        list = list.with(changesOf(step));
        model = apply(model, changesOf(step));
        versions.push([list, model]);
      }
      for (const [version, want] of versions) {
        expect(version.toArray()).toEqual(sorted(want));
        expect(version.size).toBe(want.size);
        for (const key of ['0', '17', '399', 'none']) expect(version.get(key)).toEqual(want.get(key));
      }
    }),
  );
});

test('what two versions do not share holds every difference between them', () => {
  fc.assert(
    fc.property(steps, steps, (first, second) => {
      const base = first.reduce((list, step) => list.with(changesOf(step)), SortedList.of(keyOf));
      const next = second.reduce((list, step) => list.with(changesOf(step)), base);
      const left = base.notSharedWith(next);
      const right = next.notSharedWith(base);
      // Whatever is missing on one side is missing on the other, and the same.
      const rest = (list: SortedList<Entry>, without: readonly Entry[]) =>
        list.toArray().filter((entry) => !without.includes(entry));
      expect(rest(base, left)).toEqual(rest(next, right));
    }),
    { numRuns: 50 },
  );
});

const numbered = (count: number) => Array.from({ length: count }, (_, i): Entry => [String(i).padStart(6, '0'), i]);

test('one change in 10,000 entries leaves nearly all of them shared', () => {
  const before = SortedList.of(keyOf, numbered(10_000));
  const after = before.with(new Map([['005000', ['005000', -1]]]));
  expect(after.notSharedWith(before).length).toBeLessThan(150);
  expect(before.notSharedWith(after).length).toBeLessThan(150);
  expect(before.with(new Map())).toBe(before);
  expect(before.notSharedWith(before)).toEqual([]);
});

test('a list that lost most of its entries is packed again', () => {
  const before = SortedList.of(keyOf, numbered(10_000));
  const kept = (i: number) => i % 64 === 0;
  const removals = new Map(numbered(10_000).flatMap(([key, i]) => (kept(i) ? [] : [[key, null] as const])));
  const thin = before.with(removals);
  expect(thin.toArray().map(([, i]) => i)).toEqual(
    numbered(10_000)
      .map(([, i]) => i)
      .filter(kept),
  );
  // Were every chunk left with one entry, a change would share all others.
  const changed = thin.with(new Map([['000064', ['000064', -1]]]));
  expect(thin.notSharedWith(changed).length).toBeGreaterThan(32);
});

test('of entries with one key the last one counts', () => {
  expect(
    SortedList.of(keyOf, [
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ]).toArray(),
  ).toEqual([
    ['a', 3],
    ['b', 2],
  ]);
});
