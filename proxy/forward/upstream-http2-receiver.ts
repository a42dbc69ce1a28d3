// The receiving half of an HTTP/2 connection to an upstream: frames in a legal order, header blocks decoded to responses.
//
// In: bytes of the socket. Out: one call on the connection or on its streams for each thing that happened, or one connection error, after which
// nothing more is read. What a frame means for a stream is their matter.

import { ResponseHead } from '../http/response-head.ts';
import type { FloodKind } from '../http2/flood-guard.ts';
import { FrameReader, uint31, uint32 } from '../http2/frame-reader.ts';
import { HeaderBlock } from '../http2/header-block.ts';
import { HpackDecoder } from '../http2/hpack-decoder.ts';
import { ErrorCode, type ErrorCodeValue, Flag, FrameType } from '../http2/protocol.ts';
import { ResponseFields, TrailerLines } from '../http2/response-fields.ts';
import { MAX_BLOCK_BYTES } from '../listen/http2-parts.ts';

/** Fields of one response, names and values, as RFC 9113 §6.5.2 counts: as much as an HTTP/1.1 upstream may send. */
export const MAX_RESPONSE_LIST_BYTES = 64 * 1024;

/** What a HEADERS frame stands for: a response (also a 1xx), the trailers of one, or nothing that matters any more. */
export type BlockUse = 'response' | 'trailers' | 'ignored' | 'error';

/** What concerns the connection. */
export interface ConnectionFrames {
  /** False once nothing more is to be read. */
  readonly isReading: boolean;
  /** Counts what costs more than it brings. False: the connection has been ended for it. */
  mayCount(kind: FloodKind): boolean;
  connectionError(code: ErrorCodeValue, detail: string): void;
  onSettings(payload: Buffer, start: number, end: number): void;
  onPing(isAck: boolean, payload: Buffer, start: number): void;
  onGoAway(lastStreamId: number, code: number): void;
  onConnectionWindow(increment: number): void;
}

/** What concerns one stream. */
export interface StreamFrames {
  /** `error`: the connection has been ended. */
  useOfBlock(streamId: number): BlockUse;
  /** `fault` is '' for a sound head, which is valid only during the call. */
  onResponse(streamId: number, head: ResponseHead, fault: string, isLast: boolean): void;
  /** `lines` each with CRLF; null for a malformed section. */
  onTrailers(streamId: number, lines: string | null, isLast: boolean): void;
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

export class UpstreamHttp2Receiver {
  readonly #owner: ConnectionFrames;
  readonly #streams: StreamFrames;
  readonly #reader = new FrameReader();
  readonly #decoder: HpackDecoder;
  readonly #block = new HeaderBlock();
  readonly #head = new ResponseHead();
  readonly #fields = new ResponseFields();
  readonly #trailers = new TrailerLines();
  #isReadOwned = false;
  #hasSettings = false;

  /** `scratch` as for HpackDecoder, for blocks of MAX_BLOCK_BYTES. */
  constructor(owner: ConnectionFrames, streams: StreamFrames, scratch: Buffer) {
    this.#owner = owner;
    this.#streams = streams;
    this.#decoder = new HpackDecoder(scratch);
  }

  /** Takes what was read. `buf` stays as it is only when `isOwned`. */
  read(buf: Buffer, start: number, end: number, isOwned: boolean): void {
    const reader = this.#reader;
    this.#isReadOwned = isOwned;
    let at = start;
    while (this.#owner.isReading) {
      const event = reader.next(buf, at, end);
      if (event === 'more') return;
      if (event === 'error') return this.#owner.connectionError(reader.errorCode, reader.errorText);
      at = reader.position;
      if (!this.#hasSettings && !this.#isFirstSettings()) return;
      if (event === 'data') this.#data();
      else if (event === 'unknown') this.#owner.mayCount('unknownFrame');
      else this.#frame();
    }
  }

  /** RFC 9113 §3.4: the server's preface is a SETTINGS frame. Anything else is not HTTP/2. */
  #isFirstSettings(): boolean {
    const { type, flags } = this.#reader;
    this.#hasSettings = type === FrameType.settings && (flags & Flag.ack) === 0;
    if (!this.#hasSettings) this.#owner.connectionError(ErrorCode.protocolError, 'no SETTINGS at the start');
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
      case FrameType.goAway:
        if (owner.mayCount('settings'))
          owner.onGoAway(uint31(payload, payloadStart), uint32(payload, payloadStart + 4));
        return;
      case FrameType.windowUpdate:
        if (!owner.mayCount('windowUpdate')) return;
        if (streamId === 0) owner.onConnectionWindow(uint31(payload, payloadStart));
        else this.#streams.onStreamWindow(streamId, uint31(payload, payloadStart));
        return;
      default:
        // PRIORITY says nothing to a client, but has to have its size (RFC 9113 §6.3).
        if (owner.mayCount('priority') && type === FrameType.priority && length !== 5) {
          owner.connectionError(ErrorCode.frameSizeError, 'PRIORITY of a wrong size');
        }
    }
  }

  #headers(): void {
    const block = this.#block;
    switch (block.take(this.#reader, MAX_BLOCK_BYTES)) {
      case 'opened':
      case 'more':
        return;
      case 'tooLarge':
        return this.#owner.connectionError(ErrorCode.enhanceYourCalm, 'header block too large');
      case 'complete':
        this.#blockComplete(block.streamId, block.isLast, block.bytes, block.start, block.end);
        block.release();
    }
  }

  #blockComplete(streamId: number, isLast: boolean, buf: Buffer, start: number, end: number): void {
    const streams = this.#streams;
    const use = streams.useOfBlock(streamId);
    if (use === 'error') return;
    if (use === 'response') return this.#response(streamId, isLast, buf, start, end);
    // Whatever becomes of the fields, the decoder's table must see them (RFC 9113 §4.3).
    this.#trailers.begin();
    if (!this.#decode(buf, start, end, this.#trailers) || use === 'ignored') return;
    const isMalformed = this.#trailers.isMalformed || this.#decoder.isListTooLarge;
    streams.onTrailers(streamId, isMalformed ? null : this.#trailers.lines, isLast);
  }

  #response(streamId: number, isLast: boolean, buf: Buffer, start: number, end: number): void {
    const fields = this.#fields;
    fields.begin(this.#head);
    if (!this.#decode(buf, start, end, fields)) return;
    fields.finish(this.#decoder.isListTooLarge);
    this.#streams.onResponse(streamId, this.#head, fields.fault, isLast);
  }

  #decode(buf: Buffer, start: number, end: number, sink: ResponseFields | TrailerLines): boolean {
    if (this.#decoder.decode(buf, start, end, MAX_RESPONSE_LIST_BYTES, sink)) return true;
    this.#owner.connectionError(ErrorCode.compressionError, 'header compression broken');
    return false;
  }
}
