// `upstream-hash-by-subset`: a key chooses a fixed group of endpoints, then any of the group serves.
//
// Groups as in ingress-nginx: the list cut into ceil(n / size) groups in order, the last one filled up with the first
// endpoints of the list; the ring has one node per group, `set1`, `set2`, ... Coming and going endpoints therefore shift
// the groups behind them, as there.

import type { Balancer, EndpointLoad } from './balancer.ts';
import { HashRing } from './hash-ring.ts';

export class SubsetHash<E extends EndpointLoad> implements Balancer<E> {
  readonly #wantedSize: number;
  /** Never above the number of members: what is walked for a request must not follow from what somebody wrote. */
  #size = 1;
  readonly #random: () => number;
  #members: readonly E[] = [];
  #ring: HashRing = new HashRing([]);

  /** `size` is at least 1. */
  constructor(size: number, random: () => number) {
    this.#wantedSize = size;
    this.#random = random;
  }

  update(members: readonly E[]): void {
    if (members === this.#members) return;
    this.#members = members;
    this.#size = Math.max(1, Math.min(this.#wantedSize, members.length));
    const count = Math.ceil(members.length / this.#size);
    this.#ring = new HashRing(Array.from({ length: count }, (_, i) => ({ name: `set${i + 1}`, weight: 1 })));
  }

  pick(tried: readonly E[] | null, key: string): E | null {
    const start = this.#ring.find(key);
    if (start === -1) return null;
    let point = start;
    do {
      const endpoint = this.#pickOf(this.#ring.nodeAt(point), tried);
      if (endpoint !== null) return endpoint;
      // Deviation: where ingress-nginx would ask a dead group again, the next group on the ring serves.
      point = this.#ring.next(point);
    } while (point !== start);
    return null;
  }

  /** A random member of a group that is available and untried: a random start, then around. */
  #pickOf(group: number, tried: readonly E[] | null): E | null {
    const start = Math.floor(this.#random() * this.#size);
    for (let step = 0; step < this.#size; step++) {
      const at = group * this.#size + ((start + step) % this.#size);
      // The last group is filled up with the first endpoints.
      const endpoint = this.#members[at % this.#members.length] as E;
      if (endpoint.isAvailable && !tried?.includes(endpoint)) return endpoint;
    }
    return null;
  }
}
