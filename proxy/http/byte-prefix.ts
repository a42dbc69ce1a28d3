// Bytes that others are compared with again and again, four at a time: a loop over single bytes costs three times as much.
//
// PURE. DataView reads at any offset, so neither side need be aligned.

const WORD = 4;
/** From so many bytes on a native comparison is worth its call. */
const LONG = 160;
const MIN_CAPACITY = 256;

/** A view of the buffer that was compared last: nearly always the one that all sockets of a worker read into. */
let viewedBuffer: Uint8Array = new Uint8Array(0);
let view = new DataView(viewedBuffer.buffer);

function viewOf(buf: Uint8Array): DataView {
  if (buf === viewedBuffer) return view;
  viewedBuffer = buf;
  view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength);
  return view;
}

export class BytePrefix {
  #bytes: Buffer | null = null;
  #words: DataView | null = null;
  /** 0 while there is none. */
  length = 0;

  /** Keeps a copy of `buf[start..end)`. */
  set(buf: Buffer, start: number, end: number): void {
    const length = end - start;
    let bytes = this.#bytes;
    if (bytes === null || bytes.length < length) {
      bytes = Buffer.allocUnsafeSlow(Math.max(MIN_CAPACITY, length));
      this.#bytes = bytes;
      this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    buf.copy(bytes, 0, start, end);
    this.length = length;
  }

  /** Whether `buf[start..end)` begins with these bytes; false while there are none. */
  begins(buf: Uint8Array, start: number, end: number): boolean {
    const { length } = this;
    return length !== 0 && this.matches(0, length, buf, start, end);
  }

  /** Whether the part `[from, to)` of these bytes stands at `start` in `buf`, all of it before `end`. */
  matches(from: number, to: number, buf: Uint8Array, start: number, end: number): boolean {
    const words = this.#words;
    if (words === null || to - from > end - start) return false;
    if (to - from >= LONG) return (this.#bytes as Buffer).compare(buf, start, start + to - from, from, to) === 0;
    const others = viewOf(buf);
    const by = start - from;
    let at = from;
    for (; at + WORD <= to; at += WORD) if (words.getInt32(at, true) !== others.getInt32(by + at, true)) return false;
    for (; at < to; at++) if (words.getUint8(at) !== buf[by + at]) return false;
    return true;
  }
}
