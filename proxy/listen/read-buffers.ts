// The memory that sockets read into.
//
// All plain sockets of a worker read into ONE shared buffer: what is read must be used up or copied before the read
// callback returns. A connection that moves a large body leases a buffer of its own, because a write that does not
// finish at once keeps pointing into the buffer it came from. The rule that makes this safe: whoever reads into a leased
// buffer pauses until the write from it has finished (docs/design/0002-raw-sockets.md).

/**
 * What most reads have room for: a response of 100 KB in one or two reads and writes costs 0.6 times what it does in five
 * of each (measured, docs/performance-history.md).
 */
export const READ_BUFFER_BYTES = 128 * 1024;

/** Room for the reads of a long transfer: with more, long transfers hold up small requests, and gain nothing. */
export const BULK_BUFFER_BYTES = 32 * 1024;

/** A body of which more than this is to come, or of unknown length and already longer, is a long transfer. */
export const LONG_TRANSFER_BYTES = 256 * 1024;

/** Body parts up to this size are copied into the string write of their head or chunk; larger ones are written as bytes. */
export const SMALL_BODY_BYTES = 4 * 1024;

const MAX_FREE_LEASES = 64;

/** With this much waiting for slow receivers in one worker, only small buffers are given out. */
const CROWDED_BYTES = 4 * 1024 * 1024;

export class ReadBuffers {
  /** Body bytes that wait for receivers; whoever holds them keeps this true to the facts. */
  waitingBytes = 0;
  readonly #whole: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  readonly #front = this.#whole.subarray(0, BULK_BUFFER_BYTES);
  readonly #free: Buffer[] = [];
  readonly #freeBulk: Buffer[] = [];

  /** What all sockets read into that have no lease. */
  get shared(): Buffer {
    return this.#isCrowded() ? this.#front : this.#whole;
  }

  /** Takes a buffer for exclusive use, a small one for a long transfer. */
  lease(isLong: boolean): Buffer {
    if (isLong || this.#isCrowded()) return this.#freeBulk.pop() ?? Buffer.allocUnsafeSlow(BULK_BUFFER_BYTES);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  }

  /** Gives it back. Never give back a buffer that a write may still point into: drop it instead. */
  release(buffer: Buffer): void {
    const free = buffer.length === BULK_BUFFER_BYTES ? this.#freeBulk : this.#free;
    if (free.length < MAX_FREE_LEASES) free.push(buffer);
  }

  #isCrowded(): boolean {
    return this.waitingBytes > CROWDED_BYTES;
  }
}
