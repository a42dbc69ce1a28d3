// Recognises a request head that is the one before it, or that one but for its target and the value of its Host line, so
// that nothing else needs to be parsed again.
//
// PURE. Clients send the same header lines over and over; behind a load balancer only target and Host differ. The bytes
// that differ are held to the parser's own classes here and are read by the parser's own functions; every other byte is
// equal to one that has been parsed, at the same place of the same line. Whatever does not fit that is `other` and is
// parsed from its first byte. Where heads keep differing elsewhere, remembering is given up for a while.

import { endOfPlainName } from './authority.ts';
import { BytePrefix } from './byte-prefix.ts';
import { CR, SLASH, TARGET } from './bytes.ts';
import type { HeadLimits } from './head-scanner.ts';

/** `similar`: target, Host or both differ. */
export type Likeness = 'same' | 'similar' | 'other';

/** The parts of a head that may differ, as positions from its first byte. */
export interface RequestSpots {
  readonly targetStart: number;
  readonly targetEnd: number;
  /** First byte of the line `Host: ...`. */
  readonly hostLine: number;
  readonly hostStart: number;
  /** End of the value, where the line must end too. */
  readonly hostEnd: number;
}

/** Longer heads are not remembered. */
const MAX_BYTES = 4096;
/** After this many failures in a row only every RETRY_EVERY-th head is remembered; a power of two. */
const MAX_MISSES = 8;
const RETRY_EVERY = 64;
/** ` HTTP/1.1`, behind the target. */
const VERSION_BYTES = 9;
/** The two CRLF behind the last header line. */
const TAIL_BYTES = 4;

export class RepeatedRequest {
  // Of the head that `compare` found to be similar: what is new, and where its parts lie from its first byte.
  hasNewTarget = false;
  hasNewHost = false;
  targetEnd = 0;
  hostStart = 0;
  hostEnd = 0;
  /** Length of the head that was found to be the same or similar. */
  length = 0;
  readonly #last = new BytePrefix();
  #limits: HeadLimits | null = null;
  #misses = 0;
  #hasSpots = false;
  // As RequestSpots.
  #targetStart = 0;
  #targetEnd = 0;
  #hostLine = 0;
  #hostStart = 0;
  #hostEnd = 0;

  /** Compares the head that starts at `start` with the remembered one. `end` is where the bytes at hand end. */
  compare(buf: Buffer, start: number, end: number, limits: HeadLimits): Likeness {
    const last = this.#last;
    if (last.length === 0 || limits !== this.#limits) return 'other';
    const isSame = last.begins(buf, start, end);
    if (isSame) this.length = last.length;
    else if (!this.#hasSpots || !this.#findParts(buf, start, end) || !this.#isWithin(limits)) return 'other';
    this.#misses = 0;
    return isSame ? 'same' : 'similar';
  }

  /** Finds the parts of a head that is equal but for target and Host; false when it is not. */
  #findParts(buf: Buffer, start: number, end: number): boolean {
    const last = this.#last;
    // The first byte of the target is among those that must be equal.
    if (!last.matches(0, this.#targetStart + 1, buf, start, end)) return false;
    const target = start + this.#targetStart;
    // With the byte behind it: the beginning of a longer target, or name, is another one.
    this.hasNewTarget = !last.matches(this.#targetStart, this.#targetEnd + 1, buf, target, end);
    const targetEnd = this.hasNewTarget ? endOfTarget(buf, target, end) : start + this.#targetEnd;
    if (!last.matches(this.#targetEnd, this.#hostStart, buf, targetEnd, end)) return false;
    const host = targetEnd + this.#hostStart - this.#targetEnd;
    this.hasNewHost = !last.matches(this.#hostStart, this.#hostEnd + 1, buf, host, end);
    const hostEnd = this.hasNewHost ? endOfPlainName(buf, host, end) : host + this.#hostEnd - this.#hostStart;
    if (hostEnd === host || !last.matches(this.#hostEnd, last.length, buf, hostEnd, end)) return false;
    this.targetEnd = targetEnd - start;
    this.hostStart = host - start;
    this.hostEnd = hostEnd - start;
    this.length = this.hostEnd + last.length - this.#hostEnd;
    return true;
  }

  /** The limits of everything that may have grown. */
  #isWithin(limits: HeadLimits): boolean {
    const hostLine = this.#hostLine + this.targetEnd - this.#targetEnd;
    return (
      this.targetEnd + VERSION_BYTES <= limits.maxRequestLineBytes &&
      this.hostEnd - hostLine <= limits.maxHeaderLineBytes &&
      this.length - TAIL_BYTES <= limits.maxHeadBytes
    );
  }

  /** Forgets: the parser's result is about to change. */
  forget(): void {
    this.#last.length = 0;
  }

  /** Remembers the head `buf[start..end)`, which has just been parsed. `spots` is null where no other head is similar. */
  remember(buf: Buffer, start: number, end: number, limits: HeadLimits, spots: RequestSpots | null): void {
    this.#misses++;
    if (this.#misses > MAX_MISSES && (this.#misses & (RETRY_EVERY - 1)) !== 0) return;
    if (end - start > MAX_BYTES) return;
    this.#last.set(buf, start, end);
    this.#limits = limits;
    this.#hasSpots = spots !== null && buf[start + spots.hostEnd] === CR && buf[start + spots.targetStart] === SLASH;
    if (spots === null) return;
    this.#targetStart = spots.targetStart;
    this.#targetEnd = spots.targetEnd;
    this.#hostLine = spots.hostLine;
    this.#hostStart = spots.hostStart;
    this.#hostEnd = spots.hostEnd;
  }

  /** Remembers the head at `start` instead, which `compare` has found to be similar and the parser has taken. */
  follow(buf: Buffer, start: number): void {
    if (this.length > MAX_BYTES) return this.forget();
    this.#last.set(buf, start, start + this.length);
    this.#hostLine += this.targetEnd - this.#targetEnd;
    this.#targetEnd = this.targetEnd;
    this.#hostStart = this.hostStart;
    this.#hostEnd = this.hostEnd;
  }
}

/** The end of the target that starts at `start`. */
function endOfTarget(buf: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && TARGET[buf[at] as number] === 1) at++;
  return at;
}
