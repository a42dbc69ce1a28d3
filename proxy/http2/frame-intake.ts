// What both ends of HTTP/2 do with the bytes that come on a connection: frames in a legal order, header blocks put
// together, and what costs more than it brings counted.
//
// PURE. In: bytes of the socket. Out: one call for each thing that happened. The two receivers (of clients, of upstreams) stand
// on it: they decode blocks, take the frames that mean something at one end only, and have words of their own for faults.

import type { FloodKind } from './flood-guard.ts';
import { FrameReader, uint31, uint32 } from './frame-reader.ts';
import { HeaderBlock } from './header-block.ts';
import { ErrorCode, type ErrorCodeValue, Flag, FrameType } from './protocol.ts';

/** Largest header block, compressed, in all its frames. A block that is larger cannot be answered, only refused. */
export const MAX_BLOCK_BYTES = 64 * 1024;

/** What concerns the connection, at both ends. */
export interface ConnectionEvents {
  /** False once nothing more is to be read. */
  readonly isReading: boolean;
  /** Counts what costs more than it brings. False: the connection has been ended for it. */
  mayCount(kind: FloodKind): boolean;
  /** Ends the connection; `reason` is for logs and metrics. */
  connectionError(code: ErrorCodeValue, reason: string): void;
  onSettings(payload: Buffer, start: number, end: number): void;
  onPing(isAck: boolean, payload: Buffer, start: number): void;
  onConnectionWindow(increment: number): void;
}

/** What concerns one stream, at both ends. */
export interface StreamEvents {
  /**
   * A piece of payload. `flowBytes` count against the windows, padding included. `isLast`: the stream ends with it. `buf`
   * stays as it is only when `isOwned`.
   */
  onData(
    streamId: number,
    buf: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    isLast: boolean,
    isOwned: boolean,
  ): void;
  onReset(streamId: number, code: number): void;
  onStreamWindow(streamId: number, increment: number): void;
}

/** The receiver of one end. */
export interface IntakeUser {
  /** A complete header block, `buf[start..end)`, valid only during the call. */
  onBlock(streamId: number, isLast: boolean, buf: Buffer, start: number, end: number): void;
  /** A block has begun that its first frame does not complete. */
  onBlockOpened(): void;
  /** A complete frame of a type that the ends differ in: PRIORITY, GOAWAY, PRIORITY_UPDATE. */
  onOtherFrame(frame: FrameReader): void;
  /** The word for a fault in the frames themselves; `text` is the reader's for people. */
  faultWord(fault: IntakeFault, code: ErrorCodeValue, text: string): string;
}

/** `frame`: one frame is broken or out of order. */
export type IntakeFault = 'frame' | 'noSettings' | 'blockTooLarge';

export class FrameIntake {
  readonly #owner: ConnectionEvents;
  readonly #streams: StreamEvents;
  readonly #user: IntakeUser;
  readonly #reader = new FrameReader();
  readonly #block = new HeaderBlock();
  #isReadOwned = false;
  #hasSettings = false;

  constructor(owner: ConnectionEvents, streams: StreamEvents, user: IntakeUser) {
    this.#owner = owner;
    this.#streams = streams;
    this.#user = user;
  }

  /** The other end's SETTINGS have come. */
  get isStarted(): boolean {
    return this.#hasSettings;
  }

  /** Between HEADERS and the end of its block. */
  get isWithinBlock(): boolean {
    return this.#block.isOpen;
  }

  /** Takes what was read. `buf` stays as it is only when `isOwned`. */
  read(buf: Buffer, start: number, end: number, isOwned: boolean): void {
    const reader = this.#reader;
    this.#isReadOwned = isOwned;
    let at = start;
    while (this.#owner.isReading) {
      const event = reader.next(buf, at, end);
      if (event === 'more') return;
      if (event === 'error') return this.#fail('frame', reader.errorCode, reader.errorText);
      at = reader.position;
      if (!this.#hasSettings && !this.#isFirstSettings()) return;
      if (event === 'data') this.#data();
      else if (event === 'unknown') this.#owner.mayCount('unknownFrame');
      else this.#frame();
    }
  }

  /** RFC 9113 §3.4: the preface of both ends includes a SETTINGS frame. Anything else is not HTTP/2. */
  #isFirstSettings(): boolean {
    const { type, flags } = this.#reader;
    this.#hasSettings = type === FrameType.settings && (flags & Flag.ack) === 0;
    if (!this.#hasSettings) this.#fail('noSettings', ErrorCode.protocolError, '');
    return this.#hasSettings;
  }

  #data(): void {
    const reader = this.#reader;
    const { payload, payloadStart, payloadEnd, flowBytes, isFrameEnd } = reader;
    const isLast = isFrameEnd && (reader.flags & Flag.endStream) !== 0;
    const isEmpty = isFrameEnd && !isLast && payloadStart === payloadEnd && reader.length <= 256;
    if (isEmpty && !this.#owner.mayCount('emptyFrame')) return;
    const { streamId } = reader;
    this.#streams.onData(streamId, payload, payloadStart, payloadEnd, flowBytes, isLast, this.#isReadOwned);
  }

  #frame(): void {
    const { type, flags, streamId, payload, payloadStart, payloadEnd } = this.#reader;
    const owner = this.#owner;
    const isAck = (flags & Flag.ack) !== 0;
    switch (type) {
      case FrameType.headers:
      case FrameType.continuation:
        return this.#headers();
      case FrameType.rstStream:
        return this.#streams.onReset(streamId, uint32(payload, payloadStart));
      case FrameType.settings:
        if (owner.mayCount('settings') && !isAck) owner.onSettings(payload, payloadStart, payloadEnd);
        return;
      case FrameType.ping:
        if (owner.mayCount('ping')) owner.onPing(isAck, payload, payloadStart);
        return;
      case FrameType.windowUpdate:
        if (!owner.mayCount('windowUpdate')) return;
        if (streamId === 0) owner.onConnectionWindow(uint31(payload, payloadStart));
        else this.#streams.onStreamWindow(streamId, uint31(payload, payloadStart));
        return;
      default:
        return this.#user.onOtherFrame(this.#reader);
    }
  }

  #headers(): void {
    const block = this.#block;
    switch (block.take(this.#reader, MAX_BLOCK_BYTES)) {
      case 'opened':
        return this.#user.onBlockOpened();
      case 'more':
        return;
      case 'tooLarge':
        return this.#fail('blockTooLarge', ErrorCode.enhanceYourCalm, '');
      case 'complete':
        this.#user.onBlock(block.streamId, block.isLast, block.bytes, block.start, block.end);
        block.release();
    }
  }

  #fail(fault: IntakeFault, code: ErrorCodeValue, text: string): void {
    this.#owner.connectionError(code, this.#user.faultWord(fault, code, text));
  }
}
