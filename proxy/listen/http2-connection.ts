// One HTTP/2 client connection: its streams, its windows, and how it ends.
//
//   open -> draining -> closing -> closed
// `draining`: GOAWAY is out, running streams finish. `closing`: the last GOAWAY is out and our side ends; what still comes
// in is dropped, so that the client gets to read it. Every state can go to `closed`.
// A connection error (RFC 9113 §5.4.1) cancels all streams and goes to `closing` at once.

import type { Socket } from 'node:net';
import type { ProxyContext } from '../forward/context.ts';
import { Deadline, type Timed } from '../forward/timer-wheel.ts';
import type { HeadLimits } from '../http/head-scanner.ts';
import { FloodGuard, type FloodKind } from '../http2/flood-guard.ts';
import { FrameWriter } from '../http2/frame-writer.ts';
import { PeerSettings } from '../http2/peer-settings.ts';
import { type Priority, readPriority } from '../http2/priority.ts';
import {
  ErrorCode,
  type ErrorCodeValue,
  INITIAL_WINDOW_BYTES,
  MAX_STREAM_ID,
  MAX_WINDOW_BYTES,
  Setting,
} from '../http2/protocol.ts';
import type { RequestFields } from '../http2/request-fields.ts';
import { ResetMemory } from '../http2/reset-memory.ts';
import type { Http2Settings } from '../table/types.ts';
import { Http2Output, type OutputOwner } from './http2-output.ts';
import type { Http2Parts } from './http2-parts.ts';
import { type BlockUse, Http2Receiver, type ReceiverOwner } from './http2-receiver.ts';
import { Http2Starts } from './http2-starts.ts';
import { Http2Stream, type StreamHome } from './http2-stream.ts';
import type { Peer } from './peers.ts';
import type { SocketOwner } from './sockets.ts';

type State = 'open' | 'draining' | 'closing' | 'closed';

/** How long a closing connection waits for the client to read the last GOAWAY and to end its side. */
const CLOSING_MS = 2_000;
/** What it may still send meanwhile is thrown away, up to here: then it is not read any more. */
const CLOSING_BYTES = 64 * 1024;
/** A header list beyond the limit is read to its end all the same, for the table's sake: work for several resets. */
const OVERSIZE_COST = 40;
/** The PING that goes with the first GOAWAY: its answer says that the client has seen both (RFC 9113 §6.8). */
const DRAIN_PING = Buffer.from('draining', 'latin1');
/** A client that does not answer it is told the last stream anyway. */
const DRAIN_PING_MS = 1_000;
/** PRIORITY_UPDATEs kept for streams that have not begun (RFC 9218 §7.1 asks for some, but bounded). */
const MAX_EARLY_PRIORITIES = 16;

/** What a connection shares with the others of its worker. */
export interface Http2ConnectionSet {
  readonly context: ProxyContext;
  readonly http2: Http2Parts<Http2Stream>;
  closed(connection: Http2Connection): void;
}

export class Http2Connection implements SocketOwner, StreamHome, OutputOwner, ReceiverOwner, Timed {
  readonly peer: Peer;
  sendWindowBytes = INITIAL_WINDOW_BYTES;
  readonly receiveWindowBytes: number;
  readonly stallMs: number;
  readonly output: Http2Output;
  readonly starts: Http2Starts;
  readonly #context: ProxyContext;
  readonly #parts: Http2Parts<Http2Stream>;
  readonly #home: Http2ConnectionSet;
  readonly #settings: Http2Settings;
  readonly #socket: Socket;
  readonly #receiver: Http2Receiver;
  readonly #peer = new PeerSettings();
  readonly #guard: FloodGuard;
  readonly #resets = new ResetMemory();
  readonly #streams = new Map<number, Http2Stream>();
  readonly #deadline = new Deadline(this);
  readonly #openedAtMs: number;
  #earlyPriorities: Map<number, string> | null = null;
  #state: State = 'open';
  #lastStreamId = 0;
  /** Streams above it are not taken any more; set with the last GOAWAY. */
  #finalStreamId = MAX_STREAM_ID;
  #requests = 0;
  #receiveWindow: number;
  #uncredited = 0;
  /** Bytes that came while closing. */
  #dropped = 0;
  #isPaused = false;
  #isReadOwned = false;
  #lastWorkAtMs: number;

  /** Takes the socket over, which must deliver its events to this object, and sends our SETTINGS. */
  constructor(home: Http2ConnectionSet, peer: Peer, socket: Socket) {
    const { context, http2: parts } = home;
    const settings = context.current.global.http2;
    const { nowMs } = context.wheel;
    this.#context = context;
    this.#parts = parts;
    this.#home = home;
    this.#settings = settings;
    this.#socket = socket;
    this.peer = peer;
    this.receiveWindowBytes = settings.streamWindowBytes;
    this.stallMs = settings.stallTimeoutMs;
    this.#receiveWindow = settings.connectionWindowBytes;
    this.#openedAtMs = nowMs;
    this.#lastWorkAtMs = nowMs;
    this.#guard = new FloodGuard(settings, nowMs);
    this.#receiver = new Http2Receiver(this, parts.scratch);
    this.starts = new Http2Starts(context.turn);
    this.output = new Http2Output(socket, new FrameWriter(parts.buffers), this, context, this.stallMs);
    context.observer.onConnectionOpened(peer.isTls);
    this.#greet();
    context.wheel.set(this.#deadline, context.current.global.clientHeaderTimeoutMs);
  }

  get remotePort(): number {
    return this.peer.remotePort ?? this.#socket.remotePort ?? 0;
  }

  #greet(): void {
    const { maxConcurrentStreams, streamWindowBytes, connectionWindowBytes } = this.#settings;
    const { frames } = this.output;
    frames.settings([
      [Setting.maxConcurrentStreams, maxConcurrentStreams],
      [Setting.initialWindowSize, streamWindowBytes],
      [Setting.maxHeaderListSize, this.headLimits.maxHeadBytes],
      [Setting.enableConnectProtocol, 1],
      [Setting.noRfc7540Priorities, 1],
    ]);
    const more = connectionWindowBytes - INITIAL_WINDOW_BYTES;
    if (more > 0) frames.windowUpdate(0, more);
    this.output.schedule();
  }

  /** Shutdown: the client is told, and running streams finish. */
  drain(): void {
    this.#beginDrain();
  }

  /** Shutdown deadline: cuts whatever runs. */
  cut(): void {
    this.onClose();
  }

  // ---- SocketOwner

  nextBuffer(): Buffer {
    return this.#context.buffers.shared;
  }

  onRead(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    if (!this.isReading) {
      this.#dropped += end - start;
      return this.#dropped < CLOSING_BYTES;
    }
    this.#isReadOwned = isOwned;
    this.#receiver.read(buf, start, end);
    if (!this.output.isBlocked || !this.isReading) return true;
    // Answers to what it asks for would only pile up.
    this.#isPaused = true;
    return false;
  }

  onEnd(): void {
    this.onClose();
  }

  onDrain(): void {
    // The output hears of each finished write by itself.
  }

  onError(): void {
    // `close` follows.
  }

  onClose(): void {
    if (this.#state === 'closed') return;
    this.#cancelStreams();
    this.#close();
  }

  onDeadline(): void {
    if (this.#state === 'closing') return this.#close();
    if (this.#state === 'draining') return this.#sayLastStream();
    if (!this.#receiver.isStarted || this.#receiver.isWithinBlock) {
      return this.connectionError(ErrorCode.enhanceYourCalm, 'headTimeout');
    }
    // Set for a block that turned out to be of no stream: what runs has time limits of its own.
    if (this.#streams.size > 0) return;
    this.#end(ErrorCode.noError, '');
  }

  // ---- OutputOwner

  onSent(): void {
    if (this.#isPaused && !this.output.isBlocked) {
      this.#isPaused = false;
      this.#socket.resume();
    }
    if (this.#state === 'closing' && this.output.isIdle) this.#socket.end();
  }

  onWriteStalled(): void {
    this.#parts.count('writeStall');
    this.onClose();
  }

  // ---- StreamHome

  creditReceived(bytes: number): void {
    this.#uncredited += bytes;
    if (this.#uncredited * 2 < this.#settings.connectionWindowBytes || !this.isReading) return;
    this.output.frames.windowUpdate(0, this.#uncredited);
    this.output.schedule();
    this.#receiveWindow += this.#uncredited;
    this.#uncredited = 0;
  }

  creditWork(): void {
    this.#lastWorkAtMs = this.#context.wheel.nowMs;
    this.#guard.credit(2);
  }

  noteFault(reason: string): void {
    this.#parts.count(reason);
    const isStalled = reason === 'windowStall' && this.#context.wheel.nowMs - this.#lastWorkAtMs >= this.stallMs;
    if (isStalled) return this.connectionError(ErrorCode.enhanceYourCalm, 'windowStall');
    // Making us reset streams is as cheap for a client as resetting them itself (CVE-2025-8671).
    this.mayCount('reset', reason === 'headersTooLarge' ? OVERSIZE_COST : 1);
  }

  closed(stream: Http2Stream): void {
    this.#streams.delete(stream.id);
    this.#parts.releaseStream(stream);
    if (stream.wasReset) this.#resets.add(stream.id);
    if (this.#streams.size > 0) return;
    if (this.#state === 'open') this.#idle();
    else if (this.#state === 'draining' && this.#finalStreamId !== MAX_STREAM_ID) this.#end(ErrorCode.noError, '');
  }

  // ---- ReceiverOwner

  get isReading(): boolean {
    return this.#state === 'open' || this.#state === 'draining';
  }

  get headLimits(): HeadLimits {
    return this.#context.current.requestLimits;
  }

  mayCount(kind: FloodKind, cost = 1): boolean {
    if (this.#guard.spend(kind, this.#context.wheel.nowMs, cost)) return true;
    this.connectionError(ErrorCode.enhanceYourCalm, `${kind}Flood`);
    return false;
  }

  onBlockOpened(): void {
    if (this.#state === 'open') {
      this.#context.wheel.set(this.#deadline, this.#context.current.global.clientHeaderTimeoutMs);
    }
  }

  useOfBlock(streamId: number): BlockUse {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return 'trailers';
    if (streamId % 2 === 0) return this.#blockError(ErrorCode.protocolError, 'protocol');
    if (streamId > this.#lastStreamId) return 'request';
    return this.#resets.mayHave(streamId) ? 'ignored' : this.#blockError(ErrorCode.streamClosed, 'streamClosed');
  }

  #blockError(code: ErrorCodeValue, reason: string): BlockUse {
    this.connectionError(code, reason);
    return 'error';
  }

  takeStream(): Http2Stream {
    return this.#parts.takeStream() ?? new Http2Stream(this.#context);
  }

  onRequest(stream: Http2Stream, streamId: number, fields: RequestFields, isLast: boolean): void {
    this.#lastStreamId = streamId;
    if (this.#streams.size >= this.#settings.maxConcurrentStreams || streamId > this.#finalStreamId) {
      return this.#refuseStream(stream, streamId);
    }
    this.#requests++;
    this.#guard.credit(4);
    this.#streams.set(streamId, stream);
    this.#context.wheel.clear(this.#deadline);
    stream.open(this, streamId, fields, isLast);
    this.#takeEarlyPriority(stream);
    if (fields.fault !== null) stream.refuse(fields.fault);
    else this.starts.take(stream);
    if (this.#state === 'open' && this.#isWornOut()) this.#beginDrain();
  }

  /** ConfigMap `keep-alive-requests`, `keep-alive: 0`, and our own limit of age. */
  #isWornOut(): boolean {
    const { clientKeepAliveRequests, clientKeepAliveMs } = this.#context.current.global;
    if (this.#requests >= clientKeepAliveRequests || clientKeepAliveMs === 0) return true;
    return this.#context.wheel.nowMs - this.#openedAtMs >= this.#settings.maxConnectionAgeMs;
  }

  #refuseStream(stream: Http2Stream, streamId: number): void {
    this.#parts.releaseStream(stream);
    this.#resets.add(streamId);
    this.output.frames.rstStream(streamId, ErrorCode.refusedStream);
    this.output.schedule();
    // A client that has seen our SETTINGS does not ask for more than it may.
    if (this.#finalStreamId === MAX_STREAM_ID) this.noteFault('refusedStream');
  }

  onTrailers(streamId: number, isLast: boolean, lines: string | null): void {
    const stream = this.#streams.get(streamId) as Http2Stream;
    if (this.#state === 'open') this.#context.wheel.clear(this.#deadline);
    if (stream.isRemoteClosed) return stream.fail(ErrorCode.streamClosed, 'streamClosed');
    // RFC 9113 §8.1: a second HEADERS ends the stream.
    if (!isLast || lines === null) return stream.fail(ErrorCode.protocolError, 'malformedTrailers', 'badBody');
    stream.onRemoteEnd(lines);
  }

  onData(streamId: number, buf: Buffer, start: number, end: number, flowBytes: number, isLast: boolean): void {
    this.#receiveWindow -= flowBytes;
    if (this.#receiveWindow < 0) return this.connectionError(ErrorCode.flowControlError, 'flowControl');
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#dataOnClosed(streamId, flowBytes);
    if (stream.isRemoteClosed) {
      this.creditReceived(flowBytes);
      return stream.fail(ErrorCode.streamClosed, 'streamClosed');
    }
    stream.onData(buf, start, end, flowBytes, this.#isReadOwned);
    if (isLast && this.#streams.get(streamId) === stream) stream.onRemoteEnd('');
  }

  /** It still counts for the connection's window (RFC 9113 §5.1, §6.9). */
  #dataOnClosed(streamId: number, flowBytes: number): void {
    if (this.#isIdleStream(streamId)) return this.connectionError(ErrorCode.protocolError, 'protocol');
    if (!this.#resets.mayHave(streamId)) return this.connectionError(ErrorCode.streamClosed, 'streamClosed');
    this.creditReceived(flowBytes);
  }

  onReset(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      if (this.#isIdleStream(streamId)) this.connectionError(ErrorCode.protocolError, 'protocol');
      return;
    }
    const wasUnanswered = stream.isUnanswered;
    stream.onGone();
    if (wasUnanswered) this.mayCount('reset');
  }

  onSettings(payload: Buffer, start: number, end: number): void {
    const before = this.#peer.initialWindowBytes;
    const code = this.#peer.apply(payload, start, end);
    if (code !== ErrorCode.noError) return this.connectionError(code, 'badSettings');
    this.sendWindowBytes = this.#peer.initialWindowBytes;
    this.output.encoder.setPeerLimit(this.#peer.headerTableSize);
    this.output.frames.settingsAck();
    this.output.schedule();
    if (before !== this.sendWindowBytes) this.#shiftWindows(this.sendWindowBytes - before);
    if (this.#state === 'open' && this.#streams.size === 0) this.#idle();
  }

  #shiftWindows(bytes: number): void {
    for (const stream of this.#streams.values()) {
      if (!stream.growWindow(bytes)) return this.connectionError(ErrorCode.flowControlError, 'windowOverflow');
    }
  }

  onPing(isAck: boolean, payload: Buffer, start: number): void {
    if (!isAck) {
      this.output.frames.ping(true, payload, start);
      return this.output.schedule();
    }
    if (this.#state === 'draining' && payload.compare(DRAIN_PING, 0, 8, start, start + 8) === 0) this.#sayLastStream();
  }

  onGoAway(): void {
    // The client opens no more streams; it wants those that run.
    if (this.#streams.size === 0) this.#end(ErrorCode.noError, '');
  }

  onWindowUpdate(streamId: number, increment: number): void {
    if (streamId !== 0) {
      const stream = this.#streams.get(streamId);
      if (stream !== undefined) stream.onWindowUpdate(increment);
      else if (this.#isIdleStream(streamId)) this.connectionError(ErrorCode.protocolError, 'protocol');
      return;
    }
    if (increment === 0) return this.connectionError(ErrorCode.protocolError, 'protocol');
    const { output } = this;
    output.window += increment;
    if (output.window > MAX_WINDOW_BYTES) return this.connectionError(ErrorCode.flowControlError, 'windowOverflow');
    if (!output.queue.isEmpty) output.schedule();
  }

  onPriorityUpdate(streamId: number, value: string): void {
    // RFC 9218 §7.1: a stream that a client cannot have.
    if (streamId % 2 === 0) return this.connectionError(ErrorCode.protocolError, 'protocol');
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return this.#prioritize(stream, value);
    if (streamId <= this.#lastStreamId) return;
    this.#earlyPriorities ??= new Map();
    if (this.#earlyPriorities.size < MAX_EARLY_PRIORITIES) this.#earlyPriorities.set(streamId, value);
  }

  #takeEarlyPriority(stream: Http2Stream): void {
    const value = this.#earlyPriorities?.get(stream.id);
    if (value === undefined) return;
    this.#earlyPriorities?.delete(stream.id);
    this.#prioritize(stream, value);
  }

  #prioritize(stream: Http2Stream, value: string): void {
    const priority: Priority = { urgency: 0, isIncremental: false };
    readPriority(value, priority);
    this.output.queue.reprioritize(stream, priority);
  }

  /** RFC 9113 §5.1: never used so far. Streams with even ids never are: we do not push. */
  #isIdleStream(streamId: number): boolean {
    return streamId > this.#lastStreamId || streamId % 2 === 0;
  }

  // ---- ends

  #idle(): void {
    const { clientKeepAliveMs, clientHeaderTimeoutMs } = this.#context.current.global;
    // Before its first request a client has the time of a request head.
    const delayMs = this.#requests === 0 ? Math.max(clientKeepAliveMs, clientHeaderTimeoutMs) : clientKeepAliveMs;
    this.#context.wheel.set(this.#deadline, delayMs);
  }

  /** First step of a graceful end: the client stops asking, and what is on its way is still served. */
  #beginDrain(): void {
    if (this.#state !== 'open') return;
    this.#state = 'draining';
    this.output.frames.goAway(MAX_STREAM_ID, ErrorCode.noError);
    this.output.frames.ping(false, DRAIN_PING, 0);
    this.output.schedule();
    this.#context.wheel.set(this.#deadline, DRAIN_PING_MS);
  }

  /** Second step: now it is known which streams the client can have opened. */
  #sayLastStream(): void {
    if (this.#finalStreamId !== MAX_STREAM_ID) return;
    this.#context.wheel.clear(this.#deadline);
    this.#finalStreamId = this.#lastStreamId;
    if (this.#streams.size === 0) return this.#end(ErrorCode.noError, '');
    this.output.frames.goAway(this.#lastStreamId, ErrorCode.noError);
    this.output.schedule();
  }

  /** RFC 9113 §5.4.1. `reason` is a stable word for metrics, and tells the client. */
  connectionError(code: ErrorCodeValue, reason: string): void {
    if (!this.isReading) return;
    this.#parts.count(reason);
    this.#end(code, reason);
  }

  #end(code: ErrorCodeValue, text: string): void {
    if (!this.isReading) return;
    this.#state = 'closing';
    this.#cancelStreams();
    this.output.frames.goAway(this.#lastStreamId, code, text);
    this.#context.wheel.set(this.#deadline, CLOSING_MS);
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#socket.resume();
    }
    this.output.flush();
  }

  #cancelStreams(): void {
    for (const stream of [...this.#streams.values()]) stream.onGone();
  }

  #close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#context.wheel.remove(this.#deadline);
    this.output.close();
    this.#context.observer.onConnectionClosed(this.peer.isTls);
    this.#home.closed(this);
    this.#socket.destroy();
  }
}
