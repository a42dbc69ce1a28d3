// The streams of one HTTP/2 client connection, and what frames mean for them: which stream a frame belongs to, whether it
// may come in the stream's state (RFC 9113 §5.1), and which errors are the connection's.

import type { HeadLimits } from '../http/head-scanner.ts';
import type { FloodKind } from '../http2/flood-guard.ts';
import { readPriority } from '../http2/priority.ts';
import { ErrorCode, type ErrorCodeValue, MAX_STREAM_ID } from '../http2/protocol.ts';
import type { RequestFields } from '../http2/request-fields.ts';
import { ResetMemory } from '../http2/reset-memory.ts';
import { EarlyPriorities } from './early-priorities.ts';
import type { BlockUse, StreamFrames } from './http2-receiver.ts';
import type { Http2Stream, StreamHome } from './http2-stream.ts';

/** The connection as its set of streams sees it. */
export interface StreamsOwner extends StreamHome {
  readonly maxStreams: number;
  readonly headLimits: HeadLimits;
  /** From the worker's free ones. */
  takeStream(): Http2Stream;
  releaseStream(stream: Http2Stream): void;
  /** Counts what costs more than it brings. False: the connection has been ended for it. */
  mayCount(kind: FloodKind): boolean;
  connectionError(code: ErrorCodeValue, reason: string): void;
  /** Takes payload of the connection's window. False: the connection has been ended. */
  takeWindow(bytes: number): boolean;
  /** A request has come. */
  requestBegun(): void;
  /** A header block is complete that was no request. */
  blockEnded(): void;
  /** The last stream is gone. */
  emptied(): void;
}

export class Http2Streams implements StreamFrames {
  /** The highest number that a client has used. */
  lastId = 0;
  /** Streams above it are not taken any more: the client has been told so. */
  finalId = MAX_STREAM_ID;
  readonly #owner: StreamsOwner;
  readonly #byId = new Map<number, Http2Stream>();
  readonly #resets = new ResetMemory();
  readonly #earlyPriorities = new EarlyPriorities();

  constructor(owner: StreamsOwner) {
    this.#owner = owner;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** The client is gone, for all of them. */
  cancelAll(): void {
    for (const stream of [...this.#byId.values()]) stream.onGone();
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE moves the windows of all, below zero too (RFC 9113 §6.9.2). False on overflow. */
  shiftWindows(bytes: number): boolean {
    for (const stream of this.#byId.values()) if (!stream.growWindow(bytes)) return false;
    return true;
  }

  /** The stream is over. */
  remove(stream: Http2Stream): void {
    const owner = this.#owner;
    this.#byId.delete(stream.id);
    if (stream.wasReset) this.#resets.add(stream.id);
    owner.releaseStream(stream);
    if (this.#byId.size === 0) owner.emptied();
  }

  // ---- StreamFrames

  get headLimits(): HeadLimits {
    return this.#owner.headLimits;
  }

  useOfBlock(streamId: number): BlockUse {
    if (this.#byId.has(streamId)) return 'trailers';
    if (streamId % 2 === 0) return this.#blockError(ErrorCode.protocolError, 'protocol');
    if (streamId > this.lastId) return 'request';
    return this.#resets.mayHave(streamId) ? 'ignored' : this.#blockError(ErrorCode.streamClosed, 'streamClosed');
  }

  #blockError(code: ErrorCodeValue, reason: string): BlockUse {
    this.#owner.connectionError(code, reason);
    return 'error';
  }

  takeStream(): Http2Stream {
    return this.#owner.takeStream();
  }

  onRequest(stream: Http2Stream, streamId: number, fields: RequestFields, isLast: boolean): void {
    const owner = this.#owner;
    this.lastId = streamId;
    if (this.#byId.size >= owner.maxStreams || streamId > this.finalId) return this.#refuse(stream, streamId);
    this.#byId.set(streamId, stream);
    owner.requestBegun();
    stream.open(owner, streamId, fields, isLast);
    const priority = this.#earlyPriorities.take(streamId);
    if (priority !== undefined) this.#prioritize(stream, priority);
    if (fields.fault !== null) stream.refuse(fields.fault);
    else owner.starts.take(stream);
  }

  #refuse(stream: Http2Stream, streamId: number): void {
    const owner = this.#owner;
    owner.releaseStream(stream);
    this.#resets.add(streamId);
    owner.output.rstStream(streamId, ErrorCode.refusedStream);
    // A client that has seen our SETTINGS does not ask for more than it may.
    if (this.finalId === MAX_STREAM_ID) owner.noteFault('refusedStream');
  }

  onTrailers(streamId: number, isLast: boolean, lines: string | null): void {
    const stream = this.#byId.get(streamId) as Http2Stream;
    this.#owner.blockEnded();
    if (stream.isRemoteClosed) return stream.fail(ErrorCode.streamClosed, 'streamClosed');
    // RFC 9113 §8.1: a second HEADERS ends the stream.
    if (!isLast || lines === null) return stream.fail(ErrorCode.protocolError, 'malformedTrailers', 'badBody');
    stream.onRemoteEnd(lines);
  }

  onData(
    streamId: number,
    buf: Buffer,
    start: number,
    end: number,
    flowBytes: number,
    isLast: boolean,
    isOwned: boolean,
  ): void {
    const owner = this.#owner;
    if (!owner.takeWindow(flowBytes)) return;
    const stream = this.#byId.get(streamId);
    if (stream === undefined) return this.#dataOnClosed(streamId, flowBytes);
    if (stream.isRemoteClosed) {
      owner.creditReceived(flowBytes);
      return stream.fail(ErrorCode.streamClosed, 'streamClosed');
    }
    stream.onData(buf, start, end, flowBytes, isOwned);
    if (isLast && this.#byId.get(streamId) === stream) stream.onRemoteEnd('');
  }

  /** It still counts for the connection's window (RFC 9113 §5.1, §6.9). */
  #dataOnClosed(streamId: number, flowBytes: number): void {
    const owner = this.#owner;
    if (this.#isIdle(streamId)) return owner.connectionError(ErrorCode.protocolError, 'protocol');
    if (!this.#resets.mayHave(streamId)) return owner.connectionError(ErrorCode.streamClosed, 'streamClosed');
    owner.creditReceived(flowBytes);
  }

  onReset(streamId: number): void {
    const stream = this.#byId.get(streamId);
    if (stream === undefined) return this.#mustNotBeIdle(streamId);
    const wasUnanswered = stream.isUnanswered;
    stream.onGone();
    if (wasUnanswered) this.#owner.mayCount('reset');
  }

  onStreamWindow(streamId: number, increment: number): void {
    const stream = this.#byId.get(streamId);
    if (stream === undefined) this.#mustNotBeIdle(streamId);
    else stream.onWindowUpdate(increment);
  }

  onPriorityUpdate(streamId: number, value: string): void {
    // RFC 9218 §7.1: a stream that a client cannot have.
    if (streamId % 2 === 0) return this.#owner.connectionError(ErrorCode.protocolError, 'protocol');
    const stream = this.#byId.get(streamId);
    if (stream !== undefined) this.#prioritize(stream, value);
    else if (streamId > this.lastId) this.#earlyPriorities.keep(streamId, value);
  }

  #prioritize(stream: Http2Stream, value: string): void {
    const priority = { urgency: 0, isIncremental: false };
    readPriority(value, priority);
    this.#owner.output.queue.reprioritize(stream, priority);
  }

  #mustNotBeIdle(streamId: number): void {
    if (this.#isIdle(streamId)) this.#owner.connectionError(ErrorCode.protocolError, 'protocol');
  }

  /** RFC 9113 §5.1: never used so far. Streams with even ids never are: we do not push. */
  #isIdle(streamId: number): boolean {
    return streamId > this.lastId || streamId % 2 === 0;
  }
}
