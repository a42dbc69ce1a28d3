// Puts a header block together from HEADERS and CONTINUATION (RFC 9113 §6.10). PURE, and bounded in bytes and frames: a
// block can be neither answered nor skipped before its end (CONTINUATION flood, CVE-2024-27316).

/** CONTINUATION frames of one block. Clients fill their frames, so the byte limit is reached long before. */
const MAX_CONTINUATIONS = 8;

export class HeaderBlock {
  streamId = 0;
  /** END_STREAM of the HEADERS frame. */
  isLast = false;
  /** What has been gathered: `bytes[0..length)`. */
  bytes: Buffer = Buffer.alloc(0);
  length = 0;
  #continuations = 0;

  get isOpen(): boolean {
    return this.streamId !== 0;
  }

  begin(streamId: number, isLast: boolean, buf: Buffer, start: number, end: number): void {
    this.streamId = streamId;
    this.isLast = isLast;
    this.length = 0;
    this.#continuations = 0;
    this.#append(buf, start, end);
  }

  /** Adds a CONTINUATION. False when the block is too large or comes in too many frames. */
  add(buf: Buffer, start: number, end: number, maxBytes: number): boolean {
    if (++this.#continuations > MAX_CONTINUATIONS || this.length + end - start > maxBytes) return false;
    this.#append(buf, start, end);
    return true;
  }

  /** Forgets the block and its memory. */
  clear(): void {
    this.streamId = 0;
    this.length = 0;
    this.bytes = Buffer.alloc(0);
  }

  #append(buf: Buffer, start: number, end: number): void {
    const size = this.length + end - start;
    if (size > this.bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(size, this.bytes.length * 2));
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    buf.copy(this.bytes, this.length, start, end);
    this.length = size;
  }
}
