// How many requests one HTTP/2 connection may begin in one loop turn; further ones wait for the next turns.
//
// One read can hold hundreds of requests, each of which may open an upstream connection: begun all at once they would hold
// up every other client of the worker. And what a client resets in the same breath (CVE-2023-44487) is never begun at all.

import type { Flushable, LoopTurn } from './loop-turn.ts';

/** Requests begun at once: more than browsers ask for, and a few milliseconds of work where endpoints must be connected. */
const MAX_STARTS_PER_TURN = 32;

/** A request whose head has come. */
export interface Startable {
  begin(): void;
  /** `begin` follows, unless `remove` is called before. */
  wait(): void;
}

export class Http2Starts implements Flushable {
  readonly #turn: Pick<LoopTurn, 'add'>;
  #waiting: Startable[] | null = null;
  #begun = 0;

  constructor(turn: Pick<LoopTurn, 'add'>) {
    this.#turn = turn;
  }

  /** Begins it at once or, in the order of the calls, in one of the next turns. */
  take(request: Startable): void {
    if (this.#waiting === null && this.#begun < MAX_STARTS_PER_TURN) {
      if (this.#begun++ === 0) this.#turn.add(this);
      return request.begin();
    }
    request.wait();
    this.#waiting ??= [];
    this.#waiting.push(request);
  }

  /** It is not to begin any more. */
  remove(request: Startable): void {
    const at = this.#waiting?.indexOf(request) ?? -1;
    if (at !== -1) this.#waiting?.splice(at, 1);
  }

  /** The turn is over. */
  flush(): void {
    this.#begun = 0;
    const waiting = this.#waiting;
    if (waiting === null) return;
    // Beginning one can end the connection, and with it all that wait.
    while (waiting.length > 0 && this.#begun < MAX_STARTS_PER_TURN) {
      this.#begun++;
      waiting.shift()?.begin();
    }
    if (waiting.length === 0) this.#waiting = null;
    if (this.#begun > 0) this.#turn.add(this);
  }
}
