// One coarse timer for all deadlines of a worker.
//
// PURE given the times it is told. A socket timer per connection costs half a microsecond per request; here moving a
// deadline is one store in the common case, because a deadline that moves later stays in its slot and is looked at
// again when that slot comes up. Deadlines fire up to one tick late, never early.

export interface Timed {
  onDeadline(): void;
}

const NEVER = Number.POSITIVE_INFINITY;

/** A deadline that belongs to one owner for its whole life. Linked into a slot of the wheel while it may be due there. */
export class Deadline {
  readonly owner: Timed;
  atMs = NEVER;
  next: Deadline | null = null;
  previous: Deadline | null = null;
  /** The slot it hangs in, -1 when unlinked. */
  slot = -1;
  /** Tick number at which that slot comes up. */
  dueTick = 0;

  constructor(owner: Timed) {
    this.owner = owner;
  }
}

export class TimerWheel {
  readonly tickMs: number;
  readonly #slots: Array<Deadline | null>;
  readonly #mask: number;
  #tick: number;
  nowMs: number;

  /** `slotCount` must be a power of two; deadlines further away than `tickMs * slotCount` are looked at once per turn. */
  constructor(nowMs: number, tickMs = 100, slotCount = 1024) {
    this.tickMs = tickMs;
    this.nowMs = nowMs;
    this.#slots = new Array<Deadline | null>(slotCount).fill(null);
    this.#mask = slotCount - 1;
    this.#tick = Math.floor(nowMs / tickMs);
  }

  /** Linked deadlines, cleared ones included. Walks them all: for tests and diagnosis. */
  get size(): number {
    let size = 0;
    for (const first of this.#slots) for (let each = first; each !== null; each = each.next) size++;
    return size;
  }

  /** Nothing hangs in it, not even a cleared deadline. Looks at every slot. */
  get isEmpty(): boolean {
    return this.#slots.every((first) => first === null);
  }

  /** Lets `deadline` fire `delayMs` from now, replacing what was set. */
  set(deadline: Deadline, delayMs: number): void {
    const atMs = this.nowMs + delayMs;
    deadline.atMs = atMs;
    const dueTick = Math.ceil(atMs / this.tickMs);
    if (deadline.slot !== -1) {
      if (deadline.dueTick <= dueTick) return;
      this.#unlink(deadline);
    }
    this.#link(deadline, dueTick);
  }

  /**
   * As {@link set}, but never early by any clock: `nowMs` is as old as the last tick, and of a delay that is no longer
   * than that nothing would be left. Up to two ticks late.
   */
  setNotBefore(deadline: Deadline, delayMs: number): void {
    this.set(deadline, delayMs + this.tickMs);
  }

  /** Lets it never fire. It stays linked until its slot comes up, which makes set-clear-set cheap. */
  clear(deadline: Deadline): void {
    deadline.atMs = NEVER;
  }

  /** Unlinks it now: for an owner that is going away. */
  remove(deadline: Deadline): void {
    deadline.atMs = NEVER;
    if (deadline.slot !== -1) this.#unlink(deadline);
  }

  /** Advances to `nowMs` and fires what is due. An owner may set or remove any deadline while it fires. */
  advance(nowMs: number): void {
    this.nowMs = nowMs;
    this.fire();
  }

  /** Fires what is due at `nowMs`: for those who set the time first and let others act before it is held against them. */
  fire(): void {
    const last = Math.floor(this.nowMs / this.tickMs);
    // After a long stall each slot is visited once, not once per missed tick.
    const first = Math.max(this.#tick + 1, last - this.#mask);
    for (let tick = first; tick <= last; tick++) this.#fireSlot(tick, last);
    this.#tick = Math.max(this.#tick, last);
  }

  #fireSlot(tick: number, last: number): void {
    let deadline = this.#slots[tick & this.#mask] ?? null;
    this.#slots[tick & this.#mask] = null;
    const due: Deadline[] = [];
    while (deadline !== null) {
      const next: Deadline | null = deadline.next;
      deadline.slot = -1;
      deadline.next = null;
      deadline.previous = null;
      if (deadline.atMs <= this.nowMs) due.push(deadline);
      else if (deadline.atMs !== NEVER)
        this.#link(deadline, Math.max(Math.ceil(deadline.atMs / this.tickMs), last + 1));
      deadline = next;
    }
    for (const each of due) {
      // One that fired earlier may have cleared, moved or linked it meanwhile.
      if (each.slot !== -1 || each.atMs > this.nowMs) continue;
      each.atMs = NEVER;
      each.owner.onDeadline();
    }
  }

  #link(deadline: Deadline, dueTick: number): void {
    const tick = Math.max(dueTick, this.#tick + 1);
    const slot = Math.min(tick, this.#tick + this.#mask) & this.#mask;
    const head = this.#slots[slot] ?? null;
    deadline.slot = slot;
    deadline.dueTick = tick;
    deadline.previous = null;
    deadline.next = head;
    if (head !== null) head.previous = deadline;
    this.#slots[slot] = deadline;
  }

  #unlink(deadline: Deadline): void {
    if (deadline.previous !== null) deadline.previous.next = deadline.next;
    else this.#slots[deadline.slot] = deadline.next;
    if (deadline.next !== null) deadline.next.previous = deadline.previous;
    deadline.next = null;
    deadline.previous = null;
    deadline.slot = -1;
  }
}
