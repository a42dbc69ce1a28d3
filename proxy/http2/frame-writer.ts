// Writes HTTP/2 frames one behind the other into large buffers, so that a connection sends all of a loop turn in one write.
//
// PURE. Buffers come from a pool and go back when the caller says so; an idle writer holds none.

import { Flag, FRAME_HEADER_BYTES, FrameType, MAX_FRAME_BYTES } from './protocol.ts';

declare global {
  interface Buffer {
    /** Node's own fast path behind `write(text, at, 'latin1')`: on every Buffer, but missing in its types. */
    latin1Write(text: string, offset?: number, length?: number): number;
  }
}

/** One output buffer: some frames of the largest size, or all the small responses of a loop turn. */
const OUTPUT_BUFFER_BYTES = 64 * 1024;
const MAX_FREE = 32;

/** Output buffers of one worker. */
export class OutputBuffers {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(OUTPUT_BUFFER_BYTES);
  }

  /** Gives a buffer back. Nothing may still be writing from it. */
  release(buffer: Buffer): void {
    if (buffer.length === OUTPUT_BUFFER_BYTES && this.#free.length < MAX_FREE) this.#free.push(buffer);
  }
}

/** A buffer and how much of it is filled. */
export interface FilledBuffer {
  readonly buffer: Buffer;
  readonly length: number;
}

export class FrameWriter {
  /** Bytes written since the start. */
  bytesOut = 0;
  /** Number of the buffer at hand: a frame that was begun in another one can no longer be changed. */
  epoch = 0;
  /** Where the frame written last begins in the buffer at hand. */
  lastFrameAt = 0;
  readonly #pool: OutputBuffers;
  #buffer: Buffer | null = null;
  #length = 0;
  #full: FilledBuffer[] = [];
  #fullBytes = 0;

  constructor(pool: OutputBuffers) {
    this.#pool = pool;
  }

  /** Bytes that wait to be taken. */
  get pendingBytes(): number {
    return this.#fullBytes + this.#length;
  }

  /** Makes room for `bytes` in one piece and gives the buffer to write to, at `cursor`. Follow with `advance`. */
  reserve(bytes: number): Buffer {
    const current = this.#buffer;
    if (current !== null && current.length - this.#length >= bytes) return current;
    if (current !== null) this.#closeBuffer(current);
    this.#buffer = bytes > OUTPUT_BUFFER_BYTES ? Buffer.allocUnsafeSlow(bytes) : this.#pool.take();
    this.#length = 0;
    return this.#buffer;
  }

  /** Position in the buffer that `reserve` gave. */
  get cursor(): number {
    return this.#length;
  }

  advance(bytes: number): void {
    this.#length += bytes;
    this.bytesOut += bytes;
  }

  /** Takes what was written and forgets it. The caller releases the buffers. */
  take(): FilledBuffer[] {
    if (this.#buffer !== null) this.#closeBuffer(this.#buffer);
    const filled = this.#full;
    this.#full = [];
    this.#fullBytes = 0;
    return filled;
  }

  /** Throws away what was not taken. */
  drop(): void {
    for (const { buffer } of this.take()) this.#pool.release(buffer);
  }

  release(buffer: Buffer): void {
    this.#pool.release(buffer);
  }

  /** Sets END_STREAM on the frame at `at`, if it was written in this `epoch` and has not been taken since. */
  endStreamAt(epoch: number, at: number): boolean {
    if (epoch !== this.epoch || this.#buffer === null) return false;
    this.#buffer[at + 4] = (this.#buffer[at + 4] as number) | Flag.endStream;
    return true;
  }

  /** Writes a header block that was encoded in place, behind FRAME_HEADER_BYTES of room at the cursor, as one frame. */
  headersInPlace(streamId: number, blockEnd: number, isLast: boolean): void {
    const at = this.#length;
    const length = blockEnd - at - FRAME_HEADER_BYTES;
    const flags = Flag.endHeaders | (isLast ? Flag.endStream : 0);
    putFrameHeader(this.#buffer as Buffer, at, length, FrameType.headers, flags, streamId);
    this.lastFrameAt = at;
    this.advance(blockEnd - at);
  }

  settings(pairs: readonly (readonly [id: number, value: number])[]): void {
    let at = this.#begin(pairs.length * 6, FrameType.settings, 0, 0);
    const out = this.#buffer as Buffer;
    for (const [id, value] of pairs) {
      out[at++] = id >>> 8;
      out[at++] = id & 0xff;
      at = putUint32(out, at, value);
    }
  }

  settingsAck(): void {
    this.#begin(0, FrameType.settings, Flag.ack, 0);
  }

  /** `payload[start..start + 8)` is the opaque data. */
  ping(isAck: boolean, payload: Buffer, start: number): void {
    const at = this.#begin(8, FrameType.ping, isAck ? Flag.ack : 0, 0);
    payload.copy(this.#buffer as Buffer, at, start, start + 8);
  }

  windowUpdate(streamId: number, increment: number): void {
    const at = this.#begin(4, FrameType.windowUpdate, 0, streamId);
    putUint32(this.#buffer as Buffer, at, increment);
  }

  rstStream(streamId: number, code: number): void {
    const at = this.#begin(4, FrameType.rstStream, 0, streamId);
    putUint32(this.#buffer as Buffer, at, code);
  }

  /** `text` is ASCII debug data for people (RFC 9113 §6.8). */
  goAway(lastStreamId: number, code: number, text = ''): void {
    const at = this.#begin(8 + text.length, FrameType.goAway, 0, 0);
    const out = this.#buffer as Buffer;
    out.latin1Write(text, putUint32(out, putUint32(out, at, lastStreamId), code));
  }

  /** `buf[start..end)` has at most MAX_FRAME_BYTES. */
  data(streamId: number, buf: Buffer, start: number, end: number, isLast: boolean): void {
    const at = this.#begin(end - start, FrameType.data, isLast ? Flag.endStream : 0, streamId);
    if (end > start) buf.copy(this.#buffer as Buffer, at, start, end);
  }

  /** A header block that is already encoded, in as many frames as it takes (RFC 9113 §6.2, §6.10). */
  headers(streamId: number, block: Buffer, start: number, end: number, isLast: boolean): void {
    let at = start;
    let type: number = FrameType.headers;
    let flags: number = isLast ? Flag.endStream : 0;
    do {
      const size = Math.min(MAX_FRAME_BYTES, end - at);
      if (at + size === end) flags |= Flag.endHeaders;
      const payload = this.#begin(size, type, flags, streamId);
      block.copy(this.#buffer as Buffer, payload, at, at + size);
      at += size;
      type = FrameType.continuation;
      flags = 0;
    } while (at < end);
  }

  /** Writes a frame header and counts its payload as written; gives where the payload goes. */
  #begin(length: number, type: number, flags: number, streamId: number): number {
    const out = this.reserve(FRAME_HEADER_BYTES + length);
    const at = this.#length;
    this.lastFrameAt = at;
    putFrameHeader(out, at, length, type, flags, streamId);
    this.advance(FRAME_HEADER_BYTES + length);
    return at + FRAME_HEADER_BYTES;
  }

  #closeBuffer(buffer: Buffer): void {
    if (this.#length > 0) this.#full.push({ buffer, length: this.#length });
    else this.#pool.release(buffer);
    this.#fullBytes += this.#length;
    this.#buffer = null;
    this.epoch++;
    this.#length = 0;
  }
}

/** Writes the nine bytes of a frame header (RFC 9113 §4.1). */
function putFrameHeader(out: Buffer, at: number, length: number, type: number, flags: number, streamId: number): void {
  out[at] = length >>> 16;
  out[at + 1] = (length >>> 8) & 0xff;
  out[at + 2] = length & 0xff;
  out[at + 3] = type;
  out[at + 4] = flags;
  putUint32(out, at + 5, streamId);
}

function putUint32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = (value >>> 16) & 0xff;
  out[at + 2] = (value >>> 8) & 0xff;
  out[at + 3] = value & 0xff;
  return at + 4;
}
