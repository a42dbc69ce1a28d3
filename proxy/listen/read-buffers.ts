// The memory that sockets read into.
//
// All plain sockets of a worker read into ONE shared buffer: what is read must be used up or copied before the read
// callback returns. A connection that moves a large body leases a buffer of its own, because a write that does not
// finish at once keeps pointing into the buffer it came from. The rule that makes this safe: whoever reads into a leased
// buffer pauses until the write from it has finished (docs/design/0002-raw-sockets.md).

/** Larger reads cost more: caches, and p99 of small requests behind large transfers (measured, design note 0002). */
export const READ_BUFFER_BYTES = 32 * 1024;

/** Body parts up to this size are copied into the string write of their head or chunk; larger ones are written as bytes. */
export const SMALL_BODY_BYTES = 4 * 1024;

const MAX_FREE_LEASES = 64;

export class ReadBuffers {
  readonly shared: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  readonly #free: Buffer[] = [];

  /** Takes a buffer for exclusive use. */
  lease(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  }

  /** Gives it back. Never give back a buffer that a write may still point into: drop it instead. */
  release(buffer: Buffer): void {
    if (this.#free.length < MAX_FREE_LEASES) this.#free.push(buffer);
  }
}
