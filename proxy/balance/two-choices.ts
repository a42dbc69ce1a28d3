// Random two choices: two endpoints drawn at random, and the better of them. Nearly as even as looking at all of them,
// at constant cost, and workers that decide at the same moment do not all run to the same endpoint.
//
// `load` compares requests under way per weight (nginx `random two least_conn`), and the expected delay instead when one
// of the two is more than twice as slow: by requests alone, one slow endpoint of ten keeps 1.5 % of all requests, enough
// to decide the slowest percent (docs/load-balancing.md).
//
// `ewma` is ingress-nginx's balancer: it compares smoothed response times. Deviation: ingress-nginx looks at that score
// alone; here it is multiplied by the requests under way, as in the "peak EWMA" it descends from, so that an endpoint
// that hangs is avoided before the first answer tells how slow it is. With nothing under way both choose alike.

import type { Balancer, EndpointLoad } from './balancer.ts';
import { WeightedDraw } from './weighted-draw.ts';

/**
 * How many times better than the other a score may make an endpoint. A score that decayed while nobody asked says little
 * about now, and must not draw hundreds of requests before the first of them is answered.
 */
const maxAdvantage = 20;
/** From this on a difference of response times is no chance. */
const clearlySlower = 2;

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
    const scoreA = a.scoreMs(nowMs);
    const scoreB = b.scoreMs(nowMs);
    // One that never answered is as good as the other: its load decides.
    if (scoreA === 0 || scoreB === 0) return loadA < loadB;
    if (this.#rule === 'ewma' || Math.max(scoreA, scoreB) > clearlySlower * Math.min(scoreA, scoreB)) {
      const delayA = loadA * Math.max(scoreA, scoreB / maxAdvantage);
      return delayA < loadB * Math.max(scoreB, scoreA / maxAdvantage);
    }
    // At equal load, which is all of a quiet upstream, the faster one.
    return loadA < loadB || (loadA === loadB && scoreA < scoreB);
  }
}
