// Recognises a head that is byte for byte the one before it, so that it need not be parsed again.
//
// PURE. Within one second a server sends the same response head over and over (requests: repeated-request.ts). Parsing
// depends on nothing but the bytes and the limits, so an equal head under the same limits leaves the parser's result as
// it stands. Where heads differ the attempt costs the bytes up to the first difference, and it is given up for a while
// when it keeps failing.

import { BytePrefix } from './byte-prefix.ts';
import type { HeadLimits } from './head-scanner.ts';

/** Longer heads are not remembered. */
const MAX_BYTES = 1024;
/** After this many failures in a row only every RETRY_EVERY-th head is remembered; a power of two. */
const MAX_MISSES = 8;
const RETRY_EVERY = 64;

export class RepeatedHead {
  readonly #last = new BytePrefix();
  #limits: HeadLimits | null = null;
  #misses = 0;

  /** The position behind the head at `start` when it equals the remembered one, whole and under the same limits; or -1. */
  match(buf: Uint8Array, start: number, end: number, limits: HeadLimits): number {
    if (limits !== this.#limits || !this.#last.begins(buf, start, end)) return -1;
    this.#misses = 0;
    return start + this.#last.length;
  }

  /** Forgets: the parser's result is about to change. */
  forget(): void {
    this.#last.length = 0;
  }

  /** Remembers the head `buf[start..end)`, which has just been parsed. */
  remember(buf: Buffer, start: number, end: number, limits: HeadLimits): void {
    this.#misses++;
    if (this.#misses > MAX_MISSES && (this.#misses & (RETRY_EVERY - 1)) !== 0) return;
    if (end - start > MAX_BYTES) return;
    this.#last.set(buf, start, end);
    this.#limits = limits;
  }
}
