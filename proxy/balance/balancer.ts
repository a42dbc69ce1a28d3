// What a load-balancing algorithm is to the rest of the proxy, and the small view of live load it may look at.
//
// A balancer belongs to one upstream in one worker and keeps its own place; the endpoints' state is kept elsewhere and
// only read here. Time and randomness come in as functions, so that every algorithm can be tested as a table.

/** The live view of one endpoint. The same object stands for the same endpoint over all changes of the list. */
export interface EndpointLoad {
  /** `address:port`, `[address]:port` for IPv6. */
  readonly key: string;
  /** Requests at this endpoint that are not finished, over all workers of the process. */
  readonly load: number;
  /** Relative share above 0: the table's weight, less while the endpoint starts slowly. Read at `update` only. */
  readonly weight: number;
  /** False while health keeps picks away. Balancers that see only available endpoints need not ask. */
  readonly isAvailable: boolean;
  /** Smoothed response time in milliseconds as it counts at `nowMs`; 0 when nothing was ever observed. */
  scoreMs(nowMs: number): number;
}

export interface Balancer<E extends EndpointLoad> {
  /**
   * Takes over a changed list, also after a change of weights. `members` are all endpoints that could be picked, in the
   * table's order; `available` those of them that health leaves, never empty unless `members` is.
   */
  update(members: readonly E[], available: readonly E[]): void;

  /**
   * Chooses an endpoint for one attempt; null when there is none outside `tried` (what this request has tried; null for
   * nothing). `key` is what hash balancers hash; the others ignore it. Allocates nothing.
   */
  pick(tried: readonly E[] | null, key: string): E | null;
}

/** What a balancer may ask for. */
export interface BalancerEnvironment {
  /** A number from 0 up to 1, as `Math.random`. */
  readonly random: () => number;
  /** Milliseconds of a clock that all workers of the process share; a coarse one will do. */
  readonly nowMs: () => number;
  /** Requests under way to the whole upstream, over all workers of the process. */
  readonly totalLoad: () => number;
}
