// Keeps the bytes of a head that came in several reads, so that the parser sees it in one piece.
//
// Most heads come whole and never get here. The size is bounded by the parser's limits: it fails before the stash can
// grow past the largest head plus one read.

const FIRST_BYTES = 2 * 1024;

export class HeadStash {
  #bytes: Buffer | null = null;
  length = 0;

  get isEmpty(): boolean {
    return this.length === 0;
  }

  /** The gathered bytes: valid up to `length`, until the next `add`. */
  get bytes(): Buffer {
    return this.#bytes as Buffer;
  }

  add(buf: Buffer, start: number, end: number): void {
    const needed = this.length + end - start;
    if (this.#bytes === null || this.#bytes.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, needed * 2));
      this.#bytes?.copy(grown, 0, 0, this.length);
      this.#bytes = grown;
    }
    buf.copy(this.#bytes, this.length, start, end);
    this.length = needed;
  }

  /** Forgets the bytes; whoever still reads them keeps the memory alive. */
  clear(): void {
    this.#bytes = null;
    this.length = 0;
  }
}
