// Shared counters of several workers in one thread: who was woken runs when the test says so, in the order of the calls.

import { SharedLoads } from '../shared-loads.ts';

export class TurnedLoads extends SharedLoads {
  readonly #listeners = new Map<string, (() => void)[]>();
  #woken: (() => void)[] = [];

  override wake(column: number, row: number): void {
    const key = `${column} ${row}`;
    this.#woken.push(...(this.#listeners.get(key) ?? []));
    this.#listeners.delete(key);
  }

  override whenWoken(column: number, row: number, listener: () => void): void {
    const key = `${column} ${row}`;
    this.#listeners.set(key, [...(this.#listeners.get(key) ?? []), listener]);
  }

  /** The workers that were woken have their turn. */
  turn(): void {
    const woken = this.#woken;
    this.#woken = [];
    for (const listener of woken) listener();
  }
}
