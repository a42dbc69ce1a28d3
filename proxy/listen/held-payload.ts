// Payload of one stream that waits: for the receiver to take it, or for a window. First in, first out.
//
// Small parts are gathered in pieces, so that a peer which sends one byte a frame costs what it sends and no more.

import { type ReadBuffers, SMALL_BODY_BYTES } from './read-buffers.ts';

/** A range of a buffer. */
export interface Part {
  readonly buf: Buffer;
  start: number;
  end: number;
  /** Bytes behind `end` that are free for what comes next. */
  room: number;
}

/** Pieces in which small parts are gathered, from the second one on: most of what waits is a single part. */
const PIECE_BYTES = 4096;

export class HeldPayload {
  readonly #buffers: ReadBuffers;
  readonly #parts: Part[] = [];
  /** All that waits. */
  bytes = 0;

  /** `buffers` is told what waits. */
  constructor(buffers: ReadBuffers) {
    this.#buffers = buffers;
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** Adds `buf[start..end)`, copied unless it is large and `isStable`: a small part would keep all of its buffer alive. */
  add(buf: Buffer, start: number, end: number, isStable: boolean): void {
    const length = end - start;
    this.bytes += length;
    this.#buffers.waitingBytes += length;
    if (isStable && length >= SMALL_BODY_BYTES) this.#parts.push({ buf, start, end, room: 0 });
    else this.#copy(buf, start, end);
  }

  #copy(buf: Buffer, start: number, end: number): void {
    const length = end - start;
    const last = this.#parts.at(-1);
    if (last !== undefined && last.room >= length) {
      buf.copy(last.buf, last.end, start, end);
      last.end += length;
      last.room -= length;
      return;
    }
    const piece = Buffer.allocUnsafeSlow(last === undefined ? length : Math.max(length, PIECE_BYTES));
    buf.copy(piece, 0, start, end);
    this.#parts.push({ buf: piece, start: 0, end: length, room: piece.length - length });
  }

  /** What came first; only when it is not empty. Follow with `use`. */
  get first(): Part {
    return this.#parts[0] as Part;
  }

  /** Some of what came first is used up, all of it at most. */
  use(bytes: number): void {
    const part = this.#parts[0] as Part;
    part.start += bytes;
    this.bytes -= bytes;
    this.#buffers.waitingBytes -= bytes;
    if (part.start === part.end) this.#parts.shift();
  }

  /** Forgets everything. */
  clear(): void {
    // A list is emptied for nothing at a price: this is called for each stream, of which most have held nothing.
    if (this.#parts.length === 0) return;
    this.#parts.length = 0;
    this.#buffers.waitingBytes -= this.bytes;
    this.bytes = 0;
  }
}
