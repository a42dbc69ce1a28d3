// Idle connections of all endpoints in the order in which they became idle. A list through the connections themselves:
// joining and leaving costs a few stores, however many endpoints and connections there are.

/** Links of a connection while it is idle; the order's to write. */
export interface IdleLinks<T> {
  olderIdle: T | null;
  newerIdle: T | null;
}

/** A connection that can wait for further requests. */
export interface IdleConnection extends IdleLinks<IdleConnection> {
  /** Closes it. */
  abandon(): void;
}

export class IdleOrder<T extends IdleLinks<T>> {
  #oldest: T | null = null;
  #newest: T | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The one that has been idle for longest. */
  get oldest(): T | null {
    return this.#oldest;
  }

  /** It is idle from now on. It must not be in the order already. */
  add(connection: T): void {
    connection.olderIdle = this.#newest;
    if (this.#newest === null) this.#oldest = connection;
    else this.#newest.newerIdle = connection;
    this.#newest = connection;
    this.#size++;
  }

  /** It is used or closed. It must be in the order. */
  remove(connection: T): void {
    const { olderIdle, newerIdle } = connection;
    if (olderIdle === null) this.#oldest = newerIdle;
    else olderIdle.newerIdle = newerIdle;
    if (newerIdle === null) this.#newest = olderIdle;
    else newerIdle.olderIdle = olderIdle;
    connection.olderIdle = null;
    connection.newerIdle = null;
    this.#size--;
  }
}
