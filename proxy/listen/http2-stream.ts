// One request on an HTTP/2 connection: the client side of its Exchange.
//
//   open -> (request body ends) -> (response ends) -> closed; either side may end first, a reset ends both at once
// Request payload that the exchange cannot take yet is held here, up to the stream's window, because only what was taken
// is credited to the client. Response payload that a window or a full output holds up stays in `Http2Sending`.
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
import { ErrorCode, type ErrorCodeValue } from '../http2/protocol.ts';
import type { RequestFault, RequestFields } from '../http2/request-fields.ts';
import { BodyPace, bodyGraceMs } from './body-pace.ts';
import type { Http2Output } from './http2-output.ts';
import { Http2Sending, type SendingHome } from './http2-sending.ts';
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

export class Http2Stream implements ClientStream, SendingHome, Timed {
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
  #receiveWindow = 0;
  #uncredited = 0;
  #received = 0;
  #declaredLength = -1;
  #isActive = false;
  /** `begin` follows in a later loop turn. */
  #isWaiting = false;
  #isReset = false;
  #isHeadSent = false;
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
  readonly #sending: Http2Sending;

  constructor(context: ProxyContext) {
    this.#context = context;
    this.#exchange = new Exchange(context, this);
    this.#sending = new Http2Sending(this, context.buffers);
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
    this.#sending.open(home.output, home.sendWindowBytes);
    this.#receiveWindow = home.receiveWindowBytes;
    this.#uncredited = 0;
    this.#received = 0;
    this.#declaredLength = fields.isWebSocket ? -1 : fields.declaredLength;
    this.#isReset = false;
    this.#isHeadSent = false;
    this.#isBodyEnded = isRemoteClosed && !fields.isWebSocket;
    this.#requestTrailers = '';
    this.#isBodyBlocked = false;
    this.#isWebSocket = fields.isWebSocket;
    this.#isTunnel = false;
    this.#wantsContinue = this.head.expectContinue && !isRemoteClosed;
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
    if (this.#mayHand()) {
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
    return this.#sending.growWindow(bytes);
  }

  /** RST_STREAM came, or the connection is gone: nothing more can be sent. */
  onGone(): void {
    this.#isReset = true;
    this.#sending.drop();
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
    if (this.#sending.isHeldUp) return this.fail(ErrorCode.cancel, 'windowStall');
    if (!this.#isActive) return;
    this.#exchange.onClientFailed(this.#pace.isSpent(this.#context.wheel.nowMs) ? 'bodyTooSlow' : 'bodyTimeout');
  }

  // ---- request payload

  #mayHand(): boolean {
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
    if (this.#isBodyEnded || !this.isRemoteClosed || !this.#isActive || !this.#mayHand()) return;
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
    if (this.#sending.isHeldUp) return;
    const { wheel, current } = this.#context;
    const isWaiting = this.#isActive && !this.isRemoteClosed && !this.#isTunnel && this.#mayHand();
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
    if (this.#home === null || this.#isReset) return;
    this.#sending.end(trailers === '' ? '' : filterTrailers(trailers));
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
    if (!this.#isReset && !this.#sending.isEnding) this.sendEnd('');
    if (!this.#sending.isHeldUp) this.#context.wheel.clear(this.#deadline);
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
    if (this.#home === null || this.#isReset) return;
    this.#sending.headers(status, lines, from, isLast);
  }

  /** Writes what it can and keeps the rest. False: wait for `onClientDrain`. */
  #send(buf: Buffer, start: number, end: number, isStable: boolean): boolean {
    const home = this.#home;
    if (home === null || this.#isReset || this.#sending.send(buf, start, end, isStable)) return true;
    const { wheel } = this.#context;
    this.#pace.pause(wheel.nowMs);
    wheel.set(this.#deadline, home.stallMs);
    return false;
  }

  onFrameWritten(bytes: number): void {
    if (bytes >= WORTHY_FRAME_BYTES) this.#home?.creditWork();
  }

  writeSome(): boolean {
    const home = this.#home;
    if (home === null || !this.#sending.canWrite) return false;
    const progress = this.#sending.writeSome();
    this.#context.wheel.set(this.#deadline, home.stallMs);
    if (progress === 'drained') this.#drained();
    return progress === 'more';
  }

  #drained(): void {
    this.#context.wheel.clear(this.#deadline);
    if (this.#sending.isEnding) return this.#closeIfDone();
    this.#armBodyDeadline();
    this.#exchange.onClientDrain();
  }

  // ---- ends

  #writeReset(code: ErrorCodeValue): void {
    const home = this.#home;
    if (home === null || this.#isReset) return;
    this.#isReset = true;
    this.#sending.drop();
    // After END_STREAM of both sides there is nothing left to reset.
    if (this.#sending.isClosed && this.isRemoteClosed) return;
    home.output.frames.rstStream(this.id, code);
    home.output.schedule();
  }

  /** Gives the stream back once the exchange is over and all is sent, or the stream is reset. */
  #closeIfDone(): void {
    const home = this.#home;
    if (home === null || this.#isActive) return;
    if (!this.#isReset && !this.#sending.isClosed) return;
    // RFC 9113 §8.1: the response is complete, the rest of the request is not wanted.
    if (!this.#isReset && !this.isRemoteClosed) this.#writeReset(ErrorCode.noError);
    this.#sending.close();
    this.#context.wheel.clear(this.#deadline);
    this.#home = null;
    if (this.#heldBytes > 0) home.creditReceived(this.#heldBytes);
    this.#held.length = 0;
    this.#heldBytes = 0;
    home.closed(this);
  }

  #observe(isRefused: boolean): void {
    const { record } = this.#exchange;
    if (isRefused) record.remoteAddress = this.remoteAddress;
    record.isTls = this.isTls;
    record.head = isRefused ? null : this.head;
    if (!isRefused) record.requestBytes += this.head.text.length;
    record.responseBytes = this.#sending.bytesOut;
    this.#context.observer.onRequest(record);
    // A stream in the free list must not keep an old table alive.
    record.route = null;
  }
}
