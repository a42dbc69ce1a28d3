// What is simulated: every algorithm with every situation of the table in docs/load-balancing.md.

import type { BalancerSettings } from '#proxy/table/upstream-settings.ts';
import type { Algorithm, Scenario } from './simulate.ts';
import type { ServerSettings } from './simulated-server.ts';

const plain: ServerSettings = { slowness: 1, isFailing: false };
const nine = Array.from({ length: 9 }, () => plain);
/** 45 % of what ten equal servers can do. */
const ratePerSecond = 1_650;

export const scenarios: readonly Scenario[] = [
  { name: 'equal', servers: [...nine, plain], isLastJoining: false, ratePerSecond },
  {
    name: 'five twice as slow',
    servers: Array.from({ length: 10 }, (_, at) => ({ ...plain, slowness: at < 5 ? 1 : 2 })),
    isLastJoining: false,
    ratePerSecond,
  },
  { name: 'one 10x slow', servers: [...nine, { ...plain, slowness: 10 }], isLastJoining: false, ratePerSecond },
  { name: 'one failing', servers: [...nine, { ...plain, isFailing: true }], isLastJoining: false, ratePerSecond },
  { name: 'one joining', servers: [...nine, plain], isLastJoining: true, ratePerSecond },
];

const hashed: BalancerSettings = { kind: 'consistentHash', key: [], subsetSize: null, boundedLoadFactor: null };

export const algorithms: readonly Algorithm[] = [
  { name: 'best possible', settings: 'best' },
  { name: 'round_robin', settings: { kind: 'roundRobin' } },
  { name: 'ewma', settings: { kind: 'ewma' } },
  { name: 'random two choices', settings: { kind: 'randomTwoChoices' } },
  { name: 'least_conn (lc)', settings: { kind: 'leastConnections' } },
  { name: 'sed', settings: { kind: 'shortestExpectedDelay' } },
  { name: 'nq', settings: { kind: 'neverQueue' } },
  { name: 'consistent hash (sh, dh)', settings: hashed },
  { name: 'consistent hash, subsets of 3', settings: { ...hashed, subsetSize: 3 } },
  { name: 'consistent hash, bounded 1.25', settings: { ...hashed, boundedLoadFactor: 1.25 } },
];

/** A scenario or an algorithm by its name; throws when there is none. */
export function named<T extends { readonly name: string }>(list: readonly T[], name: string): T {
  const found = list.find((each) => each.name === name);
  if (found === undefined) throw new Error(`nothing is named ${name}`);
  return found;
}
