// Circuit breaking of one upstream in one worker: how many requests are at it, and how many may wait. PURE given times.
//
//   enter -> admitted --leave--> the next that waits
//         -> waiting  --place--> onAdmitted, or --time--> onTimedOut, or --client gone--> cancel
//         -> full                                                       (answered 503 with Retry-After)
//
// Places hold for the whole process: they are counted in shared memory, first counted in, then checked, so that workers
// that ask at one moment never take more than there are. A place that another worker frees is seen at the next tick.
// With adaptive concurrency the number of places follows the response times; the workers find it together.

import { AdaptiveLimit, type AdaptiveNumbers } from '../balance/adaptive-limit.ts';
import { LoadNumbers } from '../balance/load-numbers.ts';
import type { UpstreamLimits } from '../table/upstream-settings.ts';
import { findCell, type LoadCell, LoadTotal, type WorkerLoads } from './load-cell.ts';
import { PendingQueue, type Waiter } from './pending-queue.ts';

/** Rows of the gate's counters in the shared memory, beside those of endpoints; no endpoint has such a name. */
export const gateRows = ['#requests', '#pending'] as const;
/** One more with adaptive concurrency. */
export const adaptiveRow = '#adaptive';

export type Entrance = 'admitted' | 'waiting' | 'full';

export class UpstreamGate {
  readonly #requests = new LoadTotal();
  readonly #pending = new LoadTotal();
  readonly #queue = new PendingQueue();
  readonly #upstreamId: string;
  readonly #loads: WorkerLoads | null;
  #limits: UpstreamLimits;
  #adaptive: AdaptiveLimit | null = null;

  constructor(limits: UpstreamLimits, upstreamId: string, loads: WorkerLoads | null) {
    this.#requests.countIn(findCell(loads, upstreamId, gateRows[0]));
    this.#pending.countIn(findCell(loads, upstreamId, gateRows[1]));
    this.#upstreamId = upstreamId;
    this.#loads = loads;
    this.#limits = limits;
    this.configure(limits);
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

  /** Without shared counters each worker counts alone, and its limits are its own. */
  get isShared(): boolean {
    return this.#requests.cell !== null;
  }

  /** The limit that was found from response times; null without adaptive concurrency: then do not `observe`. */
  get adaptive(): AdaptiveLimit | null {
    return this.#adaptive;
  }

  /** True while `tick` has something to do. */
  get isRestless(): boolean {
    return this.#queue.length > 0;
  }

  /** New limits hold for whoever comes from now on; those who wait keep their time. */
  configure(limits: UpstreamLimits): void {
    this.#limits = limits;
    const { adaptive } = limits;
    if (adaptive === null) this.#adaptive = null;
    else if (this.#adaptive === null) this.#adaptive = new AdaptiveLimit(adaptive, this.#numbers());
    else this.#adaptive.configure(adaptive);
  }

  /** An attempt was answered, or waited in vain, for `latencyMs`. */
  observe(latencyMs: number, nowMs: number): void {
    this.#adaptive?.observe(latencyMs, nowMs, this.#requests.load);
  }

  /** Asks for a place. With `waiting`, one method of the waiter is called later, unless it is cancelled. */
  enter(waiter: Waiter, nowMs: number): Entrance {
    this.#adaptive?.advance(nowMs, this.#requests.load);
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

  /**
   * The limits are lifted, or the upstream is gone: who waits goes on, and what this worker counts is no longer part of
   * the sums. Those who hold a place still give it back.
   */
  close(): void {
    this.#requests.countIn(null);
    for (let waiter = this.#queue.take(); waiter !== null; waiter = this.#queue.take()) {
      this.#pending.add(-1);
      this.#requests.add(1);
      waiter.onAdmitted();
    }
    this.#pending.countIn(null);
  }

  #admit(): void {
    while (this.#queue.length > 0 && this.#takePlace()) {
      this.#pending.add(-1);
      this.#queue.take()?.onAdmitted();
    }
  }

  /** Over HTTP/1.1 each request under way holds a connection: the lowest of the limits counts. */
  #takePlace(): boolean {
    const { maxRequests, maxConnections } = this.#limits;
    const adaptive = this.#adaptive === null ? Infinity : this.#adaptive.limit;
    return takeOne(this.#requests, Math.min(maxRequests ?? Infinity, maxConnections ?? Infinity, adaptive));
  }

  /** In the cells for scores of the gate's rows, which have none. Without rows they are this worker's own. */
  #numbers(): AdaptiveNumbers {
    const before = findCell(this.#loads, this.#upstreamId, adaptiveRow);
    return { found: numbersOf(this.#requests.cell), times: numbersOf(this.#pending.cell), before: numbersOf(before) };
  }
}

function numbersOf(cell: LoadCell | null): LoadNumbers {
  return cell?.numbers() ?? new LoadNumbers();
}

function takeOne(counter: LoadTotal, limit: number): boolean {
  counter.add(1);
  if (counter.load <= limit) return true;
  counter.add(-1);
  return false;
}
