// The receiving half of an HTTP/2 connection to an upstream: header blocks decoded to responses.
//
// In: bytes of the socket. Out: one call on the connection or on its streams for each thing that happened, or one connection
// error, after which nothing more is read. What a frame means for a stream is their matter.

import { ResponseHead } from '../http/response-head.ts';
import {
  type ConnectionEvents,
  FrameIntake,
  type IntakeFault,
  type IntakeUser,
  type StreamEvents,
} from '../http2/frame-intake.ts';
import { type FrameReader, uint31, uint32 } from '../http2/frame-reader.ts';
import { HpackDecoder } from '../http2/hpack-decoder.ts';
import { ErrorCode, type ErrorCodeValue, FrameType } from '../http2/protocol.ts';
import { ResponseFields, TrailerLines } from '../http2/response-fields.ts';

/** Fields of one response, names and values, as RFC 9113 §6.5.2 counts: as much as an HTTP/1.1 upstream may send. */
export const MAX_RESPONSE_LIST_BYTES = 64 * 1024;

/** What a HEADERS frame stands for: a response (also a 1xx), the trailers of one, or nothing that matters any more. */
export type BlockUse = 'response' | 'trailers' | 'ignored' | 'error';

/** What concerns the connection. */
export interface ConnectionFrames extends ConnectionEvents {
  onGoAway(lastStreamId: number, code: number): void;
}

/** What concerns one stream. */
export interface StreamFrames extends StreamEvents {
  /** `error`: the connection has been ended. */
  useOfBlock(streamId: number): BlockUse;
  /** `fault` is '' for a sound head, which is valid only during the call. */
  onResponse(streamId: number, head: ResponseHead, fault: string, isLast: boolean): void;
  /** `lines` each with CRLF; null for a malformed section. */
  onTrailers(streamId: number, lines: string | null, isLast: boolean): void;
}

export class UpstreamHttp2Receiver implements IntakeUser {
  readonly #owner: ConnectionFrames;
  readonly #streams: StreamFrames;
  readonly #intake: FrameIntake;
  readonly #decoder: HpackDecoder;
  readonly #head = new ResponseHead();
  readonly #fields = new ResponseFields();
  readonly #trailers = new TrailerLines();

  /** `scratch` as for HpackDecoder, for blocks of MAX_BLOCK_BYTES. */
  constructor(owner: ConnectionFrames, streams: StreamFrames, scratch: Buffer) {
    this.#owner = owner;
    this.#streams = streams;
    this.#intake = new FrameIntake(owner, streams, this);
    this.#decoder = new HpackDecoder(scratch);
  }

  /** Takes what was read. `buf` stays as it is only when `isOwned`. */
  read(buf: Buffer, start: number, end: number, isOwned: boolean): void {
    this.#intake.read(buf, start, end, isOwned);
  }

  // ---- IntakeUser

  onBlock(streamId: number, isLast: boolean, buf: Buffer, start: number, end: number): void {
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

  onBlockOpened(): void {
    // The upstream's time limit for its head runs already.
  }

  onOtherFrame({ type, length, payload, payloadStart }: FrameReader): void {
    const owner = this.#owner;
    if (type === FrameType.goAway) {
      if (owner.mayCount('settings')) owner.onGoAway(uint31(payload, payloadStart), uint32(payload, payloadStart + 4));
      return;
    }
    // PRIORITY says nothing to a client, but has to have its size (RFC 9113 §6.3).
    if (owner.mayCount('priority') && type === FrameType.priority && length !== 5) {
      owner.connectionError(ErrorCode.frameSizeError, 'PRIORITY of a wrong size');
    }
  }

  faultWord(fault: IntakeFault, _code: ErrorCodeValue, text: string): string {
    switch (fault) {
      case 'frame':
        return text;
      case 'noSettings':
        return 'no SETTINGS at the start';
      case 'blockTooLarge':
        return 'header block too large';
      default:
        return fault satisfies never;
    }
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
