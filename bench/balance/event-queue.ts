// What happens next in a simulation: a binary heap of things to do, by time and, at one time, in the order they came.

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class EventQueue {
  readonly #heap: Event[] = [];
  #order = 0;
  nowMs: number;

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  after(delayMs: number, run: () => void): void {
    const event = { atMs: this.nowMs + delayMs, order: this.#order++, run };
    let at = this.#heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, this.#heap[parent] as Event)) break;
      this.#heap[at] = this.#heap[parent] as Event;
      at = parent;
    }
    this.#heap[at] = event;
  }

  /** Runs everything, and what it adds, until nothing is left. */
  runAll(): void {
    for (let event = this.#pop(); event !== undefined; event = this.#pop()) {
      this.nowMs = event.atMs;
      event.run();
    }
  }

  #pop(): Event | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return first;
    let at = 0;
    for (let child = 1; child < this.#heap.length; child = 2 * at + 1) {
      if (child + 1 < this.#heap.length && isBefore(this.#heap[child + 1] as Event, this.#heap[child] as Event))
        child++;
      if (!isBefore(this.#heap[child] as Event, last)) break;
      this.#heap[at] = this.#heap[child] as Event;
      at = child;
    }
    this.#heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
