// The receiving half of an HTTP/2 connection of a client: its preface, and header blocks decoded into requests.
//
// In: bytes of the socket. Out: one call on the connection or on its streams for each thing that happened, or one connection
// error, after which nothing more is read. What a frame means for a stream is their matter.

import { filterTrailers } from '../http/chunked.ts';
import type { HeadLimits } from '../http/head-scanner.ts';
import {
  type ConnectionEvents,
  FrameIntake,
  type IntakeFault,
  type IntakeUser,
  type StreamEvents,
} from '../http2/frame-intake.ts';
import { type FrameReader, uint31 } from '../http2/frame-reader.ts';
import { HpackDecoder } from '../http2/hpack-decoder.ts';
import { CLIENT_PREFACE, ErrorCode, type ErrorCodeValue, FrameType } from '../http2/protocol.ts';
import { RequestFields, TrailerFields } from '../http2/request-fields.ts';
import type { Http2Stream } from './http2-stream.ts';
import { newWebSocketKey } from './websocket-handshake.ts';

/** What a HEADERS frame stands for: a new request, trailers of a known one, or nothing that matters any more. */
export type BlockUse = 'request' | 'trailers' | 'ignored' | 'error';

/** What concerns the connection. */
export interface ConnectionFrames extends ConnectionEvents {
  /** A header block is open: it must be complete in time. */
  onBlockOpened(): void;
  onGoAway(): void;
}

/** What concerns one stream. */
export interface StreamFrames extends StreamEvents {
  /** `error`: the connection has been ended. */
  useOfBlock(streamId: number): BlockUse;
  readonly headLimits: HeadLimits;
  /** A stream object for the next request. */
  takeStream(): Http2Stream;
  /** The fields are in `stream.head`; `fields.fault` says whether they make a request. */
  onRequest(stream: Http2Stream, streamId: number, fields: RequestFields, isLast: boolean): void;
  /** `lines` that may be forwarded, each with CRLF; null for a malformed section. */
  onTrailers(streamId: number, isLast: boolean, lines: string | null): void;
  onPriorityUpdate(streamId: number, value: string): void;
}

export class Http2Receiver implements IntakeUser {
  readonly #owner: ConnectionFrames;
  readonly #streams: StreamFrames;
  readonly #intake: FrameIntake;
  readonly #decoder: HpackDecoder;
  readonly #fields = new RequestFields();
  readonly #trailers = new TrailerFields();
  #prefaceLength = 0;

  /** `scratch` as for HpackDecoder, for blocks of MAX_BLOCK_BYTES. */
  constructor(owner: ConnectionFrames, streams: StreamFrames, scratch: Buffer) {
    this.#owner = owner;
    this.#streams = streams;
    this.#intake = new FrameIntake(owner, streams, this);
    this.#decoder = new HpackDecoder(scratch);
  }

  /** The preface with its SETTINGS has come. */
  get isStarted(): boolean {
    return this.#intake.isStarted;
  }

  /** Between HEADERS and the end of its block. */
  get isWithinBlock(): boolean {
    return this.#intake.isWithinBlock;
  }

  /** Takes what was read. `buf` stays as it is only when `isOwned`. */
  read(buf: Buffer, start: number, end: number, isOwned: boolean): void {
    const at = this.#prefaceLength < CLIENT_PREFACE.length ? this.#readPreface(buf, start, end) : start;
    this.#intake.read(buf, at, end, isOwned);
  }

  // ---- IntakeUser

  onBlock(streamId: number, isLast: boolean, buf: Buffer, start: number, end: number): void {
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

  onBlockOpened(): void {
    this.#owner.onBlockOpened();
  }

  onOtherFrame({ type, length, payload, payloadStart, payloadEnd }: FrameReader): void {
    const owner = this.#owner;
    if (type === FrameType.goAway) return owner.onGoAway();
    if (type !== FrameType.priority && type !== FrameType.priorityUpdate) return;
    if (!owner.mayCount('priority')) return;
    if (type === FrameType.priorityUpdate) {
      const value = payload.latin1Slice(payloadStart + 4, payloadEnd);
      return this.#streams.onPriorityUpdate(uint31(payload, payloadStart), value);
    }
    // Deprecated (RFC 9113 §5.3.2), and ignored but for its size, which is an error of a stream we need not know.
    if (length !== 5) owner.connectionError(ErrorCode.frameSizeError, 'frameSize');
  }

  faultWord(fault: IntakeFault, code: ErrorCodeValue): string {
    switch (fault) {
      case 'frame':
        return code === ErrorCode.frameSizeError ? 'frameSize' : 'protocol';
      case 'noSettings':
        return 'badPreface';
      case 'blockTooLarge':
        return 'headerBlockTooLarge';
      default:
        return fault satisfies never;
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
