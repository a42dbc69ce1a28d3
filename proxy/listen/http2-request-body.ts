// The payload that one HTTP/2 stream receives from its client: a request's body, or what comes in a tunnel.
//
// Payload that the exchange cannot take yet is held here, up to the stream's window, because only what was taken is
// credited to the client. What the stream has to do about a fault, and the deadline, are the stream's matter.

import type { ProxyContext } from '../forward/context.ts';
import type { Exchange } from '../forward/exchange.ts';
import { ReceiveWindow } from '../http2/receive-window.ts';
import type { RequestFields } from '../http2/request-fields.ts';
import { BodyPace, bodyGraceMs } from './body-pace.ts';
import { HeldPayload } from './held-payload.ts';
import type { Http2Output } from './http2-output.ts';
import { SMALL_BODY_BYTES } from './read-buffers.ts';

/** The stream that the payload belongs to. */
export interface BodyStream {
  readonly id: number;
  /** END_STREAM came. */
  readonly isRemoteClosed: boolean;
  /** Somebody wants the payload: neither is the response complete nor the stream reset. */
  readonly isUnanswered: boolean;
  readonly wasReset: boolean;
}

/** The connection as the payload sees it. */
export interface BodyHome {
  readonly output: Http2Output;
  /** Window of a new stream, in the direction from the client. */
  readonly receiveWindowBytes: number;
  /** The exchange took bytes: the client may send as many more on the connection. */
  creditReceived(bytes: number): void;
}

/** `taken`: handed on or held. `dropped`: nobody wants it. The others are errors of the stream. */
export type BodyOutcome = 'taken' | 'dropped' | 'tooLong' | 'aboveWindow';

export class Http2RequestBody {
  /** What comes belongs to a tunnel. */
  isTunnel = false;
  readonly #context: ProxyContext;
  readonly #exchange: Exchange;
  readonly #stream: BodyStream;
  readonly #window = new ReceiveWindow();
  readonly #pace = new BodyPace();
  readonly #held: HeldPayload;
  #home: BodyHome | null = null;
  #received = 0;
  #declaredLength = -1;
  #isWebSocket = false;
  /** END_STREAM has been handed on. */
  #isEnded = false;
  #isBlocked = false;
  #isHanding = false;
  /** Lines that may be forwarded. */
  #trailers = '';

  constructor(context: ProxyContext, exchange: Exchange, stream: BodyStream) {
    this.#context = context;
    this.#exchange = exchange;
    this.#stream = stream;
    this.#held = new HeldPayload(context.buffers);
  }

  /** Begins anew, with the stream's next request. */
  open(home: BodyHome, { isWebSocket, declaredLength }: RequestFields): void {
    const { isRemoteClosed } = this.#stream;
    this.#home = home;
    this.#window.open(home.receiveWindowBytes);
    this.#received = 0;
    this.#declaredLength = isWebSocket ? -1 : declaredLength;
    this.#isWebSocket = isWebSocket;
    this.#isEnded = isRemoteClosed && !isWebSocket;
    this.#isBlocked = false;
    this.#trailers = '';
    this.isTunnel = false;
    const { peerLimits, clientBodyTimeoutMs } = this.#context.current.global;
    // What comes in a tunnel is no body: it has time limits of its own.
    const minBodyRate = isRemoteClosed || isWebSocket ? 0 : peerLimits.minBodyRate;
    this.#pace.begin(minBodyRate, bodyGraceMs(clientBodyTimeoutMs));
  }

  /** All of it came while the request waited for its turn. */
  get isAtHand(): boolean {
    return this.#stream.isRemoteClosed && this.#held.bytes > 0 && this.#held.bytes === this.#declaredLength;
  }

  /** Takes a piece. `flowBytes` count against the window, padding included. `buf` stays as it is only when `isOwned`. */
  take(buf: Buffer, start: number, end: number, flowBytes: number, isOwned: boolean): BodyOutcome {
    const home = this.#home as BodyHome;
    const length = end - start;
    const isWithin = this.#window.take(flowBytes);
    this.#received += length;
    this.#pace.take(length, this.#context.wheel.nowMs);
    const isTooLong = this.#declaredLength !== -1 && this.#received > this.#declaredLength;
    if (!isWithin || isTooLong) {
      home.creditReceived(flowBytes);
      return isTooLong ? 'tooLong' : 'aboveWindow';
    }
    // What nobody wants any more is used up at once: the response is complete, or the exchange has given up.
    if (!this.#stream.isUnanswered || length === 0) {
      this.#credit(home, flowBytes);
      return 'dropped';
    }
    if (this.#mayHand()) {
      const isStable = isOwned || length <= SMALL_BODY_BYTES || this.#exchange.copiesBody;
      const bytes = isStable ? buf : Buffer.from(buf.subarray(start, end));
      this.#hand(bytes, isStable ? start : 0, isStable ? end : length);
      this.#credit(home, flowBytes);
      this.#exchange.flushUpstream();
    } else {
      this.#held.add(buf, start, end, isOwned);
      this.#credit(home, flowBytes - length);
    }
    return 'taken';
  }

  /** END_STREAM came, with these trailers. False when less came than was declared; otherwise `handEnd` is next. */
  end(trailers: string): boolean {
    this.#trailers = trailers;
    return this.#declaredLength === -1 || this.#received === this.#declaredLength;
  }

  /** Hands END_STREAM on, once it has come and all that was before it is gone. */
  handEnd(): void {
    const { isRemoteClosed, isUnanswered } = this.#stream;
    if (this.#isEnded || !isRemoteClosed || !isUnanswered || !this.#mayHand()) return;
    this.#isEnded = true;
    if (this.isTunnel) this.#exchange.onTunnelClientEnd();
    else this.#exchange.onBodyEnd(this.#trailers);
    this.#exchange.flushUpstream();
  }

  /** The exchange may take payload again, or for the first time: hands over what is held. False: it cannot now. */
  resume(): boolean {
    // Within a call of ours: that call goes on by itself.
    if (this.#isHanding) return false;
    this.#isBlocked = false;
    if (this.#isWebSocket && !this.isTunnel) return false;
    this.handHeld();
    this.handEnd();
    return true;
  }

  /** Hands over what is held, as far as the exchange takes it. */
  handHeld(): void {
    const held = this.#held;
    while (!held.isEmpty && this.#stream.isUnanswered && !this.#isBlocked) {
      const home = this.#home as BodyHome;
      const { buf, start, end } = held.first;
      held.use(end - start);
      this.#hand(buf, start, end);
      this.#credit(home, end - start);
    }
  }

  /** How long the client may take for its next bytes, in milliseconds; null, and its time stands still, while we do not wait. */
  waitMs(): number | null {
    const { isUnanswered, isRemoteClosed } = this.#stream;
    const { wheel, current } = this.#context;
    if (isUnanswered && !isRemoteClosed && !this.isTunnel && this.#mayHand()) {
      return Math.min(current.global.clientBodyTimeoutMs, this.#pace.leftMs(wheel.nowMs));
    }
    this.pause();
    return null;
  }

  /** The client owes us something else now than its payload. */
  pause(): void {
    this.#pace.pause(this.#context.wheel.nowMs);
  }

  /** What still comes may come as slowly as it likes. */
  liftRate(): void {
    this.#pace.lift();
  }

  /** The client has sent too little in all its time. */
  get isTooSlow(): boolean {
    return this.#pace.isSpent(this.#context.wheel.nowMs);
  }

  /** The stream is over: what is still held is used up. */
  close(): void {
    const home = this.#home;
    this.#home = null;
    const { bytes } = this.#held;
    if (bytes === 0) return;
    this.#held.clear();
    home?.creditReceived(bytes);
  }

  #mayHand(): boolean {
    if (this.#isBlocked || !this.#held.isEmpty) return false;
    return this.#isWebSocket ? this.isTunnel : this.#exchange.canTakeBody;
  }

  #hand(buf: Buffer, start: number, end: number): void {
    this.#isHanding = true;
    const mayGoOn = this.isTunnel
      ? this.#exchange.onTunnelBytes(buf, start, end, true)
      : this.#exchange.onBody(buf, start, end);
    this.#isHanding = false;
    if (!mayGoOn) this.#isBlocked = true;
  }

  /** Lets the client send as much as was used up. */
  #credit(home: BodyHome, bytes: number): void {
    home.creditReceived(bytes);
    // Handing the bytes over may have ended the stream.
    if (this.#home !== home || this.#stream.isRemoteClosed || this.#stream.wasReset) return;
    home.output.windowUpdate(this.#stream.id, this.#window.credit(bytes));
  }
}
