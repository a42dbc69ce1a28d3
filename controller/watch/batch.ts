// Gathers a burst of changes into one run: it waits for a quiet time, but never longer than a ceiling, so that a stream
// of changes without end still gets through.

import { type CancelTimer, type Clock, systemClock } from './clock.ts';

export interface BatchOptions {
  /** Called once for each batch. Throwing is a bug of the caller and is not caught here. */
  readonly run: () => void;
  /** The batch runs when nothing was marked for this long. Default 10 ms. */
  readonly quietMs?: number;
  /** The batch runs at the latest this long after its first mark. Default 50 ms. */
  readonly ceilingMs?: number;
  readonly clock?: Clock;
}

/** One batch at a time: `mark` opens it or prolongs it, the clock closes it. */
export class Batch {
  readonly #run: () => void;
  readonly #quietMs: number;
  readonly #ceilingMs: number;
  readonly #clock: Clock;
  #openedAtMs = 0;
  #cancel: CancelTimer | null = null;
  #closed = false;

  constructor({ run, quietMs = 10, ceilingMs = 50, clock = systemClock }: BatchOptions) {
    this.#run = run;
    this.#quietMs = quietMs;
    this.#ceilingMs = ceilingMs;
    this.#clock = clock;
  }

  /** Notes that something changed. */
  mark(): void {
    if (this.#closed) return;
    const nowMs = this.#clock.nowMs();
    if (this.#cancel === null) this.#openedAtMs = nowMs;
    else this.#cancel();
    const leftMs = this.#openedAtMs + this.#ceilingMs - nowMs;
    this.#cancel = this.#clock.after(Math.max(0, Math.min(this.#quietMs, leftMs)), () => {
      this.#cancel = null;
      this.#run();
    });
  }

  /** Drops an open batch and ignores all later marks. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#cancel = null;
  }
}
