// From the table's settings to the algorithm, and what an algorithm needs of its surroundings.

import type { BalancerSettings } from '../table/upstream-settings.ts';
import type { Balancer, BalancerEnvironment } from './balancer.ts';
import { ConsistentHash, type RingEndpoint } from './consistent-hash.ts';
import { LeastLoaded } from './least-loaded.ts';
import { RoundRobin } from './round-robin.ts';
import { SubsetHash } from './subset-hash.ts';
import { TwoChoices } from './two-choices.ts';

/** Large enough to start anywhere in any list, small enough to stay a small integer. */
const startRange = 2 ** 20;

/** Builds the balancer of one upstream in one worker; it picks nothing before its first `update`. */
export function createBalancer<E extends RingEndpoint>(
  settings: BalancerSettings,
  environment: BalancerEnvironment,
): Balancer<E> {
  const { random, nowMs, totalLoad } = environment;
  switch (settings.kind) {
    case 'roundRobin':
      return new RoundRobin(Math.floor(random() * startRange));
    case 'ewma':
      return new TwoChoices('ewma', random, nowMs);
    case 'randomTwoChoices':
      return new TwoChoices('load', random, nowMs);
    case 'leastConnections':
      return new LeastLoaded('connections', random);
    case 'shortestExpectedDelay':
      return new LeastLoaded('expectedDelay', random);
    case 'neverQueue':
      return new LeastLoaded('neverQueue', random);
    case 'consistentHash': {
      const { subsetSize, boundedLoadFactor } = settings;
      if (subsetSize !== null) return new SubsetHash(subsetSize, random);
      return new ConsistentHash({ boundedLoadFactor, totalLoad });
    }
    case 'sourceHash':
    case 'destinationHash':
      return new ConsistentHash({ boundedLoadFactor: null, totalLoad });
    default:
      return settings satisfies never;
  }
}

/** What the data path must hand to `pick` as key: nothing, the rendered template, the client's address, or host + path. */
export function keySourceOf(settings: BalancerSettings): 'none' | 'template' | 'clientAddress' | 'destination' {
  switch (settings.kind) {
    case 'consistentHash':
      return 'template';
    case 'sourceHash':
      return 'clientAddress';
    case 'destinationHash':
      return 'destination';
    default:
      return 'none';
  }
}

/** True for balancers that look at the requests under way, which must then be counted over all workers. */
export function readsLoad(settings: BalancerSettings): boolean {
  switch (settings.kind) {
    case 'ewma':
    case 'randomTwoChoices':
    case 'leastConnections':
    case 'shortestExpectedDelay':
    case 'neverQueue':
      return true;
    case 'consistentHash':
      return settings.boundedLoadFactor !== null;
    default:
      return false;
  }
}

/** True for balancers that look at response times, which must then be measured. */
export function readsLatency(settings: BalancerSettings): boolean {
  return settings.kind === 'ewma' || settings.kind === 'randomTwoChoices';
}
