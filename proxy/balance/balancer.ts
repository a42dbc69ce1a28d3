// What a load-balancing algorithm is to the rest of the proxy, and the small view of live load it may look at.
//
// A balancer belongs to one upstream in one worker and keeps its own place; the endpoints' state is kept elsewhere and
// only read here. Time and randomness are arguments, so that every algorithm is testable as a table.

/** The live view of one endpoint. The same object stands for the same endpoint over all changes of the list. */
export interface EndpointLoad {
  /** `address:port`, `[address]:port` for IPv6. */
  readonly key: string;
  /** Requests that have picked this endpoint and are not finished. */
  readonly inFlight: number;
}

export interface Balancer {
  /**
   * Chooses an endpoint for one attempt and gives its index, or -1 when `endpoints` is empty or all of it is in
   * `exclude` (the endpoints this request has tried; null for none). Allocates nothing.
   */
  pick(endpoints: readonly EndpointLoad[], exclude: readonly EndpointLoad[] | null): number;

  /** Tells that the list given to `pick` changes from `before` to `after`; both are sorted alike. */
  onEndpointsChanged(before: readonly EndpointLoad[], after: readonly EndpointLoad[]): void;
}
