// One request on an HTTP/2 connection: the client side of its Exchange.
//
//   open -> (request body ends) -> (response ends) -> closed; either side may end first, a reset ends both at once
// Here is when it begins and ends, and its deadline. What it receives is in `Http2RequestBody`, what it sends is written by
// `Http2Response` and `Http2Sending`. Streams are reused by later requests, on any connection of the worker.

import type { ClientStream } from '../forward/client-stream.ts';
import type { ProxyContext } from '../forward/context.ts';
import { PROXY_ERRORS, statusOfFault } from '../forward/errors.ts';
import { type ClientFailure, Exchange } from '../forward/exchange.ts';
import { Deadline, type Timed } from '../forward/timer-wheel.ts';
import { type Answer, answerOf } from '../http/answer.ts';
import { filterTrailers } from '../http/chunked.ts';
import { RequestHead } from '../http/request-head.ts';
import type { ResponseHead } from '../http/response-head.ts';
import { DEFAULT_URGENCY } from '../http2/priority.ts';
import { ErrorCode, type ErrorCodeValue } from '../http2/protocol.ts';
import type { RequestFault, RequestFields } from '../http2/request-fields.ts';
import { type BodyHome, type BodyStream, Http2RequestBody } from './http2-request-body.ts';
import { Http2Response } from './http2-response.ts';
import { Http2Sending, type SendingHome } from './http2-sending.ts';
import type { Http2Starts } from './http2-starts.ts';
import type { Peer } from './peers.ts';
import { SMALL_BODY_BYTES } from './read-buffers.ts';
import { isWebSocketAccepted } from './websocket-handshake.ts';

/** A payload frame of this size or more counts as work that goes with control frames (see FloodGuard). */
const WORTHY_FRAME_BYTES = 256;

/** The connection as its streams see it. */
export interface StreamHome extends BodyHome {
  readonly peer: Peer;
  /** Of the client; 0 when its connection is gone. */
  readonly remotePort: number;
  readonly starts: Http2Starts;
  /** A stream whose client takes nothing for so long is reset. */
  readonly stallMs: number;
  /** Payload went out that is worth some window updates in return. */
  creditWork(): void;
  /** The stream was reset because of what the client did. */
  noteFault(reason: string): void;
  closed(stream: Http2Stream): void;
}

export class Http2Stream implements ClientStream, SendingHome, BodyStream, Timed {
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
  #home: StreamHome | null = null;
  #isActive = false;
  /** `begin` follows in a later loop turn. */
  #isWaiting = false;
  #isReset = false;
  #isWebSocket = false;
  #wantsContinue = false;
  readonly #body: Http2RequestBody;
  readonly #sending: Http2Sending;
  readonly #response: Http2Response;

  constructor(context: ProxyContext) {
    this.#context = context;
    this.#exchange = new Exchange(context, this);
    this.#body = new Http2RequestBody(context, this.#exchange, this);
    this.#sending = new Http2Sending(this, context.buffers);
    this.#response = new Http2Response(context, this.#sending);
  }

  get remotePort(): number {
    return this.#home?.remotePort ?? 0;
  }

  get isBodyAtHand(): boolean {
    return this.#body.isAtHand;
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
    this.#sending.open(home.output);
    this.#response.open(peer.isTls);
    this.#body.open(home, fields);
    this.#isReset = false;
    this.#isWebSocket = fields.isWebSocket;
    this.#wantsContinue = this.head.expectContinue && !isRemoteClosed;
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
    this.#exchange.record.beginUnrouted(this.remoteAddress, this.#context.current.revision, status, fault);
    if (fault === 'malformed') this.#writeReset(ErrorCode.protocolError);
    else this.sendAnswer(answerOf(status, fault));
    this.#observe(true);
    this.#closeIfDone();
    home?.noteFault(fault === 'malformed' ? 'malformedRequest' : fault);
  }

  // ---- from the connection

  /**
   * Takes payload. `flowBytes` count against the window, padding included. `buf` stays as it is only when `isOwned`.
   */
  onData(buf: Buffer, start: number, end: number, flowBytes: number, isOwned: boolean): void {
    switch (this.#body.take(buf, start, end, flowBytes, isOwned)) {
      case 'taken':
        return this.#armBodyDeadline();
      case 'tooLong':
        return this.#failLength();
      case 'aboveWindow':
        return this.fail(ErrorCode.flowControlError, 'flowControl');
      case 'dropped':
        return;
    }
  }

  /** END_STREAM, on DATA or on a trailer section. */
  onRemoteEnd(trailers: string): void {
    this.isRemoteClosed = true;
    if (!this.#body.end(trailers)) return this.#failLength();
    this.#armBodyDeadline();
    this.#body.handEnd();
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
      const { revision } = this.#context.current;
      this.#exchange.record.beginUnrouted(this.remoteAddress, revision, PROXY_ERRORS[failure].status, failure);
      this.#observe(false);
    }
    this.#closeIfDone();
  }

  onDeadline(): void {
    if (this.#sending.isHeldUp) return this.fail(ErrorCode.cancel, 'windowStall');
    if (!this.#isActive) return;
    this.#exchange.onClientFailed(this.#body.isTooSlow ? 'bodyTooSlow' : 'bodyTimeout');
  }

  #failLength(): void {
    this.fail(ErrorCode.protocolError, 'contentLength', 'badBody');
  }

  /** The client's time runs only while it is free to send; while it owes us its reading, the deadline is for that. */
  #armBodyDeadline(): void {
    if (this.#sending.isHeldUp) return;
    const { wheel } = this.#context;
    const leftMs = this.#body.waitMs();
    if (leftMs === null) wheel.clear(this.#deadline);
    else wheel.set(this.#deadline, leftMs);
  }

  // ---- ClientStream

  takeBody(): void {
    if (this.#wantsContinue) {
      this.#wantsContinue = false;
      if (this.#maySend()) this.#response.sendContinue();
    }
    if (!this.#body.resume() || !this.#isActive) return;
    this.#exchange.flushUpstream();
    this.#armBodyDeadline();
  }

  liftBodyRate(): void {
    this.#body.liftRate();
    this.#armBodyDeadline();
  }

  sendInformational(head: ResponseHead): void {
    if (this.#maySend()) this.#response.sendInformational(head);
  }

  /** RFC 8441 §5: to the client 2xx means that there is a tunnel now, to an upstream that it ignored the Upgrade. */
  takesHead(head: ResponseHead): boolean {
    if (head.status === 101) return this.#isWebSocket && isWebSocketAccepted(this.head.text, head.text);
    return !this.#isWebSocket || head.status >= 300;
  }

  sendHead(head: ResponseHead, _hasBody: boolean, addedLines: string): void {
    this.#wantsContinue = false;
    if (!this.isRemoteClosed) this.liftBodyRate();
    if (this.#maySend()) this.#response.sendHead(head, addedLines);
  }

  sendBody(buf: Buffer, start: number, end: number): boolean {
    this.#exchange.record.responseBodyBytes += end - start;
    return this.#send(buf, start, end, end - start > SMALL_BODY_BYTES);
  }

  /** Trailers need no consent in HTTP/2: they are part of its framing (RFC 9113 §8.1). */
  sendEnd(trailers: string): void {
    if (!this.#maySend()) return;
    this.#sending.end(trailers === '' ? '' : filterTrailers(trailers));
  }

  sendAnswer(answer: Answer): void {
    if (!this.#maySend()) return;
    if (this.#response.isHeadSent) return this.abortResponse();
    this.#wantsContinue = false;
    const body = this.#response.sendAnswer(answer, this.head.method === 'HEAD');
    if (body !== null) {
      this.#exchange.record.answerBodyBytes = body.length;
      this.#send(body, 0, body.length, true);
    }
    this.sendEnd('');
  }

  abortResponse(): void {
    this.#writeReset(ErrorCode.internalError);
  }

  beginTunnel(head: ResponseHead, addedLines: string): void {
    this.#body.isTunnel = true;
    this.#context.wheel.clear(this.#deadline);
    // RFC 8441 §5: 200 is what 101 is in HTTP/1.1.
    if (this.#maySend()) this.#response.sendHead(head, addedLines, 200);
    this.#body.handHeld();
    this.#body.handEnd();
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

  #maySend(): boolean {
    return this.#home !== null && !this.#isReset;
  }

  /** Writes what it can and keeps the rest. False: wait for `onClientDrain`. */
  #send(buf: Buffer, start: number, end: number, isStable: boolean): boolean {
    const home = this.#home;
    if (home === null || this.#isReset || this.#sending.send(buf, start, end, isStable)) return true;
    this.#body.pause();
    this.#context.wheel.set(this.#deadline, home.stallMs);
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
    home.output.rstStream(this.id, code);
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
    this.#body.close();
    home.closed(this);
  }

  #observe(isRefused: boolean): void {
    this.#exchange.record.report(this.#context.observer, this, this.#sending.bytesOut, isRefused);
  }
}
