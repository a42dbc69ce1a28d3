// One request on an HTTP/2 connection: the client side of its Exchange.
//
//   open -> (request body ends) -> (response ends) -> closed; either side may end first, a reset ends both at once
// Request payload that the exchange cannot take yet is held here, up to the stream's window, because only what was taken
// is credited to the client. Response payload that a window or a full output holds up stays here too (`#pending`).
// Streams are reused by later requests, on any connection of the worker.

import type { ClientStream } from '../forward/client-stream.ts';
import type { ProxyContext } from '../forward/context.ts';
import { PROXY_ERRORS, statusOfFault } from '../forward/errors.ts';
import { type ClientFailure, Exchange } from '../forward/exchange.ts';
import { renderInformational, renderResponseAgain } from '../forward/response-text.ts';
import { Deadline, type Timed } from '../forward/timer-wheel.ts';
import { type Answer, answerOf, renderAnswer } from '../http/answer.ts';
import { filterTrailers } from '../http/chunked.ts';
import { RequestHead } from '../http/request-head.ts';
import type { ResponseHead } from '../http/response-head.ts';
import { DEFAULT_URGENCY } from '../http2/priority.ts';
import { ErrorCode, type ErrorCodeValue, MAX_FRAME_BYTES, MAX_WINDOW_BYTES } from '../http2/protocol.ts';
import type { RequestFault, RequestFields } from '../http2/request-fields.ts';
import { BodyPace, bodyGraceMs } from './body-pace.ts';
import type { Http2Output, SendingStream } from './http2-output.ts';
import type { Http2Starts } from './http2-starts.ts';
import type { Peer } from './peers.ts';
import { SMALL_BODY_BYTES } from './read-buffers.ts';
import { isWebSocketAccepted } from './websocket-handshake.ts';

/** A payload frame of this size or more counts as work that goes with control frames (see FloodGuard). */
const WORTHY_FRAME_BYTES = 256;

/** The connection as its streams see it. */
export interface StreamHome {
  readonly peer: Peer;
  /** Of the client; 0 when its connection is gone. */
  readonly remotePort: number;
  readonly output: Http2Output;
  readonly starts: Http2Starts;
  /** Windows of new streams: to the client, and from it. */
  readonly sendWindowBytes: number;
  readonly receiveWindowBytes: number;
  /** A stream whose client takes nothing for so long is reset. */
  readonly stallMs: number;
  /** The exchange took bytes: the client may send as many more on the connection. */
  creditReceived(bytes: number): void;
  /** Payload went out that is worth some window updates in return. */
  creditWork(): void;
  /** The stream was reset because of what the client did. */
  noteFault(reason: string): void;
  closed(stream: Http2Stream): void;
}

/** Bytes that wait, as a range of a buffer that nobody changes meanwhile. */
interface Part {
  readonly buf: Buffer;
  start: number;
  readonly end: number;
}

const EMPTY = Buffer.alloc(0);

export class Http2Stream implements ClientStream, SendingStream, Timed {
  id = 0;
  isTls = false;
  remoteAddress = '';
  localPort = 0;
  forwardedLines = '';
  readonly head = new RequestHead();
  urgency = DEFAULT_URGENCY;
  isIncremental = false;
  isQueued = false;
  /** END_STREAM came: no frames with content may follow (RFC 9113 §5.1, half-closed (remote)). */
  isRemoteClosed = false;
  readonly #context: ProxyContext;
  readonly #exchange: Exchange;
  readonly #deadline = new Deadline(this);
  readonly #pace = new BodyPace();
  #home: StreamHome | null = null;
  #sendWindow = 0;
  #receiveWindow = 0;
  #uncredited = 0;
  #received = 0;
  #declaredLength = -1;
  #isActive = false;
  /** `begin` follows in a later loop turn. */
  #isWaiting = false;
  #isReset = false;
  #isHeadSent = false;
  #isLocalClosed = false;
  #isBodyEnded = false;
  /** Lines that may be forwarded. */
  #requestTrailers = '';
  #isBodyBlocked = false;
  #isHanding = false;
  #isWebSocket = false;
  #isTunnel = false;
  #wantsContinue = false;
  /** Payload from the client that waits for the exchange. */
  readonly #held: Part[] = [];
  #heldBytes = 0;
  /** Payload for the client that waits for a window or for room. */
  readonly #pending: Part[] = [];
  #isEnding = false;
  #trailers = '';
  #lastFrameEpoch = -1;
  #lastFrameAt = 0;
  #bytesOut = 0;

  constructor(context: ProxyContext) {
    this.#context = context;
    this.#exchange = new Exchange(context, this);
  }

  get remotePort(): number {
    return this.#home?.remotePort ?? 0;
  }

  /** Takes up a new request whose fields are in `head`. Follow with `begin` or `refuse`. */
  open(home: StreamHome, id: number, fields: RequestFields, isRemoteClosed: boolean): void {
    this.#home = home;
    this.id = id;
    const { peer } = home;
    this.isTls = peer.isTls;
    this.remoteAddress = peer.remoteAddress;
    this.localPort = peer.localPort;
    this.forwardedLines = peer.forwardedLines;
    this.urgency = fields.urgency;
    this.isIncremental = fields.isIncremental;
    this.isRemoteClosed = isRemoteClosed;
    this.#sendWindow = home.sendWindowBytes;
    this.#receiveWindow = home.receiveWindowBytes;
    this.#uncredited = 0;
    this.#received = 0;
    this.#declaredLength = fields.isWebSocket ? -1 : fields.declaredLength;
    this.#isReset = false;
    this.#isHeadSent = false;
    this.#isLocalClosed = false;
    this.#isBodyEnded = isRemoteClosed && !fields.isWebSocket;
    this.#requestTrailers = '';
    this.#isBodyBlocked = false;
    this.#isWebSocket = fields.isWebSocket;
    this.#isTunnel = false;
    this.#wantsContinue = this.head.expectContinue && !isRemoteClosed;
    this.#isEnding = false;
    this.#trailers = '';
    this.#lastFrameEpoch = -1;
    this.#bytesOut = 0;
    const { peerLimits, clientBodyTimeoutMs } = this.#context.current.global;
    // What comes in a tunnel is no body: it has time limits of its own.
    const minBodyRate = isRemoteClosed || fields.isWebSocket ? 0 : peerLimits.minBodyRate;
    this.#pace.begin(minBodyRate, bodyGraceMs(clientBodyTimeoutMs));
  }

  begin(): void {
    this.#isActive = true;
    this.#isWaiting = false;
    this.#exchange.begin();
  }

  /** Its turn has not come: payload is held until `begin`. */
  wait(): void {
    this.#isActive = true;
    this.#isWaiting = true;
  }

  /** Answers or resets what is no proper request; it counts as a request without route, and against the client. */
  refuse(fault: RequestFault): void {
    const home = this.#home;
    const status = fault === 'malformed' ? 400 : statusOfFault(fault);
    this.#recordUnbegun(status, fault);
    if (fault === 'malformed') this.#writeReset(ErrorCode.protocolError);
    else this.sendAnswer(answerOf(status, fault));
    this.#observe(true);
    this.#closeIfDone();
    home?.noteFault(fault === 'malformed' ? 'malformedRequest' : fault);
  }

  #recordUnbegun(status: number, reason: string): void {
    const { record } = this.#exchange;
    record.reset();
    record.revision = this.#context.current.revision;
    record.status = status;
    record.reason = reason;
    record.durationMs = 0;
  }

  // ---- from the connection

  /**
   * Takes payload. `flowBytes` count against the window, padding included. `buf` stays as it is only when `isOwned`.
   */
  onData(buf: Buffer, start: number, end: number, flowBytes: number, isOwned: boolean): void {
    const home = this.#home as StreamHome;
    const length = end - start;
    this.#receiveWindow -= flowBytes;
    this.#received += length;
    this.#pace.take(length, this.#context.wheel.nowMs);
    const isTooLong = this.#declaredLength !== -1 && this.#received > this.#declaredLength;
    if (this.#receiveWindow < 0 || isTooLong) {
      home.creditReceived(flowBytes);
      return isTooLong ? this.#failLength() : this.fail(ErrorCode.flowControlError, 'flowControl');
    }
    // What nobody wants any more is used up at once: the response is complete, or the exchange has given up.
    if (!this.#isActive || length === 0) return this.#credit(home, flowBytes);
    if (this.#mayHand) {
      const isStable = isOwned || length <= SMALL_BODY_BYTES;
      const bytes = isStable ? buf : Buffer.from(buf.subarray(start, end));
      this.#hand(bytes, isStable ? start : 0, isStable ? end : length);
      this.#credit(home, flowBytes);
      this.#exchange.flushUpstream();
    } else {
      this.#hold(buf, start, end, isOwned);
      this.#credit(home, flowBytes - length);
    }
    this.#armBodyDeadline();
  }

  /** END_STREAM, on DATA or on a trailer section. */
  onRemoteEnd(trailers: string): void {
    this.isRemoteClosed = true;
    this.#requestTrailers = trailers;
    if (this.#declaredLength !== -1 && this.#received !== this.#declaredLength) return this.#failLength();
    this.#armBodyDeadline();
    this.#endBody();
    this.#closeIfDone();
  }

  /** The client's window for this stream grew; a connection error of its own when it overflows. */
  onWindowUpdate(increment: number): void {
    if (increment === 0) return this.fail(ErrorCode.protocolError, 'zeroWindowUpdate');
    if (!this.growWindow(increment)) this.fail(ErrorCode.flowControlError, 'windowOverflow');
  }

  /** Also negative, after a change of SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.9.2). False on overflow. */
  growWindow(bytes: number): boolean {
    this.#sendWindow += bytes;
    if (this.#sendWindow > MAX_WINDOW_BYTES) return false;
    if (this.#sendWindow > 0 && this.#pending.length > 0) {
      this.#home?.output.queue.add(this);
      this.#home?.output.schedule();
    }
    return true;
  }

  /** RST_STREAM came, or the connection is gone: nothing more can be sent. */
  onGone(): void {
    this.#isReset = true;
    this.#dropPending();
    this.#giveUp('clientGone');
  }

  /** We or the client reset it. */
  get wasReset(): boolean {
    return this.#isReset;
  }

  /** True while neither the response is complete nor the stream reset. */
  get isUnanswered(): boolean {
    return this.#isActive;
  }

  /** Ends the stream because of what the client did (RFC 9113 §5.4.2). */
  fail(code: ErrorCodeValue, reason: string, failure: 'clientGone' | 'badBody' = 'clientGone'): void {
    const home = this.#home;
    if (home === null) return;
    this.#writeReset(code);
    this.#giveUp(failure);
    home.noteFault(reason);
  }

  #giveUp(failure: ClientFailure): void {
    if (this.#isActive && !this.#isWaiting) return this.#exchange.onClientFailed(failure);
    if (this.#isWaiting) {
      this.#home?.starts.remove(this);
      this.#isWaiting = false;
      this.#isActive = false;
      this.#recordUnbegun(PROXY_ERRORS[failure].status, failure);
      this.#observe(false);
    }
    this.#closeIfDone();
  }

  onDeadline(): void {
    if (this.#pending.length > 0) return this.fail(ErrorCode.cancel, 'windowStall');
    if (!this.#isActive) return;
    this.#exchange.onClientFailed(this.#pace.isSpent(this.#context.wheel.nowMs) ? 'bodyTooSlow' : 'bodyTimeout');
  }

  // ---- request payload

  get #mayHand(): boolean {
    if (this.#held.length > 0 || this.#isBodyBlocked) return false;
    return this.#isWebSocket ? this.#isTunnel : this.#exchange.canTakeBody;
  }

  #hand(buf: Buffer, start: number, end: number): void {
    this.#isHanding = true;
    const mayGoOn = this.#isTunnel
      ? this.#exchange.onTunnelBytes(buf, start, end, true)
      : this.#exchange.onBody(buf, start, end);
    this.#isHanding = false;
    if (!mayGoOn) this.#isBodyBlocked = true;
  }

  #hold(buf: Buffer, start: number, end: number, isOwned: boolean): void {
    this.#heldBytes += end - start;
    // A small part of a large read would keep all of it alive.
    if (isOwned && end - start >= SMALL_BODY_BYTES) this.#held.push({ buf, start, end });
    else this.#held.push({ buf: Buffer.from(buf.subarray(start, end)), start: 0, end: end - start });
  }

  #handHeld(): void {
    while (this.#held.length > 0 && this.#isActive && !this.#isBodyBlocked) {
      const home = this.#home as StreamHome;
      const part = this.#held.shift() as Part;
      this.#heldBytes -= part.end - part.start;
      this.#hand(part.buf, part.start, part.end);
      this.#credit(home, part.end - part.start);
    }
  }

  #endBody(): void {
    if (this.#isBodyEnded || !this.isRemoteClosed || !this.#isActive || !this.#mayHand) return;
    this.#isBodyEnded = true;
    if (this.#isTunnel) this.#exchange.onTunnelClientEnd();
    else this.#exchange.onBodyEnd(this.#requestTrailers);
    this.#exchange.flushUpstream();
  }

  /** Lets the client send as much as was used up: not byte by byte, but half a window at a time. */
  #credit(home: StreamHome, bytes: number): void {
    home.creditReceived(bytes);
    // Handing the bytes over may have ended the stream.
    if (this.#home !== home || this.isRemoteClosed || this.#isReset) return;
    this.#uncredited += bytes;
    if (this.#uncredited * 2 < home.receiveWindowBytes) return;
    home.output.frames.windowUpdate(this.id, this.#uncredited);
    home.output.schedule();
    this.#receiveWindow += this.#uncredited;
    this.#uncredited = 0;
  }

  #failLength(): void {
    this.fail(ErrorCode.protocolError, 'contentLength', 'badBody');
  }

  /** The client's time runs only while it is free to send; while it owes us its reading, the deadline is for that. */
  #armBodyDeadline(): void {
    if (this.#pending.length > 0) return;
    const { wheel, current } = this.#context;
    const isWaiting = this.#isActive && !this.isRemoteClosed && !this.#isTunnel && this.#mayHand;
    if (isWaiting) {
      const leftMs = this.#pace.leftMs(wheel.nowMs);
      return wheel.set(this.#deadline, Math.min(current.global.clientBodyTimeoutMs, leftMs));
    }
    this.#pace.pause(wheel.nowMs);
    wheel.clear(this.#deadline);
  }

  // ---- ClientStream

  takeBody(): void {
    if (this.#wantsContinue) {
      this.#wantsContinue = false;
      this.#sendHeaders(100, '', 0, false);
    }
    if (this.#isHanding) return;
    this.#isBodyBlocked = false;
    if (this.#isWebSocket && !this.#isTunnel) return;
    this.#handHeld();
    this.#endBody();
    if (!this.#isActive) return;
    this.#exchange.flushUpstream();
    this.#armBodyDeadline();
  }

  sendInformational(head: ResponseHead): void {
    const text = renderInformational(head);
    this.#sendHeaders(head.status, text, text.indexOf('\n') + 1, false);
  }

  sendHead(head: ResponseHead, _hasBody: boolean, addedLines: string): void {
    // RFC 8441 §5: to the client 2xx means that there is a tunnel now, to an upstream that it ignored the Upgrade.
    if (this.#isWebSocket && head.status < 300) return this.fail(ErrorCode.internalError, 'badWebSocketHandshake');
    const text = this.#renderHead(head, addedLines);
    this.#isHeadSent = true;
    this.#wantsContinue = false;
    this.#sendHeaders(head.status, text, text.indexOf('\n') + 1, false);
  }

  sendBody(buf: Buffer, start: number, end: number): boolean {
    this.#exchange.record.responseBodyBytes += end - start;
    return this.#send(buf, start, end, end - start > SMALL_BODY_BYTES);
  }

  /** Trailers need no consent in HTTP/2: they are part of its framing (RFC 9113 §8.1). */
  sendEnd(trailers: string): void {
    this.#trailers = trailers === '' ? '' : filterTrailers(trailers);
    this.#isEnding = true;
    if (this.#pending.length === 0) this.#endOutput();
  }

  sendAnswer(answer: Answer): void {
    if (this.#isReset) return;
    if (this.#isHeadSent) return this.abortResponse();
    this.#isHeadSent = true;
    this.#wantsContinue = false;
    const { current, dateLine } = this.#context;
    const common = `${dateLine}${this.isTls ? current.tlsLines : current.plainLines}`;
    const text = renderAnswer(answer, common, this.head.method === 'HEAD');
    const bodyStart = text.indexOf('\r\n\r\n') + 4;
    this.#sendHeaders(answer.status, text, text.indexOf('\n') + 1, false);
    if (bodyStart < text.length) {
      const body = Buffer.from(text.slice(bodyStart), 'latin1');
      this.#send(body, 0, body.length, true);
    }
    this.sendEnd('');
  }

  abortResponse(): void {
    this.#writeReset(ErrorCode.internalError);
  }

  beginTunnel(head: ResponseHead, addedLines: string): void {
    if (!this.#isWebSocket || !isWebSocketAccepted(this.head.text, head.text)) {
      return this.fail(ErrorCode.internalError, 'badWebSocketHandshake');
    }
    this.#isTunnel = true;
    this.#isHeadSent = true;
    this.#context.wheel.clear(this.#deadline);
    const text = this.#renderHead(head, addedLines);
    // RFC 8441 §5: 200 is what 101 is in HTTP/1.1.
    this.#sendHeaders(200, text, text.indexOf('\n') + 1, false);
    this.#handHeld();
    this.#endBody();
  }

  sendTunnelBytes(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    return this.#send(buf, start, end, isOwned);
  }

  endTunnel(): void {
    this.sendEnd('');
  }

  flush(): void {
    // Whatever was written leaves at the end of the loop turn, together with that of all other streams.
  }

  finished(): void {
    this.#isActive = false;
    this.#observe(false);
    if (!this.#isReset && !this.#isEnding) this.sendEnd('');
    if (this.#pending.length === 0) this.#context.wheel.clear(this.#deadline);
    this.#closeIfDone();
  }

  // ---- response frames

  #renderHead(head: ResponseHead, addedLines: string): string {
    const { current, dateLine } = this.#context;
    return renderResponseAgain(head, {
      framing: 'none',
      dateLine,
      commonLines: (this.isTls ? current.tlsLines : current.plainLines) + addedLines,
      passServer: current.global.allowBackendServerHeader,
      passHsts: !this.isTls || current.global.hstsValue === null,
      connection: '',
    });
  }

  #sendHeaders(status: number, lines: string, from: number, isLast: boolean): void {
    const home = this.#home;
    if (home === null || this.#isReset) return;
    const { output } = home;
    const before = output.frames.bytesOut;
    output.headers(this.id, status, lines, from, isLast);
    this.#bytesOut += output.frames.bytesOut - before;
    // A section of several frames is ended by an empty DATA frame instead: END_STREAM belongs to its first one.
    const isSingle = output.frames.bytesOut - before <= MAX_FRAME_BYTES;
    this.#lastFrameEpoch = isSingle ? output.frames.epoch : -1;
    this.#lastFrameAt = output.frames.lastFrameAt;
  }

  /** Writes what it can and keeps the rest. False: wait for `onClientDrain`. */
  #send(buf: Buffer, start: number, end: number, isStable: boolean): boolean {
    const home = this.#home;
    if (home === null || this.#isReset) return true;
    const { output } = home;
    let at = start;
    if (this.#pending.length === 0 && output.queue.isEmpty) {
      while (at < end && this.#sendWindow > 0 && output.hasRoom) at = this.#writeFrame(home, buf, at, end, false);
    }
    if (at === end) return true;
    if (isStable) this.#pending.push({ buf, start: at, end });
    else this.#pending.push({ buf: Buffer.from(buf.subarray(at, end)), start: 0, end: end - at });
    this.#context.buffers.waitingBytes += end - at;
    this.#pace.pause(this.#context.wheel.nowMs);
    this.#context.wheel.set(this.#deadline, home.stallMs);
    if (this.#sendWindow > 0) {
      output.queue.add(this);
      output.schedule();
    }
    return false;
  }

  writeSome(): boolean {
    const home = this.#home;
    const part = this.#pending[0];
    if (home === null || part === undefined || this.#sendWindow <= 0) return false;
    const isLastPart = this.#pending.length === 1 && this.#isEnding && this.#trailers === '';
    const before = part.start;
    part.start = this.#writeFrame(home, part.buf, before, part.end, isLastPart);
    this.#context.buffers.waitingBytes -= part.start - before;
    this.#context.wheel.set(this.#deadline, home.stallMs);
    if (part.start === part.end) this.#pending.shift();
    if (this.#pending.length > 0) return this.#sendWindow > 0;
    this.#drained();
    return false;
  }

  /** Writes one frame of `buf[start..end)`; gives the position behind it. */
  #writeFrame(home: StreamHome, buf: Buffer, start: number, end: number, mayEnd: boolean): number {
    const { output } = home;
    const size = Math.min(end - start, MAX_FRAME_BYTES, this.#sendWindow, output.window);
    const isLast = mayEnd && start + size === end;
    output.frames.data(this.id, buf, start, start + size, isLast);
    this.#lastFrameEpoch = output.frames.epoch;
    this.#lastFrameAt = output.frames.lastFrameAt;
    this.#sendWindow -= size;
    output.window -= size;
    this.#bytesOut += size + 9;
    if (size >= WORTHY_FRAME_BYTES) home.creditWork();
    if (isLast) this.#isLocalClosed = true;
    output.schedule();
    return start + size;
  }

  #drained(): void {
    this.#context.wheel.clear(this.#deadline);
    if (this.#isEnding) {
      this.#endOutput();
      return this.#closeIfDone();
    }
    this.#armBodyDeadline();
    this.#exchange.onClientDrain();
  }

  /** Sends END_STREAM: on trailers, on the frame written last where it can still be changed, or on a frame of its own. */
  #endOutput(): void {
    const home = this.#home;
    if (home === null || this.#isLocalClosed || this.#isReset) return;
    this.#isLocalClosed = true;
    if (this.#trailers !== '') return this.#sendHeaders(0, this.#trailers, 0, true);
    const { frames } = home.output;
    if (frames.endStreamAt(this.#lastFrameEpoch, this.#lastFrameAt)) return;
    frames.data(this.id, EMPTY, 0, 0, true);
    home.output.schedule();
  }

  // ---- ends

  #writeReset(code: ErrorCodeValue): void {
    const home = this.#home;
    if (home === null || this.#isReset) return;
    this.#isReset = true;
    this.#dropPending();
    // After END_STREAM of both sides there is nothing left to reset.
    if (this.#isLocalClosed && this.isRemoteClosed) return;
    home.output.frames.rstStream(this.id, code);
    home.output.schedule();
  }

  #dropPending(): void {
    this.#home?.output.queue.remove(this);
    for (const { start, end } of this.#pending) this.#context.buffers.waitingBytes -= end - start;
    this.#pending.length = 0;
  }

  /** Gives the stream back once the exchange is over and all is sent, or the stream is reset. */
  #closeIfDone(): void {
    const home = this.#home;
    if (home === null || this.#isActive) return;
    if (!this.#isReset && !this.#isLocalClosed) return;
    // RFC 9113 §8.1: the response is complete, the rest of the request is not wanted.
    if (!this.#isReset && !this.isRemoteClosed) this.#writeReset(ErrorCode.noError);
    this.#dropPending();
    this.#context.wheel.clear(this.#deadline);
    this.#home = null;
    if (this.#heldBytes > 0) home.creditReceived(this.#heldBytes);
    this.#held.length = 0;
    this.#heldBytes = 0;
    home.closed(this);
  }

  #observe(isRefused: boolean): void {
    const { record } = this.#exchange;
    record.remoteAddress = this.remoteAddress;
    record.isTls = this.isTls;
    record.head = isRefused ? null : this.head;
    if (!isRefused) record.requestBytes += this.head.text.length;
    record.responseBytes = this.#bytesOut;
    this.#context.observer.onRequest(record);
    // A stream in the free list must not keep an old table alive.
    record.route = null;
  }
}
