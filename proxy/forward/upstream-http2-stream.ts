// One request on an HTTP/2 connection to an endpoint.
//
//   reserved -> open -> closed; the response may end before the request does, a reset ends both
// Response payload that the client cannot take yet is held here, up to the stream's window: only what was taken is credited
// to the upstream, so one slow client holds up nobody else on the connection. Request payload that a window or a full
// output holds up stays in `Http2Sending`.

import type { ResponseHead } from '../http/response-head.ts';
import { DEFAULT_URGENCY } from '../http2/priority.ts';
import { ErrorCode, type ErrorCodeValue } from '../http2/protocol.ts';
import { ReceiveWindow } from '../http2/receive-window.ts';
import { HeldPayload } from '../listen/held-payload.ts';
import type { Http2Output } from '../listen/http2-output.ts';
import { Http2Sending, type SendingHome } from '../listen/http2-sending.ts';
import { type ReadBuffers, SMALL_BODY_BYTES } from '../listen/read-buffers.ts';
import type { ProxyErrorCode } from './errors.ts';
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts';

/** The connection as its streams see it. */
export interface UpstreamStreamHome {
  readonly output: Http2Output;
  readonly buffers: ReadBuffers;
  /** Window of new streams, in the direction from the upstream. */
  readonly receiveWindowBytes: number;
  /** Gives the stream its id and sends its head. */
  open(stream: UpstreamHttp2Stream, text: string, isLast: boolean): void;
  /** Calls `deliverHeld` at the end of this loop turn. */
  deliverSoon(stream: UpstreamHttp2Stream): void;
  closed(stream: UpstreamHttp2Stream): void;
}

/** 1xx responses before the final one: more is a flood (RFC 9110 §15.2 sets no limit). */
const MAX_INFORMATIONAL = 16;

export class UpstreamHttp2Stream implements UpstreamStream, SendingHome {
  /** 0 until `begin`. */
  id = 0;
  readonly urgency = DEFAULT_URGENCY;
  /** Requests take turns. */
  readonly isIncremental = true;
  isQueued = false;
  /** Its connection has served before this request came: that it ends may be mere bad luck. */
  readonly isReused: boolean;
  /** The final response head has come. */
  hasHead = false;
  /** In the connection's list of streams that something was read for; owned by the connection. */
  isTouched = false;
  readonly #home: UpstreamStreamHome;
  #user: UpstreamUser | null;
  #isClosed = false;
  readonly #window = new ReceiveWindow();
  #isHeadRequest = false;
  #informational = 0;
  /** Declared payload still to come; -1 when it was not declared. */
  #declared = -1;
  /** The upstream has ended the stream, while some of its payload is still held. */
  #trailers: string | null = null;
  #isPaused = false;
  readonly #held: HeldPayload;
  readonly #sending: Http2Sending;

  constructor(home: UpstreamStreamHome, user: UpstreamUser | null, isReused: boolean) {
    this.#home = home;
    this.#user = user;
    this.isReused = isReused;
    this.#held = new HeldPayload(home.buffers);
    this.#sending = new Http2Sending(this, home.buffers);
  }

  get user(): UpstreamUser | null {
    return this.#user;
  }

  // ---- UpstreamStream

  begin(
    user: UpstreamUser,
    text: string,
    isHeadRequest: boolean,
    _isChunkedRequest: boolean,
    isComplete: boolean,
  ): void {
    this.#user = user;
    this.#isHeadRequest = isHeadRequest;
    const { output, receiveWindowBytes } = this.#home;
    this.#window.open(receiveWindowBytes);
    this.#sending.open(output);
    this.#sending.isClosed = isComplete;
    const before = output.frames.bytesOut;
    this.#home.open(this, text, isComplete);
    this.#sending.noteSection(before);
  }

  writeBody(buf: Buffer, start: number, end: number): boolean {
    return this.#isClosed || this.#sending.send(buf, start, end, false);
  }

  endBody(trailers: string): void {
    if (!this.#isClosed) this.#sending.end(trailers);
  }

  /** HTTP/2 has no tunnels of HTTP/1.1: nothing switches to one. */
  writeTunnel(): boolean {
    return true;
  }

  endTunnel(): void {
    // See writeTunnel.
  }

  flush(): void {
    // Whatever was written leaves at the end of the loop turn, together with that of all other streams.
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    // Not within this call, which comes from the midst of the client's own sending.
    if (!this.#held.isEmpty || this.#trailers !== null) this.#home.deliverSoon(this);
  }

  abandon(): void {
    this.#user = null;
    this.#reset(ErrorCode.cancel);
    this.#close();
  }

  // ---- SendingStream

  onFrameWritten(): void {
    // Only clients are watched for what their reading is worth.
  }

  writeSome(): boolean {
    if (!this.#sending.canWrite) return false;
    const progress = this.#sending.writeSome();
    if (progress === 'drained' && !this.#sending.isEnding) this.#user?.onUpstreamDrain();
    return progress === 'more';
  }

  // ---- from the connection

  /** The connection is open: the user may begin. */
  onConnected(): void {
    this.#user?.onConnected();
  }

  /** The upstream's window for this stream changed, also downwards (RFC 9113 §6.9.2). False on overflow. */
  growWindow(bytes: number): boolean {
    return this.#sending.growWindow(bytes);
  }

  /** A head, also a 1xx. `fault` says why it is none. */
  onResponse(head: ResponseHead, fault: string, isLast: boolean): void {
    if (fault !== '') return this.refuse(fault);
    if (head.status < 200) return this.#informationalHead(head, isLast);
    this.hasHead = true;
    const mayHaveBody = !this.#isHeadRequest && head.status !== 204 && head.status !== 304;
    if (!mayHaveBody) this.#declared = 0;
    else if (head.contentLength >= 0) this.#declared = head.contentLength;
    if (isLast && mayHaveBody && head.contentLength > 0) return this.refuse('fewer bytes than content-length');
    // A body of undeclared length that is empty still is one: so HTTP/1.1 clients see its end.
    this.#user?.onResponseHead(head, mayHaveBody && head.contentLength !== 0);
    if (isLast) this.#end('');
  }

  onTrailers(lines: string | null, isLast: boolean): void {
    if (lines === null || !isLast) return this.refuse('malformed trailers');
    if (this.#declared > 0) return this.refuse('fewer bytes than content-length');
    this.#end(lines);
  }

  /** Takes payload. `flowBytes` count against the window, padding included. `buf` stays as it is only when `isOwned`. */
  onData(buf: Buffer, start: number, end: number, flowBytes: number, isOwned: boolean, isLast: boolean): void {
    const length = end - start;
    if (!this.#window.take(flowBytes)) return this.refuse('more than the window', ErrorCode.flowControlError);
    if (!this.hasHead || this.#trailers !== null) return this.refuse('DATA out of order');
    if (this.#declared !== -1) {
      this.#declared -= length;
      if (this.#declared < 0) return this.refuse('more bytes than declared');
      if (isLast && this.#declared > 0) return this.refuse('fewer bytes than content-length');
    }
    if (length > 0) this.#take(buf, start, end, isOwned);
    if (isLast) return this.#end('');
    // Padding is used up at once, and payload that was not held.
    this.#credit(this.#held.isEmpty ? flowBytes : flowBytes - length);
  }

  /** Hands over what was held, as far as the client takes it. */
  deliverHeld(): void {
    const user = this.#user;
    if (user === null) return;
    const held = this.#held;
    while (!held.isEmpty && !this.#isPaused && !this.#isClosed) {
      const { buf, start, end } = held.first;
      held.use(end - start);
      this.#hand(buf, start, end);
      this.#credit(end - start);
    }
    if (held.isEmpty && this.#trailers !== null && !this.#isPaused) this.#finish(this.#trailers);
    else if (!this.#isClosed) user.onUpstreamReadDone();
  }

  /** RST_STREAM came, or the connection is gone. */
  fail(code: ProxyErrorCode, detail: string): void {
    const user = this.#user;
    this.#user = null;
    this.#close();
    user?.onUpstreamFailed(code, detail);
  }

  /** The response is malformed (RFC 9113 §8.1.1). */
  refuse(fault: string, code: ErrorCodeValue = ErrorCode.protocolError): void {
    this.#reset(code);
    this.fail(this.hasHead ? 'upstreamTruncated' : 'upstreamFault', fault);
  }

  // ---- response

  #informationalHead(head: ResponseHead, isLast: boolean): void {
    if (isLast) return this.refuse('END_STREAM on a 1xx');
    if (++this.#informational > MAX_INFORMATIONAL) return this.refuse('too many 1xx responses');
    this.#user?.onInformational(head);
  }

  #take(buf: Buffer, start: number, end: number, isOwned: boolean): void {
    const isSmall = end - start <= SMALL_BODY_BYTES;
    if (this.#isPaused || !this.#held.isEmpty) return this.#held.add(buf, start, end, false);
    if (isOwned || isSmall) this.#hand(buf, start, end);
    else this.#hand(Buffer.from(buf.subarray(start, end)), 0, end - start);
  }

  #hand(buf: Buffer, start: number, end: number): void {
    if (this.#user?.onResponseBody(buf, start, end) === false) this.#isPaused = true;
  }

  #end(trailers: string): void {
    if (this.#isClosed) return;
    if (!this.#held.isEmpty || this.#isPaused) this.#trailers = trailers;
    else this.#finish(trailers);
  }

  #finish(trailers: string): void {
    const user = this.#user;
    this.#user = null;
    // RFC 9113 §8.1: the response is complete, so the rest of the request is not wanted.
    if (!this.#sending.isClosed) this.#reset(ErrorCode.cancel);
    this.#close();
    user?.onResponseEnd(trailers);
  }

  /** Lets the upstream send as much as was used up. */
  #credit(bytes: number): void {
    if (this.#isClosed) return;
    this.#home.output.windowUpdate(this.id, this.#window.credit(bytes));
  }

  // ---- ends

  #reset(code: ErrorCodeValue): void {
    const isOver = this.#sending.isClosed && this.#trailers !== null;
    if (this.#isClosed || isOver || this.id === 0) return;
    this.#home.output.rstStream(this.id, code);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sending.drop();
    this.#held.clear();
    this.#home.closed(this);
  }
}
