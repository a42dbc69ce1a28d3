// How many further attempts a route has left, so that retries do not become a storm. PURE: times are arguments.
//
// Counted over ten slots of a second each. Counters belong to one worker: a share needs no more, and the attempts that
// are always allowed hold per worker.

import type { IndexedRoute } from '../match/index.ts';
import type { RetryBudget } from '../table/route-settings.ts';
import type { RouteId } from '../table/types.ts';

const SLOTS = 10;

export class RetryAllowance {
  #budget: RetryBudget;
  readonly #requests = new Int32Array(SLOTS);
  readonly #retries = new Int32Array(SLOTS);
  #second = 0;

  constructor(budget: RetryBudget) {
    this.#budget = budget;
  }

  /** Takes over changed numbers; what was counted stays. */
  configure(budget: RetryBudget): void {
    this.#budget = budget;
  }

  /** Nothing of the last ten seconds is counted: a new one would say the same. */
  isEmpty(nowMs: number): boolean {
    return Math.floor(nowMs / 1000) >= this.#second + SLOTS;
  }

  /** A request of the route begins. */
  countRequest(nowMs: number): void {
    this.#advance(nowMs);
    this.#requests[this.#slot()] = (this.#requests[this.#slot()] as number) + 1;
  }

  /** Takes one further attempt out of the budget; false when there is none left. */
  take(nowMs: number): boolean {
    this.#advance(nowMs);
    const { percent, minPerSecond } = this.#budget;
    const isFree = (this.#retries[this.#slot()] as number) < minPerSecond;
    if (!isFree && (sum(this.#retries) + 1) * 100 > sum(this.#requests) * percent) return false;
    this.#retries[this.#slot()] = (this.#retries[this.#slot()] as number) + 1;
    return true;
  }

  /** Gives back what the last `take` took, in the same turn: that attempt was not made. */
  giveBack(): void {
    this.#retries[this.#slot()] = (this.#retries[this.#slot()] as number) - 1;
  }

  #slot(): number {
    return this.#second % SLOTS;
  }

  /** Empties the slots of the seconds that have passed. A clock that goes back changes nothing. */
  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second <= this.#second) return;
    for (let each = Math.max(this.#second + 1, second - SLOTS + 1); each <= second; each++) {
      this.#requests[each % SLOTS] = 0;
      this.#retries[each % SLOTS] = 0;
    }
    this.#second = second;
  }
}

function sum(slots: Int32Array): number {
  let total = 0;
  for (const count of slots) total += count;
  return total;
}

/** Below this many nothing is swept. */
const FEW = 64;

/**
 * The allowances of one worker, each made when its route first asks. By the id of the route and not by what the table in
 * force holds: a storm is most likely while Pods come and go, and no update may forget what has been spent.
 */
export class RetryAllowances {
  readonly #byRoute = new Map<RouteId, RetryAllowance>();
  #sweepAt = FEW;

  /** For metrics and tests: how many are kept. */
  get size(): number {
    return this.#byRoute.size;
  }

  of({ route }: IndexedRoute, budget: RetryBudget, nowMs: number): RetryAllowance {
    const known = this.#byRoute.get(route.id);
    if (known !== undefined) {
      known.configure(budget);
      return known;
    }
    if (this.#byRoute.size >= this.#sweepAt) this.#sweep(nowMs);
    const made = new RetryAllowance(budget);
    this.#byRoute.set(route.id, made);
    return made;
  }

  /** Drops those that count nothing any more, of routes that are gone or quiet. Constant work for each that is made. */
  #sweep(nowMs: number): void {
    for (const [id, allowance] of this.#byRoute) if (allowance.isEmpty(nowMs)) this.#byRoute.delete(id);
    this.#sweepAt = Math.max(FEW, 2 * this.#byRoute.size);
  }
}
