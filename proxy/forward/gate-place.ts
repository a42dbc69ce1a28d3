// The place of one request among those of its upstream, where the upstream limits them: asked for, waited for, given back.
// Reused by its exchange. Without limits nothing here does anything.

import type { Waiter } from '../endpoints/pending-queue.ts';
import type { Entrance, UpstreamGate } from '../endpoints/upstream-gate.ts';

export class GatePlace {
  /** null: no place is held or waited for. */
  #gate: UpstreamGate | null = null;
  #waiter: Waiter | null = null;
  /** When it was asked for. */
  #enteredAtMs = 0;

  /** Asks for a place. With `waiting` the waiter is told later; then call `waited`. */
  enter(gate: UpstreamGate, waiter: Waiter, nowMs: number): Entrance {
    this.#enteredAtMs = nowMs;
    const entrance = gate.enter(waiter, nowMs);
    if (entrance === 'full') return entrance;
    this.#gate = gate;
    this.#waiter = entrance === 'waiting' ? waiter : null;
    return entrance;
  }

  /** For one that was admitted and has found all endpoints full: true when it waits on; else it has no place any more. */
  waitOn(waiter: Waiter): boolean {
    if (this.#gate === null) return false;
    const isWaiting = this.#gate.waitOn(waiter, this.#enteredAtMs);
    if (isWaiting) this.#waiter = waiter;
    else this.#gate = null;
    return isWaiting;
  }

  /** The wait has ended, with a place or without one. */
  waited(isAdmitted: boolean): void {
    this.#waiter = null;
    if (!isAdmitted) this.#gate = null;
  }

  /** Takes a second place, for an attempt beside the one in use; false: there is none. */
  enterAgain(): boolean {
    return this.#gate === null || this.#gate.enterAgain();
  }

  /** Gives the second place back. */
  leaveAgain(): void {
    this.#gate?.leave();
  }

  /** What an attempt took, for a limit that follows the response times; `now` is the gate's clock. */
  observe(elapsedMs: number, now: () => number): void {
    const gate = this.#gate;
    if (gate !== null && gate.adaptive !== null) gate.observe(elapsedMs, now());
  }

  /** Gives the place back, or leaves the queue for one. */
  clear(): void {
    const gate = this.#gate;
    if (gate === null) return;
    const waiter = this.#waiter;
    this.#gate = null;
    this.#waiter = null;
    // The place may go to another request at once.
    if (waiter === null) gate.leave();
    else gate.cancel(waiter);
  }
}
