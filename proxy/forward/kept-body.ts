// The beginning of a request body, kept so that it can be sent later, or again. PURE.
//
//   read ahead: `hold` until `isFull` or the body ends, then `sendTo`     (`proxy-request-buffering`)
//   streamed:   `add` beside each part that is sent                        for another attempt (`client-body-buffer-size`)
// Kept are copies: the buffers they come from are used again at once. A body that is streamed beyond the limit is let go,
// and with it the chance of another attempt.

import type { BodyLimits } from '../table/body-limits.ts';

/** Where a body is sent. False: it holds bytes back, but has taken these. */
export interface BodyReceiver {
  writeBody(buf: Buffer, start: number, end: number): boolean;
}

const FIRST_BYTES = 1024;
const MAX_PART_BYTES = 128 * 1024;

/** Parts that are kept for the next body: fresh memory costs more than what is written into it. */
const MAX_FREE_PARTS = 64;

/** What all bodies of one worker take. */
export class BodyMemory {
  bytes = 0;
  readonly #limits: () => BodyLimits;
  readonly #free: Buffer[] = [];

  constructor(limits: () => BodyLimits) {
    this.#limits = limits;
  }

  get limits(): BodyLimits {
    return this.#limits();
  }

  /** A part of at most MAX_PART_BYTES. */
  take(size: number): Buffer {
    const part = size < MAX_PART_BYTES ? Buffer.allocUnsafe(size) : this.#free.pop();
    const taken = part ?? Buffer.allocUnsafeSlow(MAX_PART_BYTES);
    this.bytes += taken.length;
    return taken;
  }

  /** Takes a part back. `isFree`: nobody writes from it any more. */
  give(part: Buffer, isFree: boolean): void {
    this.bytes -= part.length;
    if (isFree && part.length === MAX_PART_BYTES && this.#free.length < MAX_FREE_PARTS) this.#free.push(part);
  }
}

export class KeptBody {
  readonly #memory: BodyMemory;
  /** Full but for the last one. */
  #parts: Buffer[] = [];
  /** Used bytes of the last part. */
  #used = 0;
  #length = 0;
  #limit = 0;
  /** Bytes of the parts. */
  #size = 0;
  #isWhole = true;
  /** Somebody may still be writing from the parts. */
  #isInUse = false;

  constructor(memory: BodyMemory) {
    this.#memory = memory;
  }

  /** Makes ready for a body of which at most `limitBytes` are kept for another attempt; 0: none are. */
  begin(limitBytes: number): void {
    this.#limit = limitBytes;
    this.#isWhole = true;
  }

  /** All bytes that have come so far are here: also true before the first one. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get length(): number {
    return this.#length;
  }

  /** No more should be held of it: it is sent on from here. `ownBytes` are each request's own, whatever the others have. */
  isFull(ownBytes: number): boolean {
    const length = this.#length;
    if (length < ownBytes) return false;
    const { maxBodyBytes, maxMemoryBytes } = this.#memory.limits;
    return length >= maxBodyBytes || this.#memory.bytes >= maxMemoryBytes;
  }

  /** Keeps bytes that are not being sent yet, whatever the limit. */
  hold(buf: Buffer, start: number, end: number): void {
    this.#length += end - start;
    let at = start;
    while (at < end) {
      const part = this.#partWithRoom(end - at);
      const taken = Math.min(end - at, part.length - this.#used);
      buf.copy(part, this.#used, at, at + taken);
      this.#used += taken;
      at += taken;
    }
  }

  /** Bytes of the body are being sent. */
  add(buf: Buffer, start: number, end: number): void {
    if (!this.#isWhole) return;
    if (this.#length + end - start > this.#limit) return this.letGo();
    this.hold(buf, start, end);
  }

  /** Sends everything that is kept. False: `to` holds bytes back. */
  sendTo(to: BodyReceiver): boolean {
    const last = this.#parts.length - 1;
    let mayGoOn = true;
    for (let at = 0; at <= last; at++) {
      const part = this.#parts[at] as Buffer;
      mayGoOn = to.writeBody(part, 0, at === last ? this.#used : part.length);
      if (!mayGoOn) this.#isInUse = true;
    }
    return mayGoOn;
  }

  /** No other attempt will need the body: what is sent of it is sent once. */
  letGo(): void {
    this.clear();
    this.#isWhole = false;
  }

  /** Lets go of the bytes. */
  clear(): void {
    if (this.#size === 0) return;
    for (const part of this.#parts) this.#memory.give(part, !this.#isInUse);
    this.#parts = [];
    this.#isInUse = false;
    this.#size = 0;
    this.#used = 0;
    this.#length = 0;
  }

  #partWithRoom(needed: number): Buffer {
    const last = this.#parts.at(-1);
    if (last !== undefined && this.#used < last.length) return last;
    // Never much more than has come: a client that announces a megabyte and sends a byte gets a kilobyte.
    const part = this.#memory.take(Math.min(Math.max(needed, this.#size, FIRST_BYTES), MAX_PART_BYTES));
    this.#parts.push(part);
    this.#size += part.length;
    this.#used = 0;
    return part;
  }
}
