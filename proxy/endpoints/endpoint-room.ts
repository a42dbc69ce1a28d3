// Limits of the single endpoints of an upstream: which of them may have another request, and who is asked instead of a full
// one. Loads are those of all workers, where the upstream counts them so: first counted in, then checked, so that workers
// that ask at one moment never exceed a limit.

import type { UpstreamLimits } from '../table/upstream-settings.ts';

/** Full endpoints that the balancer is asked to pass over, for one pick. */
const MAX_FULL_STEPS = 8;

/** Two workers that want the last place at one moment both step back, and so have to look again. */
const MAX_TAKES = 4;
/** Instead of what `begin` of an endpoint gives: it has as many requests as it may. */
export const FULL = -1;

/** What is looked at of an endpoint. */
export interface Loaded {
  /** Requests at it. */
  readonly load: number;
  /** As those of `EndpointState`. */
  begin(): number;
  end(probe: number): void;
}

export class EndpointRoom<E extends Loaded> {
  /** Over HTTP/1.1 each request under way holds a connection: the lower of both limits. null: none. */
  #limit: number | null = null;
  #available: readonly E[] = [];

  /** Takes over limits; null for none. */
  configure(limits: UpstreamLimits | null): void {
    const limit = Math.min(limits?.maxRequestsPerEndpoint ?? Infinity, limits?.maxConnectionsPerEndpoint ?? Infinity);
    this.#limit = limit === Infinity ? null : limit;
  }

  /** Takes over the endpoints that may be picked. */
  update(available: readonly E[]): void {
    this.#available = available;
  }

  /** It has as many requests as its limit allows. */
  isFull(endpoint: E): boolean {
    // Without a limit no counter of another worker is read.
    return this.#limit !== null && endpoint.load >= this.#limit;
  }

  /** Counts an attempt in, as `begin` of the endpoint; FULL when there is no place for it, then nothing is counted. */
  begin(endpoint: E): number {
    const limit = this.#limit;
    if (limit === null) return endpoint.begin();
    for (let takes = 0; takes < MAX_TAKES; takes++) {
      const probe = endpoint.begin();
      if (endpoint.load <= limit) return probe;
      endpoint.end(probe);
      if (endpoint.load >= limit) return FULL;
    }
    return FULL;
  }

  /**
   * Some endpoint may have another request; also true when there is none at all. `total`: requests at all of the upstream's
   * endpoints. Constant time while they are far from their limits, else linear.
   */
  hasRoom(total: number): boolean {
    const limit = this.#limit;
    const available = this.#available;
    if (limit === null || available.length === 0) return true;
    return total < limit * available.length || available.some(({ load }) => load < limit);
  }

  /**
   * Goes on from a full endpoint that was picked to one that is not; null when all are. `next`: the balancer's choice without
   * those. After some steps of it, the least loaded one: when most are full, each step would look at all of them.
   */
  pickOther(picked: E, tried: readonly E[] | null, next: (full: readonly E[]) => E | null): E | null {
    const full = tried === null ? [] : [...tried];
    let endpoint: E | null = picked;
    while (endpoint !== null && this.isFull(endpoint)) {
      if (full.push(endpoint) > MAX_FULL_STEPS) return this.#leastLoaded(tried);
      endpoint = next(full);
    }
    return endpoint;
  }

  #leastLoaded(tried: readonly E[] | null): E | null {
    let least: E | null = null;
    let leastLoad = this.#limit ?? Infinity;
    for (const endpoint of this.#available) {
      const { load } = endpoint;
      if (load >= leastLoad || tried?.includes(endpoint)) continue;
      least = endpoint;
      leastLoad = load;
    }
    return least;
  }
}
