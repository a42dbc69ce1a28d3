// Round robin: every endpoint in turn, each as often as its weight says. The default balancer, as in ingress-nginx.
//
// With equal weights a turn goes around the list, in constant time. With unequal ones it is nginx's smooth weighted
// round robin: every pick raises each endpoint by its weight, takes the highest and lowers it by the sum of all, so
// that weights 5:1:1 give a a b a c a a instead of a a a a a b c. Each worker starts at its own random place; otherwise
// all workers would send their first request to the first endpoint.

import type { Balancer, EndpointLoad } from './balancer.ts';

export class RoundRobin<E extends EndpointLoad> implements Balancer<E> {
  #endpoints: readonly E[] = [];
  /** Index of the endpoint whose turn it is. */
  #turn: number;
  /** Smooth weighted state, one number per endpoint; null while all weights are equal. */
  #current: Float64Array | null = null;
  /** null while all weights are equal. */
  #weights: Float64Array | null = null;
  /** That of every endpoint while all are equal. */
  #weight = 1;

  /** `start` is any whole number from 0: the turn begins at that place, modulo the number of endpoints. */
  constructor(start: number) {
    this.#turn = start;
  }

  pick(tried: readonly E[] | null): E | null {
    const current = this.#current;
    const weights = this.#weights;
    return current === null || weights === null ? this.#pickInTurn(tried) : this.#pickSmooth(tried, current, weights);
  }

  /**
   * Keeps the place: an endpoint that stays keeps what it is owed, and the turn stays with the endpoint that has it or
   * with the next one that stays. Otherwise a scaling Deployment would make the first of the list take too much.
   */
  update(_members: readonly E[], available: readonly E[]): void {
    const before = this.#endpoints;
    const owed = this.#owed();
    this.#endpoints = available;
    // From nothing there is no place to keep: the start value counts.
    if (before.length > 0)
      this.#turn = turnAfter(before, this.#current === null ? this.#turn : highest(owed), available);
    this.#weight = available[0]?.weight ?? 1;
    if (available.every(({ weight }) => weight === this.#weight)) {
      this.#weights = null;
      this.#current = null;
      return;
    }
    this.#weights = Float64Array.from(available, ({ weight }) => weight);
    const places = new Map(before.map((endpoint, at) => [endpoint, owed[at] ?? 0]));
    this.#current = Float64Array.from(available, (endpoint) => places.get(endpoint) ?? 0);
  }

  #pickInTurn(tried: readonly E[] | null): E | null {
    const endpoints = this.#endpoints;
    const count = endpoints.length;
    for (let step = 0; step < count; step++) {
      const at = (this.#turn + step) % count;
      const endpoint = endpoints[at] as E;
      if (tried?.includes(endpoint)) continue;
      this.#turn = (at + 1) % count;
      return endpoint;
    }
    return null;
  }

  #pickSmooth(tried: readonly E[] | null, current: Float64Array, weights: Float64Array): E | null {
    const endpoints = this.#endpoints;
    let best = -1;
    let total = 0;
    for (let at = 0; at < endpoints.length; at++) {
      if (tried?.includes(endpoints[at] as E)) continue;
      const weight = weights[at] as number;
      const raised = (current[at] as number) + weight;
      current[at] = raised;
      total += weight;
      if (best === -1 || raised > (current[best] as number)) best = at;
    }
    if (best === -1) return null;
    current[best] = (current[best] as number) - total;
    return endpoints[best] as E;
  }

  /** What each endpoint is owed; written out of the turn when weights were equal, so that the order goes on. */
  #owed(): Float64Array {
    if (this.#current !== null) return this.#current;
    const count = this.#endpoints.length;
    const weight = this.#weight;
    return Float64Array.from(this.#endpoints, (_, at) => {
      const distance = (at - (this.#turn % count) + count) % count;
      return (weight * (count - 1 - 2 * distance)) / 2;
    });
  }
}

/** The place in `after` of the first endpoint from `turn` on that is still there; `turn` itself when none is. */
function turnAfter<E>(before: readonly E[], turn: number, after: readonly E[]): number {
  const places = new Map(after.map((endpoint, at) => [endpoint, at]));
  for (let step = 0; step < before.length; step++) {
    const place = places.get(before[(turn + step) % before.length] as E);
    if (place !== undefined) return place;
  }
  return turn;
}

function highest(values: Float64Array): number {
  let best = 0;
  for (let at = 1; at < values.length; at++) if ((values[at] as number) > (values[best] as number)) best = at;
  return best;
}
