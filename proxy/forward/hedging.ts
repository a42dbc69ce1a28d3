// What the hedged attempts of one worker share: their timer, their budgets, and how they ended.

import { FineWheel, type Repeat } from './fine-wheel.ts';
import { RetryAllowances } from './retry-allowance.ts';

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
  /** What second attempts of a route may cost; their counters are this worker's. */
  readonly allowances = new RetryAllowances();

  constructor(nowMs: () => number, repeat: Repeat) {
    this.timers = new FineWheel(nowMs, repeat);
  }
}
