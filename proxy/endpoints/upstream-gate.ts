// Circuit breaking of one upstream in one worker: how many requests are at it, and how many may wait. PURE given times.
//
//   enter -> admitted --leave--> the next that waits
//         -> waiting  --place--> onAdmitted, or --time--> onTimedOut, or --client gone--> cancel
//         -> full                                                       (answered 503 with Retry-After)
//
// Places hold for the whole process: they are counted in shared memory, first counted in, then checked, so that workers
// that ask at one moment never take more than there are. A place that another worker frees is seen at the next tick.

import type { UpstreamLimits } from '../table/upstream-settings.ts';
import { findCell, LoadTotal, type WorkerLoads } from './load-cell.ts';
import { PendingQueue, type Waiter } from './pending-queue.ts';

/** Rows of the gate's counters in the shared memory, beside those of endpoints; no endpoint has such a name. */
export const gateRows = ['#requests', '#pending'] as const;

export type Entrance = 'admitted' | 'waiting' | 'full';

export class UpstreamGate {
  readonly #requests = new LoadTotal();
  readonly #pending = new LoadTotal();
  readonly #queue = new PendingQueue();
  #limits: UpstreamLimits;

  constructor(limits: UpstreamLimits, upstreamId: string, loads: WorkerLoads | null) {
    this.#limits = limits;
    this.#requests.countIn(findCell(loads, upstreamId, gateRows[0]));
    this.#pending.countIn(findCell(loads, upstreamId, gateRows[1]));
  }

  get limits(): UpstreamLimits {
    return this.#limits;
  }

  /** Requests that hold a place, over all workers; for a metric. */
  get requests(): number {
    return this.#requests.load;
  }

  /** Requests that wait, over all workers; for a metric. */
  get pending(): number {
    return this.#pending.load;
  }

  /** True while `tick` has something to do. */
  get isRestless(): boolean {
    return this.#queue.length > 0;
  }

  /** New limits hold for whoever comes from now on; those who wait keep their time. */
  configure(limits: UpstreamLimits): void {
    this.#limits = limits;
  }

  /** Asks for a place. With `waiting`, one method of the waiter is called later, unless it is cancelled. */
  enter(waiter: Waiter, nowMs: number): Entrance {
    // Nobody overtakes those who wait.
    if (this.#queue.length === 0 && this.#takePlace()) return 'admitted';
    const { maxPending, pendingTimeoutMs } = this.#limits;
    if (!takeOne(this.#pending, maxPending)) return 'full';
    this.#queue.add(waiter, nowMs + pendingTimeoutMs);
    return 'waiting';
  }

  /** Takes a second place for a request that has one, if one is free and nobody waits for it; give it back by `leave`. */
  enterAgain(): boolean {
    return this.#queue.length === 0 && this.#takePlace();
  }

  /** Gives a place back, once per admission, however the request ended. */
  leave(): void {
    this.#requests.add(-1);
    this.#admit();
  }

  /** For a waiter whose client went away; nothing when it waits no more. */
  cancel(waiter: Waiter): void {
    if (this.#queue.remove(waiter)) this.#pending.add(-1);
  }

  /** Ends waits whose time is up, and looks for places that other workers have freed. Ten times a second is enough. */
  tick(nowMs: number): void {
    this.#admit();
    for (let late = this.#queue.takeTimedOut(nowMs); late !== null; late = this.#queue.takeTimedOut(nowMs)) {
      this.#pending.add(-1);
      late.onTimedOut();
    }
  }

  /** The upstream is gone: what this worker counts is no longer part of the sums. */
  close(): void {
    for (let waiter = this.#queue.take(); waiter !== null; waiter = this.#queue.take()) {
      this.#pending.add(-1);
      waiter.onTimedOut();
    }
    this.#requests.countIn(null);
    this.#pending.countIn(null);
  }

  #admit(): void {
    while (this.#queue.length > 0 && this.#takePlace()) {
      this.#pending.add(-1);
      this.#queue.take()?.onAdmitted();
    }
  }

  /** Over HTTP/1.1 each request under way holds a connection: the lower of both limits counts. */
  #takePlace(): boolean {
    const { maxRequests, maxConnections } = this.#limits;
    return takeOne(this.#requests, Math.min(maxRequests ?? Infinity, maxConnections ?? Infinity));
  }
}

function takeOne(counter: LoadTotal, limit: number): boolean {
  counter.add(1);
  if (counter.load <= limit) return true;
  counter.add(-1);
  return false;
}
