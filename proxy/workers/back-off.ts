// How long to wait before a crashed worker is started again: longer each time, and from the start after good behaviour.

const firstDelayMs = 100;
const longestDelayMs = 10_000;
const healthyAfterMs = 60_000;

export class BackOff {
  #failures = 0;

  /** Gives the delay before the next start. `servedMs` is how long the worker had served when it failed, 0 if it never did. */
  nextDelayMs(servedMs: number): number {
    if (servedMs >= healthyAfterMs) this.#failures = 0;
    const delayMs = Math.min(firstDelayMs * 2 ** this.#failures, longestDelayMs);
    this.#failures++;
    return delayMs;
  }
}
