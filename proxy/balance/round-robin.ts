// Round robin: every endpoint in turn. The default balancer, as in ingress-nginx.
//
// Each worker starts at its own random place; otherwise all workers would send their first request to the first endpoint.

import type { Balancer, EndpointLoad } from './balancer.ts';

export class RoundRobin implements Balancer {
  /** Index of the endpoint whose turn it is; may be past the end after the list shrank. */
  #turn: number;

  /** `start` is any whole number from 0: the turn begins at that place, modulo the number of endpoints. */
  constructor(start: number) {
    this.#turn = start;
  }

  pick(endpoints: readonly EndpointLoad[], exclude: readonly EndpointLoad[] | null): number {
    const count = endpoints.length;
    for (let step = 0; step < count; step++) {
      const at = (this.#turn + step) % count;
      if (exclude?.includes(endpoints[at] as EndpointLoad)) continue;
      this.#turn = (at + 1) % count;
      return at;
    }
    return -1;
  }

  /**
   * Keeps the turn with the endpoint that has it, or with the next one that stays, so that a scaling Deployment does not
   * make the first endpoints of the list take more than their share.
   */
  onEndpointsChanged(before: readonly EndpointLoad[], after: readonly EndpointLoad[]): void {
    // From nothing there is no turn to keep: the start value counts.
    if (before.length === 0) return;
    const places = new Map(after.map((endpoint, i) => [endpoint, i]));
    for (let step = 0; step < before.length; step++) {
      const place = places.get(before[(this.#turn + step) % before.length] as EndpointLoad);
      if (place === undefined) continue;
      this.#turn = place;
      return;
    }
  }
}
