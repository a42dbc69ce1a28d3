// Two numbers in an array that all workers may share. Every worker may write: the last one wins, nobody waits.

export class LoadNumbers {
  readonly #cells: Float64Array;
  readonly #at: number;

  constructor(cells: Float64Array = new Float64Array(2), at = 0) {
    this.#cells = cells;
    this.#at = at;
  }

  get first(): number {
    return this.#cells[this.#at] as number;
  }

  set first(value: number) {
    this.#cells[this.#at] = value;
  }

  get second(): number {
    return this.#cells[this.#at + 1] as number;
  }

  set second(value: number) {
    this.#cells[this.#at + 1] = value;
  }
}
