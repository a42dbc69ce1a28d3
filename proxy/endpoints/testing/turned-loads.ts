// Shared counters of several workers in one thread: who was woken runs when the test says so, in the order of the calls.

import { SharedLoads } from '../shared-loads.ts';

export class TurnedLoads extends SharedLoads {
  readonly #listeners = new Map<string, (() => void)[]>();
  #woken: { readonly column: number; readonly listener: () => void }[] = [];

  /** Wakes whose listeners have not run yet. */
  get pendingWakes(): number {
    return this.#woken.length;
  }

  override wake(column: number, row: number): void {
    const key = `${column} ${row}`;
    for (const listener of this.#listeners.get(key) ?? []) this.#woken.push({ column, listener });
    this.#listeners.delete(key);
  }

  override whenWoken(column: number, row: number, listener: () => void): void {
    const key = `${column} ${row}`;
    this.#listeners.set(key, [...(this.#listeners.get(key) ?? []), listener]);
  }

  /** A thread is gone, and with it what it listened to and the turns it had before it. */
  forget(column: number): void {
    this.clearColumn(column);
    for (const key of this.#listeners.keys()) if (key.startsWith(`${column} `)) this.#listeners.delete(key);
    this.#woken = this.#woken.filter((each) => each.column !== column);
  }

  /** The workers that were woken have their turn. */
  turn(): void {
    const woken = this.#woken;
    this.#woken = [];
    for (const { listener } of woken) listener();
  }
}
