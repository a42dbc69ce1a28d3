// One HTTP/2 connection to an endpoint, shared by the requests of all clients of a worker.
//
//   connecting -> open -> draining -> closed
// `draining`: GOAWAY came or the connection is worn out; it takes no new streams and closes with the last one. Every state
// can go to `closed`. A connection error (RFC 9113 §5.4.1) fails all streams. The connection window is credited as soon as
// bytes come: only the windows of streams hold anything back, so no client can hold up another.

import type { Socket } from 'node:net';
import { FloodGuard, type FloodKind } from '../http2/flood-guard.ts';
import { FrameWriter } from '../http2/frame-writer.ts';
import type { RequestPseudo } from '../http2/hpack-encoder.ts';
import {
  CLIENT_PREFACE,
  ErrorCode,
  type ErrorCodeValue,
  INITIAL_WINDOW_BYTES,
  MAX_STREAM_ID,
  Setting,
} from '../http2/protocol.ts';
import { ReceiveWindow } from '../http2/receive-window.ts';
import { Http2Output, type OutputOwner } from '../listen/http2-output.ts';
import type { Http2Parts } from '../listen/http2-parts.ts';
import type { LoopTurn } from '../listen/loop-turn.ts';
import type { ReadBuffers } from '../listen/read-buffers.ts';
import type { SocketOwner } from '../listen/sockets.ts';
import type { EndpointAddress, GlobalSettings } from '../table/types.ts';
import type { ProxyErrorCode } from './errors.ts';
import type { IdleConnection } from './idle-order.ts';
import type { TimerWheel } from './timer-wheel.ts';
import { type ConnectionFrames, MAX_RESPONSE_LIST_BYTES, UpstreamHttp2Receiver } from './upstream-http2-receiver.ts';
import type { UpstreamHttp2Stream } from './upstream-http2-stream.ts';
import { UpstreamHttp2Streams, type UpstreamStreamsOwner } from './upstream-http2-streams.ts';
import { type PulseOwner, UpstreamPulse } from './upstream-pulse.ts';
import type { UpstreamUser } from './upstream-stream.ts';
import { openSocket, type Transport } from './upstream-transport.ts';

/** What the connection shares with the others of its worker. */
export interface UpstreamHttp2Home {
  readonly wheel: TimerWheel;
  readonly buffers: ReadBuffers;
  readonly turn: LoopTurn;
  readonly global: GlobalSettings;
  readonly parts: Http2Parts<never>;
  /** No request runs on it. True when it may wait for the next one. */
  rest(connection: UpstreamHttp2): boolean;
  /** It has a request again. */
  wake(connection: UpstreamHttp2): void;
  forgetHttp2(connection: UpstreamHttp2): void;
}

type State = 'connecting' | 'open' | 'draining' | 'closed';

/** Payload that may be on its way on a connection; credited at once, so it need only cover the distance. */
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;
/** A PING of ours, whose answer says that the upstream is there. */
const PING = Buffer.from('sluice??', 'latin1');

export class UpstreamHttp2
  implements SocketOwner, OutputOwner, ConnectionFrames, UpstreamStreamsOwner, PulseOwner, IdleConnection
{
  readonly transport: Transport;
  readonly output: Http2Output;
  readonly receiveWindowBytes: number;
  /** Owned by the pool. */
  isIdle = false;
  olderIdle: IdleConnection | null = null;
  newerIdle: IdleConnection | null = null;
  readonly #home: UpstreamHttp2Home;
  readonly #socket: Socket;
  readonly #receiver: UpstreamHttp2Receiver;
  readonly #streams = new UpstreamHttp2Streams(this);
  readonly #receiveWindow = new ReceiveWindow();
  readonly #guard: FloodGuard;
  readonly #pulse: UpstreamPulse;
  readonly #openedAtMs: number;
  readonly #maxStreams: number;
  readonly #pseudo: RequestPseudo = { method: '', isHttps: false, authority: '', path: '', isGrpc: false };
  #state: State = 'connecting';
  #wasOpen = false;
  #isPaused = false;
  #lastError = '';

  constructor(home: UpstreamHttp2Home, endpoint: EndpointAddress, transport: Transport) {
    const { wheel, global, parts } = home;
    const { maxConcurrentStreams, streamWindowBytes } = global.upstreamHttp2;
    this.#home = home;
    this.transport = transport;
    this.#openedAtMs = wheel.nowMs;
    this.#maxStreams = maxConcurrentStreams;
    this.receiveWindowBytes = streamWindowBytes;
    this.#receiveWindow.open(CONNECTION_WINDOW_BYTES);
    this.#pulse = new UpstreamPulse(this, wheel);
    this.#guard = new FloodGuard(global.http2, wheel.nowMs);
    this.#receiver = new UpstreamHttp2Receiver(this, this.#streams, parts.scratch);
    this.#socket = openSocket(endpoint, transport, this);
    this.#socket.once(transport.isTls ? 'secureConnect' : 'connect', () => this.#onConnect());
    this.output = new Http2Output(
      this.#socket,
      new FrameWriter(parts.buffers),
      this,
      home,
      global.http2.stallTimeoutMs,
    );
    this.output.peer.maxEnablePush = 0;
  }

  get buffers(): ReadBuffers {
    return this.#home.buffers;
  }

  get turn(): LoopTurn {
    return this.#home.turn;
  }

  /** Requests may begin on it at once. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** It may take another stream, now or once it is open. */
  get hasRoom(): boolean {
    const limit = Math.min(this.#maxStreams, this.output.peer.maxConcurrentStreams);
    return (this.#state === 'open' || this.#state === 'connecting') && this.activeStreams < limit;
  }

  get activeStreams(): number {
    return this.#streams.size;
  }

  /**
   * Takes a place for one request; only when `hasRoom`. While it connects, `user.onConnected` follows; otherwise
   * `begin` tells the user.
   */
  reserve(user: UpstreamUser | null): UpstreamHttp2Stream {
    if (this.isIdle) this.#home.wake(this);
    return this.#streams.reserve(user, this.#state === 'open');
  }

  /** Closes it; only while it is idle. */
  abandon(): void {
    this.retire();
  }

  /** No new streams: the endpoint is gone, or the worker ends. Running ones finish. */
  retire(): void {
    if (this.#state === 'connecting' || this.#state === 'open') this.#state = 'draining';
    this.#closeIfDone();
  }

  // ---- UpstreamStreamHome

  open(stream: UpstreamHttp2Stream, text: string, isLast: boolean): void {
    this.#streams.open(stream);
    this.#guard.credit(8);
    if (this.#streams.openCount === 1) this.#pulse.watch();
    const from = this.#readHead(text);
    this.output.request(stream.id, this.#pseudo, text, from, isLast);
    if (this.#isWornOut()) this.retire();
  }

  /** Reads the request line and the Host that RequestRenderer has written; gives where the other lines begin. */
  #readHead(text: string): number {
    const pseudo = this.#pseudo;
    const methodEnd = text.indexOf(' ');
    const lineEnd = text.indexOf('\r\n', methodEnd);
    const hostStart = lineEnd + '\r\nHost: '.length;
    const hostEnd = text.indexOf('\r\n', hostStart);
    pseudo.method = text.slice(0, methodEnd);
    pseudo.path = text.slice(methodEnd + 1, lineEnd - ' HTTP/1.1'.length);
    pseudo.authority = text.slice(hostStart, hostEnd);
    pseudo.isHttps = this.transport.isTls;
    pseudo.isGrpc = this.transport.isGrpc;
    return hostEnd + 2;
  }

  /** ConfigMap `upstream-keepalive-requests` and `-time`. */
  #isWornOut(): boolean {
    const { upstreamKeepAliveRequests, upstreamKeepAliveTimeMs } = this.#home.global;
    const { nextId } = this.#streams;
    if (nextId > 2 * upstreamKeepAliveRequests || nextId >= MAX_STREAM_ID - 1) return true;
    return this.#home.wheel.nowMs - this.#openedAtMs >= upstreamKeepAliveTimeMs;
  }

  deliverSoon(stream: UpstreamHttp2Stream): void {
    this.#streams.deliverSoon(stream);
  }

  closed(stream: UpstreamHttp2Stream): void {
    this.#streams.remove(stream);
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.activeStreams > 0 || this.#state === 'closed') return;
    // Nobody waits for it any more: whoever comes next tries anew.
    if (this.#state === 'connecting') return this.#close();
    if (this.#state === 'draining') return this.#end(ErrorCode.noError, '');
    if (!this.#home.rest(this)) return this.#end(ErrorCode.noError, '');
    this.#pulse.rest(this.#home.global.upstreamKeepAliveTimeoutMs);
  }

  // ---- SocketOwner

  #onConnect(): void {
    if (this.#state === 'closed') return;
    this.#wasOpen = true;
    if (this.#state === 'connecting') this.#state = 'open';
    this.#greet();
    this.#streams.onConnected();
  }

  #greet(): void {
    const { frames } = this.output;
    const out = frames.reserve(CLIENT_PREFACE.length);
    frames.advance(out.latin1Write(CLIENT_PREFACE, frames.cursor));
    frames.settings([
      [Setting.enablePush, 0],
      [Setting.initialWindowSize, this.receiveWindowBytes],
      [Setting.maxHeaderListSize, MAX_RESPONSE_LIST_BYTES],
    ]);
    frames.windowUpdate(0, CONNECTION_WINDOW_BYTES - INITIAL_WINDOW_BYTES);
    this.output.schedule();
  }

  nextBuffer(): Buffer {
    return this.#home.buffers.shared;
  }

  onRead(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    if (!this.isReading) return true;
    this.#pulse.hasRead = true;
    this.#receiver.read(buf, start, end, isOwned);
    this.#streams.readDone();
    if (!this.output.isBlocked || !this.isReading) return true;
    // Answers to what it asks for would only pile up.
    this.#isPaused = true;
    return false;
  }

  onEnd(): void {
    this.#fail('upstream closed the connection');
  }

  onDrain(): void {
    // The output hears of each finished write by itself.
  }

  onError(error: NodeJS.ErrnoException): void {
    this.#lastError = error.code ?? error.message;
  }

  onClose(): void {
    this.#fail(this.#lastError === '' ? 'connection closed' : this.#lastError);
  }

  // ---- OutputOwner

  onSent(): void {
    if (!this.#isPaused || this.output.isBlocked) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  onWriteStalled(): void {
    this.#failAll('sendTimeout', 'upstream takes nothing');
  }

  // ---- PulseOwner

  get pingIntervalMs(): number {
    return this.#home.global.upstreamHttp2.pingIntervalMs;
  }

  get pingTimeoutMs(): number {
    return this.#home.global.upstreamHttp2.pingTimeoutMs;
  }

  sendPing(): void {
    this.output.ping(false, PING, 0);
  }

  onDead(): void {
    this.#failAll('upstreamTimeout', 'no answer to a PING');
  }

  onIdleTooLong(): void {
    this.#end(ErrorCode.noError, '');
  }

  // ---- ConnectionFrames

  get isReading(): boolean {
    return this.#state === 'open' || this.#state === 'draining';
  }

  mayCount(kind: FloodKind): boolean {
    if (this.#guard.spend(kind, this.#home.wheel.nowMs)) return true;
    this.connectionError(ErrorCode.enhanceYourCalm, `flood: ${kind}`);
    return false;
  }

  onSettings(payload: Buffer, start: number, end: number): void {
    const { output } = this;
    const before = output.peer.initialWindowBytes;
    const code = output.takeSettings(payload, start, end);
    if (code !== ErrorCode.noError) return this.connectionError(code, 'bad SETTINGS');
    if (this.#streams.shiftWindows(output.peer.initialWindowBytes - before)) return;
    this.connectionError(ErrorCode.flowControlError, 'window overflow');
  }

  onPing(isAck: boolean, payload: Buffer, start: number): void {
    if (!isAck) this.output.ping(true, payload, start);
  }

  onGoAway(lastStreamId: number, code: number): void {
    this.#state = 'draining';
    this.#streams.goAway(lastStreamId, code);
    this.#closeIfDone();
  }

  onConnectionWindow(increment: number): void {
    const code = this.output.growWindow(increment);
    if (code !== ErrorCode.noError) this.connectionError(code, `WINDOW_UPDATE of ${increment} on the connection`);
  }

  // ---- UpstreamStreamsOwner

  /** Credited at once: what streams hold is counted by their own windows. */
  takeWindow(bytes: number): boolean {
    if (!this.#receiveWindow.take(bytes)) {
      this.connectionError(ErrorCode.flowControlError, 'more than the connection window');
      return false;
    }
    this.output.windowUpdate(0, this.#receiveWindow.credit(bytes));
    return true;
  }

  creditWork(amount: number): void {
    this.#guard.credit(amount);
  }

  // ---- ends

  connectionError(code: ErrorCodeValue, detail: string): void {
    if (!this.isReading) return;
    this.output.frames.goAway(0, code);
    this.output.flush();
    this.#failAll('upstreamFault', detail);
  }

  #end(code: ErrorCodeValue, text: string): void {
    this.output.frames.goAway(0, code, text);
    this.output.flush();
    this.#socket.end();
    this.#close();
  }

  /** The connection is gone. */
  #fail(detail: string): void {
    if (this.#state === 'closed') return;
    // Also of one that was retired while it connected: nothing was sent, so that any request may go elsewhere.
    this.#failAll(this.#wasOpen ? 'upstreamClosed' : 'connectFailed', detail);
  }

  #failAll(code: ProxyErrorCode, detail: string): void {
    const streams = this.#streams.takeAll();
    this.#close();
    for (const stream of streams) {
      const isStale = code === 'upstreamClosed' && stream.isReused;
      stream.fail(stream.hasHead ? 'upstreamTruncated' : isStale ? 'staleConnection' : code, detail);
    }
  }

  #close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#streams.takeAll();
    this.#pulse.close();
    this.output.close();
    this.#home.forgetHttp2(this);
    if (this.#socket.writableLength === 0) this.#socket.destroy();
    else this.#socket.destroySoon();
  }
}
