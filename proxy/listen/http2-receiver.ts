// The receiving half of an HTTP/2 connection: preface, frames in a legal order, header blocks decoded into requests.
//
// In: bytes of the socket. Out: one call on the connection or on its streams for each thing that happened, or one connection error, after which
// nothing more is read. What a frame means for a stream is their matter.

import { filterTrailers } from '../http/chunked.ts';
import type { HeadLimits } from '../http/head-scanner.ts';
import type { FloodKind } from '../http2/flood-guard.ts';
import { FrameReader, uint31 } from '../http2/frame-reader.ts';
import { HeaderBlock } from '../http2/header-block.ts';
import { HpackDecoder } from '../http2/hpack-decoder.ts';
import { CLIENT_PREFACE, ErrorCode, type ErrorCodeValue, Flag, FrameType } from '../http2/protocol.ts';
import { RequestFields, TrailerFields } from '../http2/request-fields.ts';
import { MAX_BLOCK_BYTES } from './http2-parts.ts';
import type { Http2Stream } from './http2-stream.ts';
import { newWebSocketKey } from './websocket-handshake.ts';

/** What a HEADERS frame stands for: a new request, trailers of a known one, or nothing that matters any more. */
export type BlockUse = 'request' | 'trailers' | 'ignored' | 'error';

/** What concerns the connection. */
export interface ConnectionFrames {
  /** False once nothing more is to be read. */
  readonly isReading: boolean;
  /** Counts what costs more than it brings. False: the connection has been ended for it. */
  mayCount(kind: FloodKind): boolean;
  connectionError(code: ErrorCodeValue, reason: string): void;
  /** A header block is open: it must be complete in time. */
  onBlockOpened(): void;
  onSettings(payload: Buffer, start: number, end: number): void;
  onPing(isAck: boolean, payload: Buffer, start: number): void;
  onGoAway(): void;
  onConnectionWindow(increment: number): void;
}

/** What concerns one stream. */
export interface StreamFrames {
  /** `error`: the connection has been ended. */
  useOfBlock(streamId: number): BlockUse;
  readonly headLimits: HeadLimits;
  /** A stream object for the next request. */
  takeStream(): Http2Stream;
  /** The fields are in `stream.head`; `fields.fault` says whether they make a request. */
  onRequest(stream: Http2Stream, streamId: number, fields: RequestFields, isLast: boolean): void;
  /** `lines` that may be forwarded, each with CRLF; null for a malformed section. */
  onTrailers(streamId: number, isLast: boolean, lines: string | null): void;
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
  onReset(streamId: number): void;
  onStreamWindow(streamId: number, increment: number): void;
  onPriorityUpdate(streamId: number, value: string): void;
}

export class Http2Receiver {
  readonly #owner: ConnectionFrames;
  readonly #streams: StreamFrames;
  readonly #reader = new FrameReader();
  readonly #decoder: HpackDecoder;
  readonly #block = new HeaderBlock();
  readonly #fields = new RequestFields();
  readonly #trailers = new TrailerFields();
  #isReadOwned = false;
  #prefaceLength = 0;
  #hasSettings = false;

  /** `scratch` as for HpackDecoder, for blocks of MAX_BLOCK_BYTES. */
  constructor(owner: ConnectionFrames, streams: StreamFrames, scratch: Buffer) {
    this.#owner = owner;
    this.#streams = streams;
    this.#decoder = new HpackDecoder(scratch);
  }

  /** The preface with its SETTINGS has come. */
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
    let at = this.#prefaceLength < CLIENT_PREFACE.length ? this.#readPreface(buf, start, end) : start;
    while (this.#owner.isReading) {
      const event = reader.next(buf, at, end);
      if (event === 'more') return;
      if (event === 'error') return this.#owner.connectionError(reader.errorCode, faultWord(reader.errorCode));
      at = reader.position;
      if (!this.#hasSettings && !this.#isFirstSettings()) return;
      if (event === 'data') this.#data();
      else if (event === 'unknown') this.#owner.mayCount('unknownFrame');
      else this.#frame();
    }
  }

  #readPreface(buf: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.#prefaceLength < CLIENT_PREFACE.length) {
      if (buf[at] !== CLIENT_PREFACE.charCodeAt(this.#prefaceLength)) {
        this.#owner.connectionError(ErrorCode.protocolError, 'badPreface');
        return end;
      }
      at++;
      this.#prefaceLength++;
    }
    return at;
  }

  /** RFC 9113 §3.4: the preface includes a SETTINGS frame. */
  #isFirstSettings(): boolean {
    const { type, flags } = this.#reader;
    this.#hasSettings = type === FrameType.settings && (flags & Flag.ack) === 0;
    if (!this.#hasSettings) this.#owner.connectionError(ErrorCode.protocolError, 'badPreface');
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
    const { type, flags, streamId, length, payload, payloadStart, payloadEnd } = this.#reader;
    const owner = this.#owner;
    const streams = this.#streams;
    switch (type) {
      case FrameType.headers:
      case FrameType.continuation:
        return this.#headers();
      case FrameType.priority:
        // Deprecated (RFC 9113 §5.3.2), and ignored but for its size, which is an error of a stream we need not know.
        if (owner.mayCount('priority') && length !== 5) owner.connectionError(ErrorCode.frameSizeError, 'frameSize');
        return;
      case FrameType.rstStream:
        return streams.onReset(streamId);
      case FrameType.settings:
        if (!owner.mayCount('settings') || (flags & Flag.ack) !== 0) return;
        return owner.onSettings(payload, payloadStart, payloadEnd);
      case FrameType.ping:
        if (owner.mayCount('ping')) owner.onPing((flags & Flag.ack) !== 0, payload, payloadStart);
        return;
      case FrameType.goAway:
        return owner.onGoAway();
      case FrameType.windowUpdate:
        if (!owner.mayCount('windowUpdate')) return;
        if (streamId === 0) owner.onConnectionWindow(uint31(payload, payloadStart));
        else streams.onStreamWindow(streamId, uint31(payload, payloadStart));
        return;
      case FrameType.priorityUpdate:
        if (!owner.mayCount('priority')) return;
        return streams.onPriorityUpdate(
          uint31(payload, payloadStart),
          payload.latin1Slice(payloadStart + 4, payloadEnd),
        );
      default:
        return;
    }
  }

  #headers(): void {
    const block = this.#block;
    switch (block.take(this.#reader, MAX_BLOCK_BYTES)) {
      case 'opened':
        return this.#owner.onBlockOpened();
      case 'more':
        return;
      case 'tooLarge':
        return this.#owner.connectionError(ErrorCode.enhanceYourCalm, 'headerBlockTooLarge');
      case 'complete':
        this.#blockComplete(block.streamId, block.isLast, block.bytes, block.start, block.end);
        block.release();
    }
  }

  #blockComplete(streamId: number, isLast: boolean, buf: Buffer, start: number, end: number): void {
    const streams = this.#streams;
    const use = streams.useOfBlock(streamId);
    if (use === 'error') return;
    if (use === 'request') return this.#request(streamId, isLast, buf, start, end);
    // Whatever becomes of the fields, the decoder's table must see them (RFC 9113 §4.3).
    this.#trailers.begin(streams.headLimits);
    if (!this.#decode(buf, start, end, this.#trailers)) return;
    const isMalformed = this.#trailers.isMalformed || this.#decoder.isListTooLarge;
    if (use === 'trailers')
      streams.onTrailers(streamId, isLast, isMalformed ? null : filterTrailers(this.#trailers.lines));
  }

  #request(streamId: number, isLast: boolean, buf: Buffer, start: number, end: number): void {
    const streams = this.#streams;
    const stream = streams.takeStream();
    const fields = this.#fields;
    fields.begin(stream.head, streams.headLimits);
    if (!this.#decode(buf, start, end, fields)) return;
    fields.finish(!isLast, this.#decoder.isListTooLarge, newWebSocketKey);
    streams.onRequest(stream, streamId, fields, isLast);
  }

  #decode(buf: Buffer, start: number, end: number, sink: RequestFields | TrailerFields): boolean {
    const { maxHeadBytes } = this.#streams.headLimits;
    if (this.#decoder.decode(buf, start, end, maxHeadBytes, sink)) return true;
    this.#owner.connectionError(ErrorCode.compressionError, 'compression');
    return false;
  }
}

function faultWord(code: ErrorCodeValue): string {
  return code === ErrorCode.frameSizeError ? 'frameSize' : 'protocol';
}
