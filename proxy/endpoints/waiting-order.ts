// Whose turn it is when a place comes free: requests wait in their own worker, and the place belongs to the one that has
// waited longest in the whole process. Without it a worker that holds all places would serve its own queue for ever.
//
// Each worker shows in a shared cell since when the first of its queue waits. A worker whose turn it is elsewhere is woken
// through its cell, and shows that it has heard; one that does not is busy or dead, and after a moment it is passed over, so
// that no free place waits for it.

import type { LoadCell } from './load-cell.ts';

/** What is shown: a time in quarters of a millisecond, and a bit that changes each time, so that every change is seen. */
const STEPS_PER_MS = 8;
/** Modulo this, 37 hours: longer than anybody waits. */
const RANGE = 2 ** 30;
/** A worker takes a tenth of a millisecond to react. */
const PATIENCE_MS = 5;

export interface WaitingOrderOptions {
  /** Of a row of its own; null: no other worker is known. */
  readonly cell: LoadCell | null;
  /** Called in a turn of its own when another worker wakes this one. */
  readonly onTurn: () => void;
  /** The same clock in all workers. */
  readonly nowMs: () => number;
}

export class WaitingOrder {
  readonly #options: WaitingOrderOptions;
  #sinceMs: number | null = null;
  #bit = 0;
  /** Who was woken last and when, and what its cell showed then. */
  #wokenColumn = -1;
  #wokenAtMs = 0;
  #wokenShown = 0;
  #isListening = false;
  #isClosed = false;

  constructor(options: WaitingOrderOptions) {
    this.#options = options;
  }

  /** The first of this worker's queue waits since then; null: nobody waits here. */
  show(sinceMs: number | null): void {
    const { cell } = this.#options;
    this.#sinceMs = sinceMs;
    if (cell === null) return;
    this.#bit ^= 1;
    // Never 0, which is nobody.
    cell.set(sinceMs === null ? 0 : ((Math.floor((sinceMs * STEPS_PER_MS) / 2) * 2 + this.#bit) % RANGE) + 2);
    if (sinceMs !== null && !this.#isListening && cell.columns > 1) this.#listen(cell);
  }

  /** The worker with the request that has waited longest, unless it is this one or does not react; else -1. */
  elder(): number {
    const { cell } = this.#options;
    if (cell === null) return -1;
    let eldest = -1;
    let earliest = cell.of(cell.column);
    for (let column = 0; column < cell.columns; column++) {
      if (column === cell.column) continue;
      const shown = cell.of(column);
      if (shown === 0 || this.#isPassedOver(column, shown)) continue;
      if (earliest !== 0 && !isBefore(shown, earliest)) continue;
      eldest = column;
      earliest = shown;
    }
    return eldest;
  }

  /** Tells a worker that `elder` gave that there is a place. */
  wake(column: number): void {
    const { cell, nowMs } = this.#options;
    if (cell === null) return;
    const shown = cell.of(column);
    // It has not heard of the last place yet, and will find all there are.
    if (column === this.#wokenColumn && shown === this.#wokenShown) return;
    this.#wokenColumn = column;
    this.#wokenShown = shown;
    this.#wokenAtMs = nowMs();
    cell.wake(column);
  }

  /** Nobody waits here any more, and nobody will. */
  close(): void {
    this.show(null);
    this.#isClosed = true;
    const { cell } = this.#options;
    // What listens would otherwise stay in the runtime's list for good.
    if (this.#isListening) cell?.wake(cell.column);
  }

  #isPassedOver(column: number, shown: number): boolean {
    if (column !== this.#wokenColumn || shown !== this.#wokenShown) return false;
    return this.#options.nowMs() - this.#wokenAtMs >= PATIENCE_MS;
  }

  #listen(cell: LoadCell): void {
    this.#isListening = true;
    cell.onWoken(() => {
      this.#isListening = false;
      if (this.#isClosed) return;
      // It has heard, and hears on.
      if (this.#sinceMs !== null) this.show(this.#sinceMs);
      this.#options.onTurn();
    });
  }
}

function isBefore(a: number, b: number): boolean {
  const ahead = (b - a + RANGE) % RANGE;
  return ahead > 0 && ahead < RANGE / 2;
}
