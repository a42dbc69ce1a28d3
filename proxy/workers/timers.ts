// Time as an argument: what the worker pool asks of the clock, and the real one. Tests pass a clock they turn by hand.

import { performance } from 'node:perf_hooks';

export interface Timers {
  /** Milliseconds that only go forward; the zero point means nothing. */
  nowMs(): number;
  /** Calls `run` once after `delayMs`, unless the returned function was called before. */
  after(delayMs: number, run: () => void): () => void;
}

/** The real clock. Its timers do not keep the process alive. */
export const systemTimers: Timers = {
  nowMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Calls `run` every `everyMs` by the real clock until the returned function is called. Does not keep the process alive. */
export function repeat(run: () => void, everyMs: number): () => void {
  const timer = setInterval(run, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
