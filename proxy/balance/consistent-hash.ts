// Consistent hashing: requests with an equal key go to the same endpoint (`upstream-hash-by`), or by client address
// (IPVS sh) or requested host (IPVS dh).
//
// The ring holds all members, whether available or not: an endpoint that is ejected for a while lends its keys to the
// next ones on the ring and gets exactly these back. Weights are the table's: slow start would move keys.

import type { Balancer, EndpointLoad } from './balancer.ts';
import { HashRing } from './hash-ring.ts';

export interface ConsistentHashOptions {
  /**
   * Most load of an endpoint in multiples of the average, above 1 ("consistent hashing with bounded loads"); a key whose
   * endpoint is full goes to the next one on the ring. null: no bound.
   */
  readonly boundedLoadFactor: number | null;
  /** Requests under way to the whole upstream. */
  readonly totalLoad: () => number;
}

/** An endpoint with the weight the table gives it, whatever its slow start. */
export interface RingEndpoint extends EndpointLoad {
  readonly tableWeight: number;
}

export class ConsistentHash<E extends RingEndpoint> implements Balancer<E> {
  readonly #options: ConsistentHashOptions;
  #members: readonly E[] = [];
  #ring: HashRing = new HashRing([]);
  #totalWeight = 0;

  constructor(options: ConsistentHashOptions) {
    this.#options = options;
  }

  update(members: readonly E[], available: readonly E[]): void {
    this.#totalWeight = available.reduce((sum, { tableWeight }) => sum + tableWeight, 0);
    // Health changes the second list only: the ring stays.
    if (members === this.#members) return;
    this.#members = members;
    this.#ring = buildRing(members);
  }

  pick(tried: readonly E[] | null, key: string): E | null {
    const { boundedLoadFactor } = this.#options;
    if (boundedLoadFactor === null) return walkRing(this.#ring, this.#members, tried, key);
    return this.#pickBounded(boundedLoadFactor, tried, key);
  }

  #pickBounded(factor: number, tried: readonly E[] | null, key: string): E | null {
    const perWeight = (factor * (this.#options.totalLoad() + 1)) / this.#totalWeight;
    const start = this.#ring.find(key);
    if (start === -1) return null;
    let point = start;
    do {
      const endpoint = this.#members[this.#ring.nodeAt(point)] as E;
      const isOpen = endpoint.isAvailable && !tried?.includes(endpoint);
      if (isOpen && endpoint.load < Math.ceil(perWeight * endpoint.tableWeight)) return endpoint;
      point = this.#ring.next(point);
    } while (point !== start);
    // The counters of other workers moved meanwhile: better above the bound than not at all.
    return walkRing(this.#ring, this.#members, tried, key);
  }
}

/** The ring of a list of endpoints. */
export function buildRing(endpoints: readonly RingEndpoint[]): HashRing {
  return new HashRing(endpoints.map(({ key, tableWeight }) => ({ name: key, weight: tableWeight })));
}

/** The first endpoint at or after the key's place that is available and not in `tried`; null when there is none. */
export function walkRing<E extends EndpointLoad>(
  ring: HashRing,
  members: readonly E[],
  tried: readonly E[] | null,
  key: string,
): E | null {
  const start = ring.find(key);
  if (start === -1) return null;
  let point = start;
  do {
    const endpoint = members[ring.nodeAt(point)] as E;
    if (endpoint.isAvailable && !tried?.includes(endpoint)) return endpoint;
    point = ring.next(point);
  } while (point !== start);
  return null;
}
