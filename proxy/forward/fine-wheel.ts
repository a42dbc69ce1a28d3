// Deadlines of a few milliseconds, for the few requests that need them: the worker's own wheel turns ten times a second.
//
//   still --first deadline--> turning --nothing hangs in it any more--> still
// While it stands still it costs nothing: no timer runs.

import { type Deadline, TimerWheel } from './timer-wheel.ts';

/** Deadlines fire up to two of these late, never early. */
const TICK_MS = 5;
/** A power of two; see TimerWheel. */
const SLOTS = 256;

/** Calls `run` every so many milliseconds until the returned function is called. */
export type Repeat = (run: () => void, everyMs: number) => () => void;

export class FineWheel {
  readonly #nowMs: () => number;
  readonly #repeat: Repeat;
  readonly #wheel: TimerWheel;
  readonly #tick = (): void => this.#advance();
  #stop: (() => void) | null = null;

  /** `nowMs`: monotonic milliseconds with fractions. */
  constructor(nowMs: () => number, repeat: Repeat) {
    this.#nowMs = nowMs;
    this.#repeat = repeat;
    this.#wheel = new TimerWheel(nowMs(), TICK_MS, SLOTS);
  }

  /** True while its timer runs. */
  get isTurning(): boolean {
    return this.#stop !== null;
  }

  /** Lets `deadline` fire `delayMs` from now, replacing what was set. */
  set(deadline: Deadline, delayMs: number): void {
    const nowMs = this.#nowMs();
    if (this.#stop === null) {
      // It has stood still for any time: a deadline is placed by the turn that the wheel knows of.
      this.#wheel.advance(nowMs);
      this.#stop = this.#repeat(this.#tick, TICK_MS);
    }
    this.#wheel.set(deadline, nowMs - this.#wheel.nowMs + delayMs);
  }

  /** Lets it never fire. */
  clear(deadline: Deadline): void {
    this.#wheel.clear(deadline);
  }

  /** The same for an owner that is going away. */
  remove(deadline: Deadline): void {
    this.#wheel.remove(deadline);
  }

  #advance(): void {
    this.#wheel.advance(this.#nowMs());
    if (!this.#wheel.isEmpty) return;
    this.#stop?.();
    this.#stop = null;
  }
}
