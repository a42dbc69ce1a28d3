// Circuit breaking of one upstream in one worker: how many requests are at it, and how many may wait. Times are arguments.
//
//   enter -> admitted --leave--> the next that waits
//         -> waiting  --place--> onAdmitted, or --time--> onTimedOut, or --client gone--> cancel
//         -> full                                                       (answered 503 with Retry-After)
//
// Places hold for the whole process: they are counted in shared memory, first counted in, then checked, so that workers
// that ask at one moment never take more than there are. So does the queue: a place goes to who has waited longest, in
// whichever worker (waiting-order.ts). Where endpoints have limits of their own, there is a place while one has room.
// With adaptive concurrency the number of places follows the response times; the workers find it together.

import { AdaptiveLimit } from '../balance/adaptive-limit.ts';
import { LoadNumbers } from '../balance/load-numbers.ts';
import type { AdaptiveLimitSettings, UpstreamLimits } from '../table/upstream-settings.ts';
import { findCell, type LoadCell, LoadTotal, type WorkerLoads } from './load-cell.ts';
import { PendingQueue, type Waiter } from './pending-queue.ts';
import { WaitingOrder } from './waiting-order.ts';

/** Rows of the gate's counters in the shared memory, beside those of endpoints; no endpoint has such a name. */
export const gateRows = ['#requests', '#pending', '#waiting'] as const;
/** One more with adaptive concurrency. */
export const adaptiveRow = '#adaptive';

export type Entrance = 'admitted' | 'waiting' | 'full';

/** What a gate belongs to. */
export interface GateOptions {
  readonly upstreamId: string;
  /** null: it counts for itself. */
  readonly loads: WorkerLoads | null;
  /** The same clock in all workers; times that are given to the gate are of it. */
  readonly nowMs: () => number;
  /** Some endpoint may have another request; also true when there is none at all, for which nobody waits. */
  readonly hasRoom: () => boolean;
}

export class UpstreamGate {
  readonly #options: GateOptions;
  readonly #requests = new LoadTotal();
  readonly #pending = new LoadTotal();
  readonly #queue = new PendingQueue();
  #order: WaitingOrder;
  #limits: UpstreamLimits;
  #adaptive: AdaptiveLimit | null = null;
  /** All numbers of `#adaptive` are those of all workers. */
  #hasAdaptiveRow = false;
  /** Somebody is being let in: who gives a place back meanwhile need not look for the next one. */
  #isAdmitting = false;
  /** The one that was let in has found nothing: other workers were quicker. */
  #isBeaten = false;

  constructor(limits: UpstreamLimits, options: GateOptions) {
    this.#options = options;
    this.#order = this.#orderWith(null);
    this.#limits = limits;
    this.configure(limits);
  }

  get limits(): UpstreamLimits {
    return this.#limits;
  }

  /** Requests that hold a place, over all workers. */
  get requests(): number {
    return this.#requests.load;
  }

  /** Requests that wait, over all workers. */
  get pending(): number {
    return this.#pending.load;
  }

  /** Of this worker: those that hold a place, and those that wait. For metrics. */
  get own(): { readonly running: number; readonly pending: number } {
    return { running: this.#requests.own, pending: this.#queue.length };
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

  /** New limits hold from now on, also for those who wait, and for how long. */
  configure(limits: UpstreamLimits): void {
    this.#limits = limits;
    // Also later: rows may have been short when it began.
    if (!this.isShared) this.#share();
    this.#adapt(limits.adaptive);
    this.#admit();
  }

  /** An attempt was answered, or waited in vain, for `latencyMs`. */
  observe(latencyMs: number, nowMs: number): void {
    this.#adaptive?.observe(latencyMs, nowMs, this.#requests.load);
  }

  /** Asks for a place. With `waiting`, one method of the waiter is called later, unless it is cancelled. */
  enter(waiter: Waiter, nowMs: number): Entrance {
    this.#adaptive?.advance(nowMs, this.#requests.load);
    // Nobody overtakes those who wait.
    if (this.#queue.length === 0 && this.#isOurTurn() && this.#takePlace()) return 'admitted';
    if (!takeOne(this.#pending, this.#limits.maxPending)) return 'full';
    this.#queue.add(waiter, nowMs);
    this.#showFirst();
    // A place that was freed before others could see that somebody waits: nobody wakes this worker for it.
    if (this.#queue.length > 1 || !this.#hasFree() || !this.#isOurTurn() || !this.#takePlace()) return 'waiting';
    this.cancel(waiter);
    return 'admitted';
  }

  /** Takes a second place for a request that has one, if one is free and nobody waits for it; give it back by `leave`. */
  enterAgain(): boolean {
    return this.#pending.load === 0 && this.#takePlace();
  }

  /**
   * For one that was admitted and finds all endpoints full, since other workers were quicker: gives its place back and
   * waits on, before all others of this worker, as if since `sinceMs`. False: too many wait.
   */
  waitOn(waiter: Waiter, sinceMs: number): boolean {
    this.#requests.add(-1);
    if (!takeOne(this.#pending, this.#limits.maxPending)) return false;
    this.#isBeaten = true;
    this.#queue.putBack(waiter, sinceMs);
    this.#showFirst();
    return true;
  }

  /** Gives a place back, once per admission, however the request ended. */
  leave(): void {
    this.#requests.add(-1);
    this.#admit();
  }

  /** For a waiter whose client went away; nothing when it waits no more. */
  cancel(waiter: Waiter): void {
    if (!this.#queue.remove(waiter)) return;
    this.#pending.add(-1);
    this.#showFirst();
  }

  /** Ends waits whose time is up, and looks for places. Ten times a second is enough. */
  tick(nowMs: number): void {
    this.#admit();
    const latestMs = nowMs - this.#limits.pendingTimeoutMs;
    let late = this.#queue.takeWaitingSince(latestMs);
    while (late !== null) {
      this.#pending.add(-1);
      this.#showFirst();
      late.onTimedOut();
      late = this.#queue.takeWaitingSince(latestMs);
    }
  }

  /**
   * The limits are lifted, or the upstream is gone: who waits goes on, and what this worker counts is no longer part of
   * the sums. Those who hold a place still give it back.
   */
  close(): void {
    this.#isAdmitting = true;
    this.#requests.countIn(null);
    for (let waiter = this.#queue.take(); waiter !== null; waiter = this.#queue.take()) {
      this.#pending.add(-1);
      this.#requests.add(1);
      waiter.onAdmitted();
    }
    this.#isAdmitting = false;
    this.#pending.countIn(null);
    this.#order.close();
    this.#order = this.#orderWith(null);
  }

  /** Lets those in who wait, as far as there are places, and wakes the worker whose turn it is after them. */
  #admit(): void {
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    this.#isBeaten = false;
    while (!this.#isBeaten && this.#isOurTurn() && this.#queue.length > 0 && this.#takePlace()) {
      this.#pending.add(-1);
      const waiter = this.#queue.take();
      this.#showFirst();
      waiter?.onAdmitted();
    }
    this.#isAdmitting = false;
  }

  /** In no other worker somebody has waited longer; who has is woken when there is a place. */
  #isOurTurn(): boolean {
    if (this.#pending.load === this.#queue.length) return true;
    const elder = this.#order.elder();
    if (elder === -1) return true;
    if (this.#hasFree() && this.#options.hasRoom()) this.#order.wake(elder);
    return false;
  }

  /** Without counting in: who only looks hinders nobody. */
  #hasFree(): boolean {
    return this.#requests.load < this.#limit();
  }

  #takePlace(): boolean {
    return this.#options.hasRoom() && takeOne(this.#requests, this.#limit());
  }

  /** Over HTTP/1.1 each request under way holds a connection: the lowest of the limits counts. */
  #limit(): number {
    const { maxRequests, maxConnections } = this.#limits;
    const adaptive = this.#adaptive === null ? Infinity : this.#adaptive.limit;
    return Math.min(maxRequests ?? Infinity, maxConnections ?? Infinity, adaptive);
  }

  #showFirst(): void {
    this.#order.show(this.#queue.firstSinceMs);
  }

  #share(): void {
    const { loads, upstreamId } = this.#options;
    const [requests, pending, waiting] = gateRows.map((row) => findCell(loads, upstreamId, row));
    // All or none: without its order a queue that is counted would hold the other workers up.
    if (!requests || !pending || !waiting) return;
    this.#requests.countIn(requests);
    this.#pending.countIn(pending);
    this.#order = this.#orderWith(waiting);
    this.#showFirst();
    // Made anew on the shared numbers: one of its own would be a second limit for a count that is everybody's.
    this.#adaptive = null;
  }

  /** Takes numbers of all workers also later: rows may have been short. */
  #adapt(settings: AdaptiveLimitSettings | null): void {
    if (settings === null) {
      this.#adaptive = null;
      this.#hasAdaptiveRow = false;
      return;
    }
    const { loads, upstreamId } = this.#options;
    const row = this.isShared && !this.#hasAdaptiveRow ? findCell(loads, upstreamId, adaptiveRow) : null;
    if (this.#adaptive !== null && row === null) return this.#adaptive.configure(settings);
    this.#hasAdaptiveRow = row !== null;
    this.#adaptive = this.#adaptiveLimit(settings, row);
  }

  #orderWith(cell: LoadCell | null): WaitingOrder {
    return new WaitingOrder({ cell, nowMs: this.#options.nowMs, onTurn: () => this.#admit() });
  }

  /** Its numbers are in the cells for scores of the gate's rows, which have none. Without rows they are this worker's own. */
  #adaptiveLimit(settings: AdaptiveLimitSettings, row: LoadCell | null): AdaptiveLimit {
    const [found, times] = [numbersOf(this.#requests.cell), numbersOf(this.#pending.cell)];
    return new AdaptiveLimit(settings, { found, times, before: numbersOf(row) }, this.#requests.cell?.columns);
  }
}

function numbersOf(cell: LoadCell | null): LoadNumbers {
  return cell?.numbers() ?? new LoadNumbers();
}

/** Two workers that want the last one at one moment both step back, and so have to look again. */
const MAX_TAKES = 4;

function takeOne(counter: LoadTotal, limit: number): boolean {
  for (let times = 0; times < MAX_TAKES; times++) {
    counter.add(1);
    if (counter.load <= limit) return true;
    counter.add(-1);
    if (counter.load >= limit) return false;
  }
  return false;
}
