// Recognises a head that is byte for byte the one before it, so that it need not be parsed again.
//
// PURE. Clients that call an API, and health checks, send the same head over and over; so do servers within one second.
// Parsing depends on nothing but the bytes and the limits, so an equal head under the same limits leaves the parser's
// result as it stands. Where heads differ the attempt costs the bytes up to the first difference, and it is given up
// for a while when it keeps failing.

import type { HeadLimits } from './head-scanner.ts';

/** Longer heads are not remembered. */
const MAX_BYTES = 1024;
/** After this many failures in a row only every RETRY_EVERY-th head is remembered; a power of two. */
const MAX_MISSES = 8;
const RETRY_EVERY = 64;

export class RepeatedHead {
  #bytes: Buffer | null = null;
  #length = 0;
  #limits: HeadLimits | null = null;
  #misses = 0;

  /** The position behind the head at `start` when it equals the remembered one, whole and under the same limits; or -1. */
  match(buf: Uint8Array, start: number, end: number, limits: HeadLimits): number {
    const length = this.#length;
    if (length === 0) return -1;
    const bytes = this.#bytes as Buffer;
    if (length > end - start || limits !== this.#limits) return -1;
    for (let i = 0; i < length; i++) if (bytes[i] !== buf[start + i]) return -1;
    this.#misses = 0;
    return start + length;
  }

  /** Forgets: the parser's result is about to change. */
  forget(): void {
    this.#length = 0;
  }

  /** Remembers the head `buf[start..end)`, which has just been parsed. */
  remember(buf: Buffer, start: number, end: number, limits: HeadLimits): void {
    this.#misses++;
    if (this.#misses > MAX_MISSES && (this.#misses & (RETRY_EVERY - 1)) !== 0) return;
    if (end - start > MAX_BYTES) return;
    if (this.#bytes === null || this.#bytes.length < end - start) {
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(256, end - start));
    }
    buf.copy(this.#bytes, 0, start, end);
    this.#length = end - start;
    this.#limits = limits;
  }
}
