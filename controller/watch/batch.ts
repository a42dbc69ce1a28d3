// Gathers a burst of changes into one run: it waits for a quiet time, but never longer than a ceiling, so that a stream
// of changes without end still gets through. A change that comes alone, after a calm, hardly waits.

import { type CancelTimer, type Clock, systemClock } from './clock.ts';

export interface BatchOptions {
  /** Called once for each batch. Throwing is a bug of the caller and is not caught here. */
  readonly run: () => void;
  /** The batch runs when nothing was marked for this long. Default 10 ms. */
  readonly quietMs?: number;
  /** The same for the first change after a calm; with a second one it is a burst. Default `quietMs`. */
  readonly firstQuietMs?: number;
  /** The batch runs at the latest this long after its first mark. Default 50 ms. */
  readonly ceilingMs?: number;
  readonly clock?: Clock;
}

/** A change so long after the one before is no part of a stream. */
const calmMs = 20;

/** One batch at a time: `mark` opens it or prolongs it, the clock closes it. */
export class Batch {
  readonly #run: () => void;
  readonly #quietMs: number;
  readonly #firstQuietMs: number;
  readonly #ceilingMs: number;
  readonly #clock: Clock;
  #openedAtMs = 0;
  #markedAtMs = Number.NEGATIVE_INFINITY;
  #cancel: CancelTimer | null = null;
  #closed = false;

  constructor({ run, quietMs = 10, firstQuietMs = quietMs, ceilingMs = 50, clock = systemClock }: BatchOptions) {
    this.#run = run;
    this.#quietMs = quietMs;
    this.#firstQuietMs = firstQuietMs;
    this.#ceilingMs = ceilingMs;
    this.#clock = clock;
  }

  /** Notes that something changed. */
  mark(): void {
    if (this.#closed) return;
    const nowMs = this.#clock.nowMs();
    const isAlone = this.#cancel === null && nowMs - this.#markedAtMs >= calmMs;
    const quietMs = isAlone ? this.#firstQuietMs : this.#quietMs;
    this.#markedAtMs = nowMs;
    if (this.#cancel === null) this.#openedAtMs = nowMs;
    else this.#cancel();
    const leftMs = this.#openedAtMs + this.#ceilingMs - nowMs;
    this.#cancel = this.#clock.after(Math.max(0, Math.min(quietMs, leftMs)), () => {
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
