// A time limit that can be prolonged, on an injected clock: a request ends when its owner closes it or when it has been
// quiet for too long.

import type { CancelTimer, Clock } from '../clock.ts';

/** Aborts `signal` when `limitMs` have passed since the last `touch`, or with `parent`. `end` it in any case. */
export class Deadline {
  readonly #clock: Clock;
  #limitMs: number;
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal;
  #cancel: CancelTimer;
  #hasExpired = false;

  constructor(clock: Clock, limitMs: number, parent: AbortSignal) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#parent = parent;
    this.#cancel = this.#arm();
    if (parent.aborted) this.#abort();
    else parent.addEventListener('abort', this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** True when the time ran out, false when the parent ended it. */
  get hasExpired(): boolean {
    return this.#hasExpired;
  }

  /** Starts the limit anew, or another one from now on. */
  touch(limitMs: number = this.#limitMs): void {
    this.#limitMs = limitMs;
    this.#cancel();
    this.#cancel = this.#arm();
  }

  /** Stops the clock. What was requested is over: an answer that is read to its end leaves a connection to reuse. */
  end(): void {
    this.#parent.removeEventListener('abort', this.#abort);
    this.#cancel();
  }

  readonly #abort = (): void => {
    this.#cancel();
    this.#controller.abort();
  };

  #arm(): CancelTimer {
    return this.#clock.after(this.#limitMs, () => {
      this.#hasExpired = true;
      this.#abort();
    });
  }
}
