// Endpoints whose live state a test sets by hand, and counting of picks.

import type { Balancer } from '../balancer.ts';
import type { RingEndpoint } from '../consistent-hash.ts';

export interface FakeEndpoint extends RingEndpoint {
  load: number;
  weight: number;
  tableWeight: number;
  isAvailable: boolean;
  score: number;
}

export function fakeEndpoint(key: string): FakeEndpoint {
  return { key, load: 0, weight: 1, tableWeight: 1, isAvailable: true, score: 0, scoreMs: fakeScore };
}

function fakeScore(this: FakeEndpoint): number {
  return this.score;
}

/** One endpoint per letter, named by it. */
export function fakeEndpoints(names: string): FakeEndpoint[] {
  return [...names].map(fakeEndpoint);
}

/** Those of the list whose name is among the letters. */
export function named<E extends RingEndpoint>(endpoints: readonly E[], names: string): E[] {
  return endpoints.filter(({ key }) => names.includes(key));
}

/** The names of `count` picks in a row; `-` for none. */
export function pickMany(balancer: Pick<Balancer<FakeEndpoint>, 'pick'>, count: number, key = ''): string {
  return Array.from({ length: count }, () => balancer.pick(null, key)?.key ?? '-').join('');
}

/** How often each name occurs. */
export function shares(picks: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of picks) counts.set(name, (counts.get(name) ?? 0) + 1);
  return new Map([...counts].sort());
}

/** Chance that can be repeated (mulberry32): numbers from 0 up to 1. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
