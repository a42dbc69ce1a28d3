// Tables, distributions and pinned vectors of every balancer but round robin and the bare ring.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Balancer } from './balancer.ts';
import { ConsistentHash } from './consistent-hash.ts';
import { LeastLoaded, type LeastRule } from './least-loaded.ts';
import { SubsetHash } from './subset-hash.ts';
import {
  type FakeEndpoint,
  fakeEndpoint,
  fakeEndpoints,
  named,
  pickMany,
  seededRandom,
  shares,
} from './testing/endpoints.ts';
import { TwoChoices } from './two-choices.ts';

/** Endpoints a, b, c... with these loads (and weights, scores). */
function loaded(
  loads: readonly number[],
  weights: readonly number[] = [],
  scores: readonly number[] = [],
): FakeEndpoint[] {
  return loads.map((load, at) => {
    const weight = weights[at] ?? 1;
    return { ...fakeEndpoint('abcdefgh'[at] ?? '?'), load, weight, tableWeight: weight, score: scores[at] ?? 0 };
  });
}

function over<B extends Balancer<FakeEndpoint>>(balancer: B, endpoints: readonly FakeEndpoint[]): B {
  balancer.update(endpoints, endpoints);
  return balancer;
}

describe('LeastLoaded', () => {
  test.each<[LeastRule, readonly number[], readonly number[], string]>([
    ['connections', [3, 1, 2], [1, 1, 1], 'b'],
    ['connections', [3, 1, 2], [4, 1, 1], 'a'],
    ['connections', [0, 0, 0], [1, 9, 1], 'abc'],
    ['expectedDelay', [0, 0, 0], [1, 9, 1], 'b'],
    ['expectedDelay', [0, 3, 0], [1, 2, 1], 'ac'],
    ['expectedDelay', [1, 3, 1], [1, 3, 1], 'b'],
    ['neverQueue', [0, 1, 2], [1, 100, 1], 'a'],
    ['neverQueue', [1, 1, 1], [1, 3, 1], 'b'],
    ['neverQueue', [0, 5, 0], [1, 100, 1], 'ac'],
  ])('%s with loads %j and weights %j picks among "%s"', (rule, loads, weights, want) => {
    const balancer = over(new LeastLoaded<FakeEndpoint>(rule, seededRandom(1)), loaded(loads, weights));
    expect([...shares(pickMany(balancer, 300)).keys()].join('')).toBe(want);
  });

  test('equals are drawn by weight, so that no worker starts with the first of the list', () => {
    const balancer = over(new LeastLoaded<FakeEndpoint>('connections', seededRandom(7)), loaded([0, 0, 0], [1, 2, 1]));
    const got = shares(pickMany(balancer, 8000));
    expect((got.get('b') ?? 0) / 8000).toBeCloseTo(0.5, 1);
    expect((got.get('a') ?? 0) / 8000).toBeCloseTo(0.25, 1);
  });

  test('one that is out gets nothing, although it has nothing to do', () => {
    const endpoints = loaded([0, 5, 6]);
    const balancer = new LeastLoaded<FakeEndpoint>('connections', seededRandom(1));
    balancer.update(endpoints, endpoints.slice(1));
    expect(pickMany(balancer, 20)).toBe('b'.repeat(20));
  });

  test('tried ones are left out; null when all are', () => {
    const endpoints = loaded([0, 5]);
    const balancer = over(new LeastLoaded<FakeEndpoint>('connections', seededRandom(1)), endpoints);
    expect(balancer.pick(named(endpoints, 'a'))?.key).toBe('b');
    expect(balancer.pick(endpoints)).toBeNull();
  });
});

describe('TwoChoices', () => {
  test('pinned: a seed gives this order', () => {
    const make = (rule: 'load' | 'ewma') =>
      over(new TwoChoices<FakeEndpoint>(rule, seededRandom(42), () => 0), loaded([2, 0, 1, 3], [], [10, 40, 20, 5]));
    expect(pickMany(make('load'), 24)).toBe('bdcbdabccdcaacadacccbdaa');
    expect(pickMany(make('ewma'), 24)).toBe('cdabddcaadaadaddaaaabdaa');
  });

  test('of n endpoints the worst is never picked, the best in 2/n of all cases', () => {
    const balancer = over(new TwoChoices<FakeEndpoint>('load', seededRandom(3), () => 0), loaded([0, 1, 2, 3, 4]));
    const got = shares(pickMany(balancer, 10_000));
    expect(got.has('e')).toBe(false);
    expect((got.get('a') ?? 0) / 10_000).toBeCloseTo(0.4, 1);
  });

  test.each([
    ['at equal load the faster one', [1, 1], [1, 1], [50, 45], 'load', 'b'],
    ['less load, though a little slower', [1, 2], [1, 1], [50, 45], 'load', 'a'],
    ['load counts per weight', [3, 1], [4, 1], [0, 0], 'load', 'a'],
    ['clearly slower: expected delays are compared', [1, 5], [1, 1], [50, 5], 'load', 'b'],
    ['unless the fast one has that much more to do', [1, 21], [1, 1], [50, 5], 'load', 'a'],
    ['one that never answered is as good as the other', [3, 2], [1, 1], [5, 0], 'ewma', 'b'],
    ['and draws no crowd', [3, 4], [1, 1], [5, 0], 'ewma', 'a'],
    ['a score that decayed to nothing is no blank cheque', [0, 30], [1, 1], [500, 0.001], 'ewma', 'a'],
    ['the lower score', [0, 0], [1, 1], [50, 5], 'ewma', 'b'],
    ['a fast endpoint that hangs is left', [20, 0], [1, 1], [5, 50], 'ewma', 'b'],
    ['endpoints that never answered: the load decides', [1, 0], [1, 1], [0, 0], 'ewma', 'b'],
  ] as const)('%s', (_, loads, weights, scores, rule, want) => {
    const balancer = over(new TwoChoices<FakeEndpoint>(rule, seededRandom(5), () => 0), loaded(loads, weights, scores));
    expect([...shares(pickMany(balancer, 100)).keys()].join('')).toBe(want);
  });

  test('unequal weights: shares follow them while nothing is under way', () => {
    const balancer = over(
      new TwoChoices<FakeEndpoint>('load', seededRandom(9), () => 0),
      loaded([0, 0, 0], [0.05, 1, 1]),
    );
    expect((shares(pickMany(balancer, 10_000)).get('a') ?? 0) / 10_000).toBeLessThan(0.05);
  });

  test('any endpoint outside `tried` can be picked, none of `tried`, null when all are', () => {
    const endpoints = loaded([0, 0, 0, 0, 0, 0]);
    fc.assert(
      fc.property(
        fc.subarray(endpoints),
        fc.integer(),
        fc.constantFrom('load' as const, 'ewma' as const),
        (tried, seed, rule) => {
          const balancer = over(new TwoChoices<FakeEndpoint>(rule, seededRandom(seed), () => 0), endpoints);
          const got = balancer.pick(tried);
          if (tried.length === endpoints.length) expect(got).toBeNull();
          else expect(tried).not.toContain(got);
          expect(got === null).toBe(tried.length === endpoints.length);
        },
      ),
    );
  });
});

describe('ConsistentHash', () => {
  const keys = Array.from({ length: 2000 }, (_, i) => `/item/${i}`);
  const make = (boundedLoadFactor: number | null, totalLoad = () => 0) =>
    new ConsistentHash<FakeEndpoint>({ boundedLoadFactor, totalLoad });

  test('a key always leads to one endpoint; shares follow weights', () => {
    const endpoints = loaded([0, 0, 0, 0], [1, 1, 2, 4]);
    const balancer = over(make(null), endpoints);
    const got = shares(keys.map((key) => balancer.pick(null, key)?.key ?? '-'));
    for (const key of keys.slice(0, 50)) expect(balancer.pick(null, key)).toBe(balancer.pick(null, key));
    expect((got.get('d') ?? 0) / keys.length).toBeCloseTo(0.5, 1);
    expect((got.get('a') ?? 0) / keys.length).toBeCloseTo(0.125, 1);
  });

  test('an endpoint that is out lends its keys and gets exactly these back; the others’ stay', () => {
    const endpoints = loaded([0, 0, 0, 0, 0]);
    const balancer = over(make(null), endpoints);
    const before = keys.map((key) => balancer.pick(null, key)?.key);
    const [out] = endpoints;
    if (out !== undefined) out.isAvailable = false;
    for (const [i, key] of keys.entries()) {
      const now = balancer.pick(null, key)?.key;
      if (before[i] === 'a') expect(now).not.toBe('a');
      else expect(now).toBe(before[i]);
    }
    if (out !== undefined) out.isAvailable = true;
    expect(keys.map((key) => balancer.pick(null, key)?.key)).toEqual(before);
  });

  test('bounded: a full endpoint’s key goes on, and nobody is above the bound', () => {
    const endpoints = loaded([0, 0, 0, 0]);
    let total = 0;
    const balancer = over(
      make(1.25, () => total),
      endpoints,
    );
    for (let i = 0; i < 400; i++) {
      const endpoint = balancer.pick(null, 'one hot key');
      if (endpoint === null) throw new Error('expected an endpoint');
      endpoint.load++;
      total++;
      expect(endpoint.load).toBeLessThanOrEqual(Math.ceil((1.25 * total) / 4));
    }
    expect(total).toBe(400);
    expect(endpoints.every(({ load }) => load > 0)).toBe(true);
  });

  // By other code (Python's zlib): the order in which a key falls to further endpoints.
  test.each([
    ['/', 'edabc'],
    ['/cart', 'bdeac'],
    ['/product/42', 'adecb'],
  ])('pinned: the key %s goes on from one that was tried to the next on the ring, %s', (key, want) => {
    const endpoints = fakeEndpoints('abcde');
    for (const factor of [null, 1000]) {
      const balancer = over(make(factor), endpoints);
      let got = '';
      while (got.length < 5) got += balancer.pick(named(endpoints, got), key)?.key ?? '-';
      expect(got).toBe(want);
      expect(balancer.pick(endpoints, key)).toBeNull();
    }
  });

  test('a change of health builds no ring', () => {
    const names = { read: 0 };
    const counting = (key: string) =>
      Object.defineProperty(fakeEndpoint(key), 'key', {
        get: () => {
          names.read++;
          return key;
        },
      });
    const endpoints = [...'abc'].map(counting);
    const balancer = over(make(null), endpoints);
    expect(names.read).toBe(3);
    balancer.update(endpoints, endpoints.slice(1));
    expect(names.read).toBe(3);
  });

  test('bounded: an endpoint that is out gets nothing, and its weight lowers nobody’s bound', () => {
    const endpoints = loaded([0, 2, 1]);
    const [out] = endpoints;
    if (out !== undefined) out.isAvailable = false;
    const balancer = over(
      make(1.01, () => 3),
      endpoints,
    );
    balancer.update(endpoints, endpoints.slice(1));
    // 1.01 x (3 + this one) / 2: a third one fits. Among three it would not.
    expect([...shares(keys.map((key) => balancer.pick(null, key)?.key ?? '-')).keys()].join('')).toBe('bc');
  });

  test.each([
    // Of 9 and this one, with weights 1 and 3, the bounds are 3 and 9 (1.1 x 10 / 4, times the weight, rounded up).
    ['within both bounds', [2, 7], 'ab'],
    ['the light one is full', [3, 6], 'b'],
    ['the heavy one is full', [0, 9], 'a'],
  ])('bounded: bounds go by weight: %s', (_, loads, want) => {
    const balancer = over(
      make(1.1, () => 9),
      loaded(loads, [1, 3]),
    );
    expect([...shares(keys.map((key) => balancer.pick(null, key)?.key ?? '-')).keys()].join('')).toBe(want);
  });

  test('bounded: when all are full the key’s own endpoint serves', () => {
    const balancer = over(
      make(1.25, () => 0),
      loaded([9, 9]),
    );
    expect(balancer.pick(null, 'x')).not.toBeNull();
  });
});

describe('SubsetHash', () => {
  const make = (size: number, names: string) =>
    over(new SubsetHash<FakeEndpoint>(size, seededRandom(11)), fakeEndpoints(names));

  test.each([
    ['six pods in groups of three', 3, 'abcdef', ['abc', 'def']],
    ['the last group is filled up with the first', 3, 'abcde', ['abc', 'ade']],
    ['fewer pods than a group', 5, 'ab', ['ab']],
    ['groups of one', 1, 'abc', ['a', 'b', 'c']],
  ])('%s', (_, size, names, want) => {
    const balancer = make(size, names);
    const groups = new Set<string>();
    for (let key = 0; key < 60; key++) groups.add([...shares(pickMany(balancer, 100, `k${key}`)).keys()].join(''));
    expect([...groups].sort()).toEqual(want);
  });

  // By other code (Python's zlib): the groups stand on the ring as set1, set2 and set3.
  test('pinned: which group a key belongs to', () => {
    const balancer = make(2, 'abcdef');
    const groupOf = (key: string) => [...shares(pickMany(balancer, 50, key)).keys()].join('');
    const got = Array.from({ length: 12 }, (_, item) => groupOf(`/item/${item}`));
    expect(got.join(' ')).toBe('ef cd ef ef ab cd cd cd cd ab ab ef');
  });

  test('a size beyond all endpoints is that of all: nothing is walked that is not there', () => {
    const endpoints = fakeEndpoints('abc');
    const balancer = over(new SubsetHash<FakeEndpoint>(Number.MAX_SAFE_INTEGER, seededRandom(1)), endpoints);
    const got = shares(pickMany(balancer, 3000, 'key'));
    for (const count of got.values()) expect(count / 3000).toBeCloseTo(1 / 3, 1);
    expect(got.size).toBe(3);
    expect(balancer.pick(endpoints, 'key')).toBeNull();
  });

  test('a member that is out is left for another of the group', () => {
    const endpoints = fakeEndpoints('abcdef');
    const balancer = over(new SubsetHash<FakeEndpoint>(3, seededRandom(11)), endpoints);
    const group = [...shares(pickMany(balancer, 100, 'key')).keys()].join('');
    for (const endpoint of named(endpoints, group[0] ?? '')) endpoint.isAvailable = false;
    expect([...shares(pickMany(balancer, 100, 'key')).keys()].join('')).toBe(group.slice(1));
  });

  test('a tried member is left for another of the group, a group that is out for the next one', () => {
    const endpoints = fakeEndpoints('abcdef');
    const balancer = over(new SubsetHash<FakeEndpoint>(3, seededRandom(11)), endpoints);
    const group = [...shares(pickMany(balancer, 100, 'key')).keys()].join('');
    const [first = ''] = group;
    expect(group).toContain(balancer.pick(named(endpoints, first), 'key')?.key ?? '-');
    expect(group).not.toContain(balancer.pick(named(endpoints, group), 'key')?.key ?? group);
    expect(balancer.pick(endpoints, 'key')).toBeNull();
  });
});
