// The balancers that look at every endpoint and take the one with the least to do: `least_conn` of nginx and the IPVS
// schedulers lc, sed and nq. They read the counters of the whole process, so that two workers do not both think an
// endpoint idle. Linear in the number of endpoints; with hundreds of them random two choices is cheaper.

import type { Balancer, EndpointLoad } from './balancer.ts';

/**
 * What "least" means. `connections`: fewest requests per weight (IPVS lc, nginx least_conn). `expectedDelay`: least delay
 * once this request is added, (load + 1) / weight, so that idle endpoints of unequal weight are told apart (IPVS sed).
 * `neverQueue`: an idle endpoint whatever its weight, and only without one the least expected delay (IPVS nq).
 */
export type LeastRule = 'connections' | 'expectedDelay' | 'neverQueue';

export class LeastLoaded<E extends EndpointLoad> implements Balancer<E> {
  readonly #rule: LeastRule;
  readonly #random: () => number;
  #endpoints: readonly E[] = [];
  #weights: Float64Array = new Float64Array(0);

  constructor(rule: LeastRule, random: () => number) {
    this.#rule = rule;
    this.#random = random;
  }

  update(_members: readonly E[], available: readonly E[]): void {
    this.#endpoints = available;
    this.#weights = Float64Array.from(available, ({ weight }) => weight);
  }

  pick(tried: readonly E[] | null): E | null {
    const endpoints = this.#endpoints;
    let best: E | null = null;
    let least = Number.POSITIVE_INFINITY;
    let weightOfTies = 0;
    for (let at = 0; at < endpoints.length; at++) {
      const endpoint = endpoints[at] as E;
      if (tried?.includes(endpoint)) continue;
      const weight = this.#weights[at] as number;
      const cost = this.#cost(endpoint.load, weight);
      if (cost > least) continue;
      weightOfTies = cost < least ? weight : weightOfTies + weight;
      // Equals are drawn by weight: the first of the list would otherwise get every request of a quiet upstream.
      const isTaken = cost < least || this.#random() * weightOfTies < weight;
      least = cost;
      if (isTaken) best = endpoint;
    }
    return best;
  }

  #cost(load: number, weight: number): number {
    switch (this.#rule) {
      case 'connections':
        return load / weight;
      case 'expectedDelay':
        return (load + 1) / weight;
      case 'neverQueue':
        return load === 0 ? 0 : (load + 1) / weight;
      default:
        return this.#rule satisfies never;
    }
  }
}
