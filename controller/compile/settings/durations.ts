// Settings in seconds become timer arguments in milliseconds.

/** Longest delay a Node.js timer takes: about 24.8 days. A longer one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Seconds to milliseconds, cut to what a timer takes: nobody can tell 25 days from a year of waiting. */
export function timerMs(seconds: number): number {
  return Math.min(seconds * 1000, MAX_TIMER_MS);
}
