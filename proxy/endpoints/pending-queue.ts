// Requests that wait for a place, first come first served, each for a limited time. PURE: times are arguments.
//
// A linked list, so that one whose client went away leaves at once. All may wait equally long, so the first to come is also
// the first to run out of time; how long that is may change while they wait.

/** Who waits. One object waits in one queue at a time. */
export interface Waiter {
  /** There is a place; it counts as taken. */
  onAdmitted(): void;
  /** It has waited too long and is in the queue no more. */
  onTimedOut(): void;
}

interface Entry {
  readonly waiter: Waiter;
  readonly sinceMs: number;
  previous: Entry | null;
  next: Entry | null;
}

export class PendingQueue {
  readonly #entries = new Map<Waiter, Entry>();
  #first: Entry | null = null;
  #last: Entry | null = null;

  get length(): number {
    return this.#entries.size;
  }

  /** Since when the one waits that has waited longest; null when nobody waits. */
  get firstSinceMs(): number | null {
    return this.#first === null ? null : this.#first.sinceMs;
  }

  /** Adds a waiter at the end. `sinceMs` must not be before that of the one ahead. */
  add(waiter: Waiter, sinceMs: number): void {
    const entry: Entry = { waiter, sinceMs, previous: this.#last, next: null };
    if (this.#last === null) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    this.#entries.set(waiter, entry);
  }

  /** Puts one back that `take` gave and that has found nothing: before all others. */
  putBack(waiter: Waiter, sinceMs: number): void {
    const entry: Entry = { waiter, sinceMs, previous: null, next: this.#first };
    if (this.#first === null) this.#last = entry;
    else this.#first.previous = entry;
    this.#first = entry;
    this.#entries.set(waiter, entry);
  }

  /** Removes one that wants no place any more; false when it does not wait. */
  remove(waiter: Waiter): boolean {
    const entry = this.#entries.get(waiter);
    if (entry === undefined) return false;
    this.#unlink(entry);
    return true;
  }

  /** Takes the one that has waited longest; null when nobody waits. */
  take(): Waiter | null {
    const entry = this.#first;
    if (entry === null) return null;
    this.#unlink(entry);
    return entry.waiter;
  }

  /** Takes the one that has waited longest if it has done so since `latestMs` or before. */
  takeWaitingSince(latestMs: number): Waiter | null {
    return this.#first === null || this.#first.sinceMs > latestMs ? null : this.take();
  }

  #unlink(entry: Entry): void {
    this.#entries.delete(entry.waiter);
    if (entry.previous === null) this.#first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === null) this.#last = entry.previous;
    else entry.next.previous = entry.previous;
  }
}
