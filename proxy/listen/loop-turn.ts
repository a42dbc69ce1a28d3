// The end of a turn of the event loop, when all that a worker's sockets were given during the turn is written.
//
// Two reasons. Several things for one socket leave in one system call. And a small write at once wakes the process at its
// other end for that one message, and finds it asleep again with the next one: waking is the dearest part of a small
// write (docs/performance-history.md, "Writes at the end of a turn").

/** Somebody who has something to write. */
export interface Flushable {
  flush(): void;
}

const NOBODY: Flushable = { flush: () => undefined };

export class LoopTurn {
  /** Used up to `#count`. Emptying a list of this kind would cost more than what is done with it. */
  #waiting: Flushable[] = [];
  #spare: Flushable[] = [];
  #count = 0;

  /** Calls `each.flush` once when this turn ends; what is added meanwhile has its turn in the next one. */
  add(each: Flushable): void {
    this.#waiting[this.#count++] = each;
    if (this.#count === 1) setImmediate(this.#end);
  }

  readonly #end = (): void => {
    const ending = this.#waiting;
    const count = this.#count;
    this.#waiting = this.#spare;
    this.#spare = ending;
    this.#count = 0;
    for (let at = 0; at < count; at++) {
      const each = ending[at] as Flushable;
      ending[at] = NOBODY;
      each.flush();
    }
  };
}
