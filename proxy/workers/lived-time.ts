// Time as a worker has lived it: a standstill of the process (a throttled container, a moved machine, a long turn of its
// own) is not counted against those that waited for it.
//
// PURE given the readings of a clock. Whoever reads a clock behind a standstill finds every deadline passed at once, and
// would end clients and upstreams for a silence that was its own.

export class LivedTime {
  readonly #longestStepMs: number;
  #readMs: number;
  #nowMs: number;

  /** Two readings further apart than `longestStepMs` count as that much. */
  constructor(readMs: number, longestStepMs: number) {
    this.#longestStepMs = longestStepMs;
    this.#readMs = readMs;
    this.#nowMs = readMs;
  }

  /** Milliseconds lived; begins with the first reading. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Takes a reading of a monotonic clock; gives what has been lived till then. */
  read(readMs: number): number {
    this.#nowMs += Math.min(readMs - this.#readMs, this.#longestStepMs);
    this.#readMs = readMs;
    return this.#nowMs;
  }
}
