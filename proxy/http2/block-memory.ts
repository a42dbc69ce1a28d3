// The header block encoded last, for the next section that is the same: one comparison and one copy instead of a look-up
// for each line.
//
// PURE. A block stays right as long as the encoder's table does not change: its bytes are positions in it. It is kept when
// its lines come a second time, so that sections which differ each time cost the comparison alone.

/** A larger block is not kept. */
const MAX_KEPT_BYTES = 1024;

export class BlockMemory {
  #lines = '';
  #from = 0;
  #status = -1;
  /** Insertions into the table at the time of the block. */
  #inserted = -1;
  #bytes: Buffer | null = null;
  #length = 0;

  /** Notes what comes now; true when it came last time too. */
  isAgain(status: number, lines: string, from: number): boolean {
    if (status === this.#status && from === this.#from && lines === this.#lines) return true;
    this.#status = status;
    this.#from = from;
    this.#lines = lines.length > MAX_KEPT_BYTES ? '' : lines;
    this.#inserted = -1;
    return false;
  }

  /** Writes the block at `at`, where it still holds, and gives the position behind it; else -1. */
  write(inserted: number, out: Buffer, at: number): number {
    if (this.#inserted !== inserted || this.#bytes === null) return -1;
    return at + this.#bytes.copy(out, at, 0, this.#length);
  }

  /** Keeps the block `out[start..end)`, which was encoded without an insertion. */
  keep(inserted: number, out: Buffer, start: number, end: number): void {
    if (end - start > MAX_KEPT_BYTES) return;
    this.#bytes ??= Buffer.allocUnsafeSlow(MAX_KEPT_BYTES);
    this.#length = out.copy(this.#bytes, 0, start, end);
    this.#inserted = inserted;
  }

  /** The table has changed in another way than by an insertion. */
  clear(): void {
    this.#inserted = -1;
  }
}
