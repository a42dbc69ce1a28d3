// When the upstream side of an exchange has taken too long: one deadline that moves with what it waits for, cut short by
// the time limit of the attempt at hand (`per-try-timeout`).

import { Deadline, type Timed, type TimerWheel } from './timer-wheel.ts';

export class AttemptDeadline {
  readonly #wheel: TimerWheel;
  readonly #deadline: Deadline;
  /** When the attempt at hand must have its response head; infinite without a limit. */
  #tryEndsAtMs = Number.POSITIVE_INFINITY;

  constructor(wheel: TimerWheel, owner: Timed) {
    this.#wheel = wheel;
    this.#deadline = new Deadline(owner);
  }

  /** An attempt begins. It has `limitMs` until its response head comes; null: no limit of its own. */
  beginTry(limitMs: number | null): void {
    const { nowMs, tickMs } = this.#wheel;
    // Never early, as `setNotBefore`: a limit may be shorter than a tick.
    this.#tryEndsAtMs = limitMs === null ? Number.POSITIVE_INFINITY : nowMs + tickMs + limitMs;
  }

  /** The attempt has its response head, or there is none under way. */
  endTry(): void {
    this.#tryEndsAtMs = Number.POSITIVE_INFINITY;
  }

  get isTryOver(): boolean {
    return this.#wheel.nowMs >= this.#tryEndsAtMs;
  }

  /** Fires after `delayMs`, or when the attempt's own time is up. */
  arm(delayMs: number): void {
    const { nowMs } = this.#wheel;
    this.#wheel.set(this.#deadline, Math.min(delayMs, Math.max(0, this.#tryEndsAtMs - nowMs)));
  }

  /** Nothing of the upstream's is waited for. */
  clear(): void {
    this.#wheel.clear(this.#deadline);
  }

  /** Nothing of it stays linked anywhere. */
  close(): void {
    this.#wheel.remove(this.#deadline);
  }
}
