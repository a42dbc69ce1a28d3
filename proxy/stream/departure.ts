// Waits until the last of several connections is gone, for a limited time. Several may wait.

export class Departure {
  readonly #waiting = new Set<() => void>();

  /** Resolves when `allGone` is called, at the latest after `limitMs`. */
  wait(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, limitMs);
      this.#waiting.add(wake);
    });
  }

  allGone(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
