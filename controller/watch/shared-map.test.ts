import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SharedMap } from './shared-map.ts';

type Step = readonly [key: string, value: string | null];

function apply(map: SharedMap<string, string>, model: Map<string, string>, [key, value]: Step): void {
  if (value === null) expect(map.delete(key)).toBe(model.delete(key));
  else {
    map.set(key, value);
    model.set(key, value);
  }
}

function expectEqual(view: ReadonlyMap<string, string>, model: ReadonlyMap<string, string>): void {
  expect(new Map(view)).toEqual(model);
  expect(view.size).toBe(model.size);
  expect(new Map([...view.keys()].map((key) => [key, view.get(key)]))).toEqual(model);
  expect([...view.values()].sort()).toEqual([...model.values()].sort());
  for (const key of ['k0', 'k1', 'x', 'constructor'])
    expect([view.has(key), view.get(key)]).toEqual([model.has(key), model.get(key)]);
  const visited = new Map<string, string>();
  view.forEach((value, key) => {
    visited.set(key, value);
  });
  expect(visited).toEqual(model);
}

const step: fc.Arbitrary<Step> = fc.tuple(
  fc.oneof(
    fc.nat(40).map((i) => `k${i}`),
    fc.constant('x'),
  ),
  fc.constantFrom('a', 'b', null),
);
/** Each round ends with a share. */
const rounds = fc.array(fc.array(step, { maxLength: 20, size: 'max' }), { maxLength: 40, size: 'max' });

/** Around the size from which changes are layered. */
test.each([0, 250, 1000])('with %i entries every view stays what it was when it was given out', (size) => {
  fc.assert(
    fc.property(rounds, (all) => {
      const map = new SharedMap<string, string>();
      const model = new Map<string, string>();
      for (let i = 0; i < size; i++) apply(map, model, [`k${i}`, 'first']);
      const views: (readonly [ReadonlyMap<string, string>, ReadonlyMap<string, string>])[] = [];
      for (const round of all) {
        for (const each of round) apply(map, model, each);
        views.push([map.share(), new Map(model)]);
      }
      for (const [view, want] of views) expectEqual(view, want);
    }),
    { numRuns: 20 },
  );
});

describe('identity', () => {
  const large = () => {
    const map = new SharedMap<string, string>();
    for (let i = 0; i < 1000; i++) map.set(`k${i}`, 'first');
    return map;
  };

  test('without a change it is the same view', () => {
    const map = large();
    expect(map.share()).toBe(map.share());
    map.set('k1', 'b');
    const changed = map.share();
    expect(map.delete('not there')).toBe(false);
    expect(map.share()).toBe(changed);
  });

  test('touched keys are given once', () => {
    const map = large();
    map.takeTouched();
    map.set('k1', 'b');
    map.delete('k2');
    map.delete('not there');
    expect(map.takeTouched()).toEqual(new Set(['k1', 'k2']));
    expect(map.takeTouched()).toEqual(new Set());
  });
});
