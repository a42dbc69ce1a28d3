// Draws endpoints at random, each as likely as its weight; the base of both two-choices balancers.
//
// Constant time with equal weights, a binary search otherwise. Nothing is allocated for a draw.

import type { EndpointLoad } from './balancer.ts';

/** Draws before a list full of tried endpoints is walked instead. */
const maxDraws = 8;

export class WeightedDraw<E extends EndpointLoad> {
  readonly #random: () => number;
  #endpoints: readonly E[] = [];
  /** Running sums of the weights; null while they are equal. */
  #sums: Float64Array | null = null;

  constructor(random: () => number) {
    this.#random = random;
  }

  update(endpoints: readonly E[]): void {
    this.#endpoints = endpoints;
    const first = endpoints[0]?.weight;
    if (endpoints.every(({ weight }) => weight === first)) {
      this.#sums = null;
      return;
    }
    let sum = 0;
    this.#sums = Float64Array.from(endpoints, ({ weight }) => (sum += weight));
  }

  /** An endpoint outside `tried` that is not `other`; null when there is none. */
  draw(tried: readonly E[] | null, other: E | null): E | null {
    const count = this.#endpoints.length;
    if (count === 0) return null;
    for (let attempt = 0; attempt < maxDraws; attempt++) {
      const endpoint = this.#endpoints[this.#drawIndex(count)] as E;
      if (endpoint !== other && !tried?.includes(endpoint)) return endpoint;
    }
    return this.#walk(tried, other);
  }

  #drawIndex(count: number): number {
    const sums = this.#sums;
    if (sums === null) return Math.floor(this.#random() * count);
    const wanted = this.#random() * (sums[count - 1] as number);
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] as number) > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** From a random place on: nearly everything is tried, or one weight outweighs all others. */
  #walk(tried: readonly E[] | null, other: E | null): E | null {
    const count = this.#endpoints.length;
    const start = Math.floor(this.#random() * count);
    for (let step = 0; step < count; step++) {
      const endpoint = this.#endpoints[(start + step) % count] as E;
      if (endpoint !== other && !tried?.includes(endpoint)) return endpoint;
    }
    return null;
  }
}
