// The read buffer that one connection has for itself while it moves a large body.
//
// A write that does not finish at once keeps pointing into the buffer it came from, so body bytes must not lie in the
// buffer that all sockets share. Two rules keep one connection's bytes out of another's: a lease with an unfinished write
// is never handed on, and a lease goes back only at the moment the socket asks for its next buffer, because until then
// the system may still read into it.

import { BULK_BUFFER_BYTES, type ReadBuffers } from './read-buffers.ts';

export class ReadLease {
  /** Where `place` put the bytes in the buffer it gave. */
  start = 0;
  /** The last write from the lease has not finished. Whoever writes keeps this true to the facts. */
  isPending = false;
  readonly #buffers: ReadBuffers;
  #bytes: Buffer | null = null;
  #used = 0;

  constructor(buffers: ReadBuffers) {
    this.#buffers = buffers;
  }

  get isHeld(): boolean {
    return this.#bytes !== null;
  }

  owns(buf: Buffer): boolean {
    return buf === this.#bytes;
  }

  /** The buffer that the socket reads into next: the lease where `isWanted`, otherwise the shared one. */
  nextBuffer(isWanted: boolean, isLong: boolean): Buffer {
    const held = this.#bytes;
    if (held !== null && !(isWanted && (this.isPending || !isLong || held.length === BULK_BUFFER_BYTES))) {
      this.#giveBack(held);
    }
    if (!isWanted) return this.#buffers.shared;
    this.#bytes ??= this.#buffers.lease(isLong);
    return this.#bytes;
  }

  /** Begins a read: what earlier reads placed has been written. */
  beginRead(): void {
    this.#used = 0;
  }

  /** Copies bytes of the shared buffer to where they may stay; gives the buffer and sets `start`. */
  place(buf: Buffer, start: number, end: number): Buffer {
    this.#bytes ??= this.#buffers.lease(false);
    const bytes = this.#bytes;
    this.start = this.#used;
    if (this.#used + end - start > bytes.length) {
      this.start = 0;
      return Buffer.from(buf.subarray(start, end));
    }
    buf.copy(bytes, this.#used, start, end);
    this.#used += end - start;
    return bytes;
  }

  /** Forgets the buffer without handing it on: for a socket that may still read into it, or a write that was given up. */
  drop(): void {
    this.#bytes = null;
    this.#used = 0;
    this.isPending = false;
  }

  #giveBack(bytes: Buffer): void {
    if (!this.isPending) this.#buffers.release(bytes);
    this.drop();
  }
}
