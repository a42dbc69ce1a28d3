// What the hedged attempts of one worker share: their timer, their budgets, and how they ended.

import type { IndexedRoute } from '../match/index.ts';
import type { RetryBudget } from '../table/route-settings.ts';
import { FineWheel, type Repeat } from './fine-wheel.ts';
import { RetryAllowance } from './retry-allowance.ts';

/**
 * How a second attempt ended; a stable word for the metric.
 *
 * - `won`: it answered first, or goes on alone since the first one failed; `lost`: the first one answered first
 * - `failed`: it failed, or got an answer that the route does not want, while the first one was still waiting
 * - `cancelled`: the request ended without an answer to either
 * - `overBudget`, `noEndpoint`: it was due, but not sent
 */
export type HedgeOutcome = 'won' | 'lost' | 'failed' | 'cancelled' | 'overBudget' | 'noEndpoint';

export class Hedging {
  /** For the delays. */
  readonly timers: FineWheel;
  readonly outcomes: Record<HedgeOutcome, number> = {
    won: 0,
    lost: 0,
    failed: 0,
    cancelled: 0,
    overBudget: 0,
    noEndpoint: 0,
  };
  /** Keyed by what the table holds, so that nothing outlives its table. */
  readonly #allowances = new WeakMap<IndexedRoute, RetryAllowance>();

  constructor(nowMs: () => number, repeat: Repeat) {
    this.timers = new FineWheel(nowMs, repeat);
  }

  /** What second attempts of a route may cost; its counters are this worker's. */
  allowance(route: IndexedRoute, budget: RetryBudget): RetryAllowance {
    let allowance = this.#allowances.get(route);
    if (allowance === undefined) {
      allowance = new RetryAllowance(budget);
      this.#allowances.set(route, allowance);
    }
    return allowance;
  }
}
