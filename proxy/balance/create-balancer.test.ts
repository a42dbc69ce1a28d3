// Every kind of balancer as the settings make it: pinned order, shares by weight, and what it asks of its surroundings.

import { describe, expect, test } from '@jest/globals';
import type { BalancerSettings } from '../table/upstream-settings.ts';
import { createBalancer, keySourceOf, readsLatency, readsLoad } from './create-balancer.ts';
import { type FakeEndpoint, fakeEndpoint, fakeEndpoints, seededRandom, shares } from './testing/endpoints.ts';

const hash = { kind: 'consistentHash', key: [], subsetSize: null, boundedLoadFactor: null } as const;

/** Name, settings, pinned picks, key, and whether load and latency are looked at. */
const kinds: readonly (readonly [string, BalancerSettings, string, string, boolean, boolean])[] = [
  ['round robin', { kind: 'roundRobin' }, 'dcdabdcddcdabdcddcdabdcddcdabdcd', 'none', false, false],
  ['ewma', { kind: 'ewma' }, 'ddccbddacacbddccddbddaacbcddcddd', 'none', true, true],
  ['least connections (lc)', { kind: 'leastConnections' }, 'cdabdcddcdcdabdcbddccdaddabcddcb', 'none', true, false],
  ['random two choices', { kind: 'randomTwoChoices' }, 'ddcdbcdaddcaddccdbdddadcdccddbdd', 'none', true, true],
  [
    'shortest expected delay (sed)',
    { kind: 'shortestExpectedDelay' },
    'dcdddbacdcdcdddbaddccddddbadcdcd',
    'none',
    true,
    false,
  ],
  ['never queue (nq)', { kind: 'neverQueue' }, 'cdabdddcddccabddddddccabddddddcc', 'none', true, false],
  ['source hash (sh)', { kind: 'sourceHash' }, 'ddcccddacdcdddccacddacddcddcccda', 'clientAddress', false, false],
  [
    'destination hash (dh)',
    { kind: 'destinationHash' },
    'ddcccddacdcdddccacddacddcddcccda',
    'destination',
    false,
    false,
  ],
  ['consistent hash', hash, 'ddcccddacdcdddccacddacddcddcccda', 'template', false, false],
  ['consistent hash, groups', { ...hash, subsetSize: 2 }, 'bcbbadcddaabdcabddcabadcaacbbcad', 'template', false, false],
  [
    'consistent hash, bounded',
    { ...hash, boundedLoadFactor: 1.25 },
    'ddccdddacdcdddccaadddcddcddccdda',
    'template',
    true,
    false,
  ],
];

/** Endpoints of these weights, where each request stays for the time of `held` further ones. */
class Scene {
  readonly endpoints: readonly FakeEndpoint[];
  readonly #balancer;
  readonly #held: FakeEndpoint[] = [];
  readonly #most: number;
  #keys = 0;

  constructor(settings: BalancerSettings, weights: readonly number[], held: number, scores: readonly number[] = []) {
    this.#most = held;
    this.endpoints = weights.map((weight, at) => ({
      ...fakeEndpoint('abcdefgh'[at] ?? '?'),
      weight,
      tableWeight: weight,
      score: scores[at] ?? 10,
    }));
    this.#balancer = createBalancer<FakeEndpoint>(settings, {
      random: seededRandom(42),
      nowMs: () => 0,
      totalLoad: () => this.#held.length,
    });
    this.#balancer.update(this.endpoints, this.endpoints);
  }

  /** Names of the next picks, each with a key of its own. */
  pick(count: number): string[] {
    return Array.from({ length: count }, () => {
      const endpoint = this.#balancer.pick(null, `/item/${this.#keys++}`);
      if (endpoint === null) return '-';
      endpoint.load++;
      this.#held.push(endpoint);
      const done = this.#held.length > this.#most ? this.#held.shift() : undefined;
      if (done !== undefined) done.load--;
      return endpoint.key;
    });
  }
}

describe.each(kinds)('%s', (_name, settings, want, keySource, isByLoad, isByLatency) => {
  test('pinned: weights 1, 1, 2 and 4, nine requests at a time', () => {
    expect(new Scene(settings, [1, 1, 2, 4], 9, [10, 11, 13, 19]).pick(32).join('')).toBe(want);
  });

  test('shares are those of the weights while forty requests are under way', () => {
    const weights = [1, 2, 3, 4];
    const got = shares(new Scene(settings, weights, 40).pick(20_000));
    // Groups are of equal weight, as in ingress-nginx.
    const isGrouped = settings.kind === 'consistentHash' && settings.subsetSize !== null;
    for (const [at, weight] of weights.entries()) {
      const share = (got.get('abcd'[at] ?? '') ?? 0) / 20_000;
      expect(Math.abs(share - (isGrouped ? 0.25 : weight / 10))).toBeLessThan(isGrouped ? 0.06 : 0.025);
    }
  });

  test('spreads many keys over all endpoints, and gives null without any', () => {
    const balancer = createBalancer<FakeEndpoint>(settings, {
      random: seededRandom(1),
      nowMs: () => 0,
      totalLoad: () => 0,
    });
    expect(balancer.pick(null, 'k')).toBeNull();
    balancer.update([], []);
    expect(balancer.pick(null, 'k')).toBeNull();
    const endpoints = fakeEndpoints('abcde');
    balancer.update(endpoints, endpoints);
    const got = shares(Array.from({ length: 5000 }, (_, i) => balancer.pick(null, `key ${i}`)?.key ?? '-'));
    expect([...got.keys()].join('')).toBe('abcde');
    // Padding gives the first ones of a subset hash up to twice the share.
    for (const count of got.values()) expect(count).toBeGreaterThan(500);
  });

  test('asks for no more than it looks at', () => {
    expect([keySourceOf(settings), readsLoad(settings), readsLatency(settings)]).toEqual([
      keySource,
      isByLoad,
      isByLatency,
    ]);
  });
});

test('workers that start together do not all begin with the first endpoint', () => {
  const random = seededRandom(3);
  const firsts = Array.from({ length: 8 }, () => {
    const balancer = createBalancer<FakeEndpoint>(
      { kind: 'roundRobin' },
      { random, nowMs: () => 0, totalLoad: () => 0 },
    );
    const endpoints = fakeEndpoints('abcd');
    balancer.update(endpoints, endpoints);
    return balancer.pick(null, '')?.key ?? '-';
  });
  expect(shares(firsts).size).toBeGreaterThan(2);
});
