// One HTTP/2 client connection: its windows, its limits, and how it ends. Its streams are in `Http2Streams`.
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
import { ErrorCode, type ErrorCodeValue, INITIAL_WINDOW_BYTES, MAX_STREAM_ID, Setting } from '../http2/protocol.ts';
import { ReceiveWindow } from '../http2/receive-window.ts';
import type { Http2Settings } from '../table/types.ts';
import { Http2Output, type OutputOwner } from './http2-output.ts';
import type { Http2Parts } from './http2-parts.ts';
import { type ConnectionFrames, Http2Receiver } from './http2-receiver.ts';
import { Http2Starts } from './http2-starts.ts';
import { Http2Stream } from './http2-stream.ts';
import { Http2Streams, type StreamsOwner } from './http2-streams.ts';
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

/** What a connection shares with the others of its worker. */
export interface Http2ConnectionSet {
  readonly context: ProxyContext;
  readonly http2: Http2Parts<Http2Stream>;
  closed(connection: Http2Connection): void;
}

export class Http2Connection implements SocketOwner, StreamsOwner, OutputOwner, ConnectionFrames, Timed {
  readonly peer: Peer;
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
  readonly #guard: FloodGuard;
  readonly #streams = new Http2Streams(this);
  readonly #deadline = new Deadline(this);
  readonly #openedAtMs: number;
  #state: State = 'open';
  #requests = 0;
  readonly #receiveWindow = new ReceiveWindow();
  /** Bytes that came while closing. */
  #dropped = 0;
  #isPaused = false;
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
    this.#receiveWindow.open(settings.connectionWindowBytes);
    this.#openedAtMs = nowMs;
    this.#lastWorkAtMs = nowMs;
    this.#guard = new FloodGuard(settings, nowMs);
    this.#receiver = new Http2Receiver(this, this.#streams, parts.scratch);
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
    this.#receiver.read(buf, start, end, isOwned);
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
    this.#streams.cancelAll();
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
    const increment = this.#receiveWindow.credit(bytes);
    if (this.isReading) this.output.windowUpdate(0, increment);
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
    this.#streams.remove(stream);
  }

  // ---- StreamsOwner

  get maxStreams(): number {
    return this.#settings.maxConcurrentStreams;
  }

  get headLimits(): HeadLimits {
    return this.#context.current.requestLimits;
  }

  takeStream(): Http2Stream {
    return this.#parts.takeStream() ?? new Http2Stream(this.#context);
  }

  releaseStream(stream: Http2Stream): void {
    this.#parts.releaseStream(stream);
  }

  takeWindow(bytes: number): boolean {
    if (this.#receiveWindow.take(bytes)) return true;
    this.connectionError(ErrorCode.flowControlError, 'flowControl');
    return false;
  }

  requestBegun(): void {
    this.#requests++;
    this.#guard.credit(4);
    this.#context.wheel.clear(this.#deadline);
    if (this.#state === 'open' && this.#isWornOut()) this.#beginDrain();
  }

  /** ConfigMap `keep-alive-requests`, `keep-alive: 0`, and our own limit of age. */
  #isWornOut(): boolean {
    const { clientKeepAliveRequests, clientKeepAliveMs } = this.#context.current.global;
    if (this.#requests >= clientKeepAliveRequests || clientKeepAliveMs === 0) return true;
    return this.#context.wheel.nowMs - this.#openedAtMs >= this.#settings.maxConnectionAgeMs;
  }

  blockEnded(): void {
    if (this.#state === 'open') this.#context.wheel.clear(this.#deadline);
  }

  emptied(): void {
    if (this.#state === 'open') this.#idle();
    else if (this.#state === 'draining' && this.#streams.finalId !== MAX_STREAM_ID) this.#end(ErrorCode.noError, '');
  }

  // ---- ConnectionFrames

  get isReading(): boolean {
    return this.#state === 'open' || this.#state === 'draining';
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

  onSettings(payload: Buffer, start: number, end: number): void {
    const { output } = this;
    const before = output.peer.initialWindowBytes;
    const code = output.takeSettings(payload, start, end);
    if (code !== ErrorCode.noError) return this.connectionError(code, 'badSettings');
    if (!this.#streams.shiftWindows(output.peer.initialWindowBytes - before)) {
      return this.connectionError(ErrorCode.flowControlError, 'windowOverflow');
    }
    if (this.#state === 'open' && this.#streams.size === 0) this.#idle();
  }

  onPing(isAck: boolean, payload: Buffer, start: number): void {
    if (!isAck) this.output.ping(true, payload, start);
    else if (this.#state === 'draining' && payload.compare(DRAIN_PING, 0, 8, start, start + 8) === 0)
      this.#sayLastStream();
  }

  onGoAway(): void {
    // The client opens no more streams; it wants those that run.
    if (this.#streams.size === 0) this.#end(ErrorCode.noError, '');
  }

  onConnectionWindow(increment: number): void {
    const code = this.output.growWindow(increment);
    if (code !== ErrorCode.noError) {
      this.connectionError(code, code === ErrorCode.flowControlError ? 'windowOverflow' : 'protocol');
    }
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
    this.output.ping(false, DRAIN_PING, 0);
    this.#context.wheel.set(this.#deadline, DRAIN_PING_MS);
  }

  /** Second step: now it is known which streams the client can have opened. */
  #sayLastStream(): void {
    const streams = this.#streams;
    if (streams.finalId !== MAX_STREAM_ID) return;
    this.#context.wheel.clear(this.#deadline);
    streams.finalId = streams.lastId;
    if (streams.size === 0) return this.#end(ErrorCode.noError, '');
    this.output.frames.goAway(streams.lastId, ErrorCode.noError);
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
    this.#streams.cancelAll();
    this.output.frames.goAway(this.#streams.lastId, code, text);
    this.#context.wheel.set(this.#deadline, CLOSING_MS);
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#socket.resume();
    }
    this.output.flush();
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
