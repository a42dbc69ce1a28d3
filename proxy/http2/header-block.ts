// Puts a header block together from HEADERS and CONTINUATION (RFC 9113 §6.10). PURE, and bounded in bytes and frames: a
// block can be neither answered nor skipped before its end (CONTINUATION flood, CVE-2024-27316).
//
// The usual block is one frame, which is not copied.

import { Flag, FrameType } from './protocol.ts';

/** CONTINUATION frames of one block. Clients fill their frames, so the byte limit is reached long before. */
const MAX_CONTINUATIONS = 8;

const NONE = Buffer.alloc(0);

/** `opened`: a block has begun; `more`: it goes on; `complete`: it is at hand; `tooLarge`: the connection must end. */
export type BlockEvent = 'opened' | 'more' | 'complete' | 'tooLarge';

/** A frame as FrameReader gives it, in an order that it has checked. */
export interface BlockFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
  readonly payloadStart: number;
  readonly payloadEnd: number;
}

export class HeaderBlock {
  /** Of the block that is open, or complete. */
  streamId = 0;
  /** END_STREAM of the HEADERS frame. */
  isLast = false;
  /** `complete`: the block is `bytes[start..end)`, until `release`. */
  bytes: Buffer = NONE;
  start = 0;
  end = 0;
  /** Between HEADERS and the end of its block. */
  isOpen = false;
  #continuations = 0;

  /** Takes HEADERS or CONTINUATION. A block of several frames has `maxBytes` at most. */
  take(frame: BlockFrame, maxBytes: number): BlockEvent {
    const { type, flags, payload, payloadStart, payloadEnd } = frame;
    const isWhole = (flags & Flag.endHeaders) !== 0;
    if (type === FrameType.headers) {
      this.streamId = frame.streamId;
      this.isLast = (flags & Flag.endStream) !== 0;
      if (isWhole) return this.#point(payload, payloadStart, payloadEnd);
      this.isOpen = true;
      this.#continuations = 0;
      this.#append(payload, payloadStart, payloadEnd);
      return 'opened';
    }
    if (++this.#continuations > MAX_CONTINUATIONS || this.end + payloadEnd - payloadStart > maxBytes) return 'tooLarge';
    this.#append(payload, payloadStart, payloadEnd);
    if (!isWhole) return 'more';
    this.isOpen = false;
    return 'complete';
  }

  /** Forgets a complete block and its memory. */
  release(): void {
    this.bytes = NONE;
    this.start = 0;
    this.end = 0;
  }

  #point(payload: Buffer, start: number, end: number): 'complete' {
    this.bytes = payload;
    this.start = start;
    this.end = end;
    return 'complete';
  }

  #append(buf: Buffer, start: number, end: number): void {
    const size = this.end + end - start;
    if (size > this.bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(size, this.bytes.length * 2));
      this.bytes.copy(grown, 0, 0, this.end);
      this.bytes = grown;
    }
    buf.copy(this.bytes, this.end, start, end);
    this.end = size;
  }
}
