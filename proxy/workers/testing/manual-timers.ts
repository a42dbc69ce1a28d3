// A clock that stands still until a test turns it.

import type { Timers } from '../timers.ts';

interface Pending {
  readonly atMs: number;
  readonly run: () => void;
}

export class ManualTimers implements Timers {
  #nowMs = 0;
  readonly #pending = new Set<Pending>();

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const pending = { atMs: this.#nowMs + delayMs, run };
    this.#pending.add(pending);
    return () => this.#pending.delete(pending);
  }

  /** Milliseconds until each pending call, soonest first. */
  get delays(): readonly number[] {
    return [...this.#pending].map((pending) => pending.atMs - this.#nowMs).sort((a, b) => a - b);
  }

  /** Moves the clock on and makes the calls that become due, in order; also those they add in turn. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#pending].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#pending.delete(next);
      this.#nowMs = next.atMs;
      next.run();
    }
    this.#nowMs = untilMs;
  }
}
