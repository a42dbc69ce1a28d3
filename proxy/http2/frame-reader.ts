// Cuts a byte stream into HTTP/2 frames and checks what can be checked of one frame alone (RFC 9113 §4, §6).
//
// PURE and incremental: give it what was read, as often as it says there is something, and it never looks at a byte twice.
// Payload of DATA and of unknown frames passes in pieces as it comes; of all others it is gathered until complete. Nothing
// is allocated for frames that lie in one read.

import { ErrorCode, type ErrorCodeValue, Flag, FRAME_HEADER_BYTES, FrameType, MAX_FRAME_BYTES } from './protocol.ts';

/**
 * `more`: all bytes are used up. `frame`: a complete frame, `payload[payloadStart..payloadEnd)` without padding. `data`: a
 * piece of a DATA frame, in the same fields. `unknown`: the end of a frame that is ignored (§5.5). `error`: a connection
 * error, see `errorCode`.
 */
export type FrameEvent = 'more' | 'frame' | 'data' | 'unknown' | 'error';

export class FrameReader {
  type = 0;
  flags = 0;
  streamId = 0;
  /** Of the whole frame, padding included. */
  length = 0;
  payload: Buffer;
  payloadStart = 0;
  payloadEnd = 0;
  /** `data`: bytes this piece takes from the flow-control windows, padding included (§6.1). */
  flowBytes = 0;
  /** `data`: the frame is complete with this piece. */
  isFrameEnd = false;
  /** Where to go on. */
  position = 0;
  errorCode: ErrorCodeValue = ErrorCode.noError;
  /** For people. */
  errorText = '';
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerLength = 0;
  /** Bytes of the payload that have not come yet; -1 between frames. */
  #left = -1;
  /** Padding at the end of a DATA frame; -1 while its length is unknown. */
  #padding = 0;
  #gathered: Buffer | null = null;
  #gatheredLength = 0;
  /** The stream whose header block must go on, 0 for none (§6.10). */
  #blockOf = 0;

  constructor() {
    this.payload = this.#header;
  }

  /** Reads on from `start`. Go on at `position` after each event but `more` and `error`. */
  next(buf: Buffer, start: number, end: number): FrameEvent {
    let at = start;
    if (this.#left === -1) {
      at = this.#readHeader(buf, start, end);
      if (at === -1) return 'more';
      if (this.errorCode !== ErrorCode.noError) return 'error';
    }
    if (this.type === FrameType.data) return this.#readData(buf, at, end);
    if (isKnown(this.type)) return this.#readWhole(buf, at, end);
    return this.#skip(at, end);
  }

  /** Gives the position behind the frame header, -1 when it is incomplete. */
  #readHeader(buf: Buffer, start: number, end: number): number {
    if (this.#headerLength === 0 && end - start >= FRAME_HEADER_BYTES) {
      this.#parseHeader(buf, start);
      return start + FRAME_HEADER_BYTES;
    }
    const take = Math.min(FRAME_HEADER_BYTES - this.#headerLength, end - start);
    buf.copy(this.#header, this.#headerLength, start, start + take);
    this.#headerLength += take;
    if (this.#headerLength < FRAME_HEADER_BYTES) return -1;
    this.#headerLength = 0;
    this.#parseHeader(this.#header, 0);
    return start + take;
  }

  #parseHeader(buf: Buffer, at: number): void {
    this.length = ((buf[at] as number) << 16) | ((buf[at + 1] as number) << 8) | (buf[at + 2] as number);
    this.type = buf[at + 3] as number;
    this.flags = buf[at + 4] as number;
    this.streamId = uint31(buf, at + 5);
    this.#left = this.length;
    this.#padding = 0;
    this.#check();
    if (this.type === FrameType.data && (this.flags & Flag.padded) !== 0) this.#padding = -1;
  }

  /** What the header alone tells: size, and which streams a type belongs to. */
  #check(): void {
    const { type, length } = this;
    if (length > MAX_FRAME_BYTES) return this.#fail(ErrorCode.frameSizeError, 'frame larger than allowed');
    if (this.#blockOf !== 0 && (type !== FrameType.continuation || this.streamId !== this.#blockOf)) {
      return this.#fail(ErrorCode.protocolError, 'a header block is interrupted');
    }
    switch (type) {
      case FrameType.data:
        if (this.#needsStream() && (this.flags & Flag.padded) !== 0 && length < 1) this.#failSize();
        return;
      case FrameType.headers:
        if (this.#needsStream()) this.#checkHeaders();
        return;
      case FrameType.priority:
        // A wrong size is an error of the stream (§6.3); the caller looks at `length`.
        this.#needsStream();
        return;
      case FrameType.rstStream:
        if (this.#needsStream() && length !== 4) this.#failSize();
        return;
      case FrameType.settings:
        return this.#checkSettings();
      case FrameType.pushPromise:
        return this.#fail(ErrorCode.protocolError, 'a client cannot push');
      case FrameType.ping:
        if (this.#needsConnection() && length !== 8) this.#failSize();
        return;
      case FrameType.goAway:
        if (this.#needsConnection() && length < 8) this.#failSize();
        return;
      case FrameType.windowUpdate:
        if (length !== 4) this.#failSize();
        return;
      case FrameType.continuation:
        if (this.#blockOf === 0) return this.#fail(ErrorCode.protocolError, 'CONTINUATION without a header block');
        if ((this.flags & Flag.endHeaders) !== 0) this.#blockOf = 0;
        return;
      case FrameType.priorityUpdate:
        if (this.#needsConnection() && length < 4) this.#failSize();
        return;
      default:
        return;
    }
  }

  #checkHeaders(): void {
    const { flags, length } = this;
    const fixed = ((flags & Flag.padded) === 0 ? 0 : 1) + ((flags & Flag.priority) === 0 ? 0 : 5);
    if (length < fixed) return this.#failSize();
    if ((flags & Flag.endHeaders) === 0) this.#blockOf = this.streamId;
  }

  #checkSettings(): void {
    if (!this.#needsConnection()) return;
    const isAck = (this.flags & Flag.ack) !== 0;
    if (isAck ? this.length !== 0 : this.length % 6 !== 0) this.#failSize();
  }

  #needsStream(): boolean {
    if (this.streamId !== 0) return true;
    this.#fail(ErrorCode.protocolError, 'frame needs a stream');
    return false;
  }

  #needsConnection(): boolean {
    if (this.streamId === 0) return true;
    this.#fail(ErrorCode.protocolError, 'frame belongs to stream 0');
    return false;
  }

  #failSize(): void {
    this.#fail(ErrorCode.frameSizeError, 'wrong frame size');
  }

  #fail(code: ErrorCodeValue, text: string): void {
    this.errorCode = code;
    this.errorText = text;
  }

  #readData(buf: Buffer, start: number, end: number): FrameEvent {
    let at = start;
    this.flowBytes = 0;
    if (this.#padding === -1) {
      if (at === end) return 'more';
      this.#padding = buf[at++] as number;
      this.#left--;
      this.flowBytes = 1;
      // §6.1: padding as long as the payload or longer.
      if (this.#padding > this.#left) {
        this.#fail(ErrorCode.protocolError, 'padding longer than the payload');
        return 'error';
      }
    }
    if (at === end && this.#left > 0 && this.flowBytes === 0) return 'more';
    const take = Math.min(this.#left, end - at);
    const content = Math.min(take, Math.max(0, this.#left - this.#padding));
    this.payload = buf;
    this.payloadStart = at;
    this.payloadEnd = at + content;
    this.flowBytes += take;
    this.#left -= take;
    this.position = at + take;
    this.isFrameEnd = this.#left === 0;
    if (this.isFrameEnd) this.#left = -1;
    return 'data';
  }

  #readWhole(buf: Buffer, start: number, end: number): FrameEvent {
    const take = Math.min(this.#left, end - start);
    this.position = start + take;
    this.#left -= take;
    if (this.#gathered === null && this.#left === 0) {
      this.payload = buf;
      this.payloadStart = start;
      this.payloadEnd = start + take;
    } else {
      this.#gather(buf, start, start + take);
      if (this.#left > 0) return 'more';
      this.payload = this.#gathered as Buffer;
      this.payloadStart = 0;
      this.payloadEnd = this.length;
      this.#gathered = null;
    }
    this.#left = -1;
    return this.type === FrameType.headers ? this.#trimHeaders() : 'frame';
  }

  #gather(buf: Buffer, start: number, end: number): void {
    if (this.#gathered === null) {
      this.#gathered = Buffer.allocUnsafe(this.length);
      this.#gatheredLength = 0;
    }
    buf.copy(this.#gathered, this.#gatheredLength, start, end);
    this.#gatheredLength += end - start;
  }

  /** Takes padding and the deprecated priority fields off (§6.2). */
  #trimHeaders(): FrameEvent {
    if ((this.flags & Flag.padded) !== 0) {
      this.payloadEnd -= this.payload[this.payloadStart] as number;
      this.payloadStart++;
    }
    if ((this.flags & Flag.priority) !== 0) this.payloadStart += 5;
    if (this.payloadStart <= this.payloadEnd) return 'frame';
    this.#fail(ErrorCode.protocolError, 'padding longer than the payload');
    return 'error';
  }

  #skip(start: number, end: number): FrameEvent {
    const take = Math.min(this.#left, end - start);
    this.#left -= take;
    this.position = start + take;
    if (this.#left > 0) return 'more';
    this.#left = -1;
    return 'unknown';
  }
}

/** Reads 31 bits; the first one is reserved and ignored. */
export function uint31(buf: Uint8Array, at: number): number {
  return (
    (((buf[at] as number) & 0x7f) << 24) |
    ((buf[at + 1] as number) << 16) |
    ((buf[at + 2] as number) << 8) |
    (buf[at + 3] as number)
  );
}

/** Reads 32 bits. */
export function uint32(buf: Uint8Array, at: number): number {
  return (
    (((buf[at] as number) << 24) |
      ((buf[at + 1] as number) << 16) |
      ((buf[at + 2] as number) << 8) |
      (buf[at + 3] as number)) >>>
    0
  );
}

function isKnown(type: number): boolean {
  return type <= FrameType.continuation || type === FrameType.priorityUpdate;
}
