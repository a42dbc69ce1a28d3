// Random two choices: two endpoints drawn at random, and the better of them. Nearly as even as looking at all of them,
// at constant cost, and workers that decide at the same moment do not all run to the same endpoint.
//
// `load` compares requests under way per weight (nginx `random two least_conn`). `ewma` is ingress-nginx's balancer:
// it compares smoothed response times. Deviation: ingress-nginx looks at that score alone; here it is multiplied by the
// requests under way, as in the "peak EWMA" it descends from, so that an endpoint that hangs is avoided before the
// first answer tells how slow it is. With nothing under way both choose alike.

import type { Balancer, EndpointLoad } from './balancer.ts';
import { WeightedDraw } from './weighted-draw.ts';

/** Added to scores, so that endpoints that never answered are told apart by their load; below any real difference. */
const floorMs = 0.1;

export type TwoChoicesRule = 'load' | 'ewma';

export class TwoChoices<E extends EndpointLoad> implements Balancer<E> {
  readonly #rule: TwoChoicesRule;
  readonly #nowMs: () => number;
  readonly #draw: WeightedDraw<E>;

  constructor(rule: TwoChoicesRule, random: () => number, nowMs: () => number) {
    this.#rule = rule;
    this.#nowMs = nowMs;
    this.#draw = new WeightedDraw(random);
  }

  update(_members: readonly E[], available: readonly E[]): void {
    this.#draw.update(available);
  }

  pick(tried: readonly E[] | null): E | null {
    const first = this.#draw.draw(tried, null);
    if (first === null) return null;
    const second = this.#draw.draw(tried, first);
    if (second === null) return first;
    return this.#isBetter(second, first) ? second : first;
  }

  #isBetter(a: E, b: E): boolean {
    const nowMs = this.#nowMs();
    // One more than is under way: what this request would find there.
    const loadA = (a.load + 1) * b.weight;
    const loadB = (b.load + 1) * a.weight;
    if (this.#rule === 'ewma') return loadA * (a.scoreMs(nowMs) + floorMs) < loadB * (b.scoreMs(nowMs) + floorMs);
    // At equal load, which is all of a quiet upstream, the faster one: else a slow endpoint keeps its full share there.
    return loadA < loadB || (loadA === loadB && a.scoreMs(nowMs) < b.scoreMs(nowMs));
  }
}
