// One HTTP/1.1 client connection: reads requests, hands them to its exchange, writes responses, in order, one at a time.
//
//   waiting -> head -> exchange -> waiting     (keep-alive; pipelined bytes are held until the response is out)
//                          |-> tunnel -> closed
//                          |-> lingering -> closed
// `waiting`: no byte of the next request yet. `lingering`: the last response is out, the client still sends; closing at
// once would reset the connection and could destroy that response on its way (RFC 9112 §9.6). Every state can go to
// `closed`. Framing that could be read in two ways ends the connection: nothing behind it can be trusted.

import type { Socket } from 'node:net';
import type { ProxyContext } from '../forward/context.ts';
import { statusOfFault } from '../forward/errors.ts';
import { type ClientStream, Exchange } from '../forward/exchange.ts';
import { type BodyFraming, framingOf, renderInformational, renderResponse } from '../forward/response-text.ts';
import { Deadline, type Timed } from '../forward/timer-wheel.ts';
import { type Answer, answerOf, renderAnswer } from '../http/answer.ts';
import { filterTrailers } from '../http/chunked.ts';
import { renderForwardedLines, untrustedValues } from '../http/forwarded.ts';
import { FAILED, NEED_MORE } from '../http/head-scanner.ts';
import type { RequestHead } from '../http/request-head.ts';
import { RequestParser } from '../http/request-parser.ts';
import type { ResponseHead } from '../http/response-head.ts';
import { HeadStash } from './head-stash.ts';
import { SMALL_BODY_BYTES } from './read-buffers.ts';
import { RequestBody } from './request-body.ts';
import { SocketWriter } from './socket-writer.ts';
import type { SocketOwner } from './sockets.ts';

type State = 'waiting' | 'head' | 'exchange' | 'tunnel' | 'lingering' | 'closed';

/** nginx: `lingering_timeout`, and a bound on what a lingering client may send (nginx bounds the time, 30 s). */
const LINGER_MS = 5_000;
const LINGER_BYTES = 1024 * 1024;
/** nginx `send_timeout`: a client that takes no byte of a waiting response for this long is cut. */
const WRITE_STALL_MS = 60_000;

/** What a connection tells the listener that accepted it. */
export interface ConnectionSet {
  closed(connection: Http1Connection): void;
}

export class Http1Connection implements SocketOwner, ClientStream, Timed {
  readonly isTls: boolean;
  remoteAddress = '';
  localPort = 0;
  forwardedLines = '';
  readonly #context: ProxyContext;
  readonly #home: ConnectionSet;
  readonly #parser = new RequestParser();
  readonly #body = new RequestBody();
  readonly #exchange: Exchange;
  readonly #writer = new SocketWriter();
  readonly #stash = new HeadStash();
  readonly #deadline = new Deadline(this);
  #socket: Socket | null = null;
  #state: State = 'waiting';
  /** Bytes that wait: pipelined requests, or a body whose upstream is not connected yet. Reading is paused meanwhile. */
  #held: Buffer | null = null;
  #isConsuming = false;
  #isPaused = false;
  #requests = 0;
  #keepAlive = true;
  #framing: BodyFraming = 'none';
  #isHeadSent = false;
  #wantsContinue = false;
  #bytesOutBefore = 0;
  #lingeredBytes = 0;
  #lease: Buffer | null = null;
  #isLeasePending = false;

  constructor(context: ProxyContext, home: ConnectionSet, isTls: boolean) {
    this.#context = context;
    this.#home = home;
    this.isTls = isTls;
    this.#exchange = new Exchange(context, this);
  }

  get head(): RequestHead {
    return this.#parser.head;
  }

  /** Takes the socket over. `socket` already delivers its events to this object. */
  open(socket: Socket): void {
    this.#socket = socket;
    this.#writer.open(socket, () => this.onDrain());
    this.remoteAddress = plainAddress(socket.remoteAddress ?? '');
    this.localPort = socket.localPort ?? 0;
    this.forwardedLines = renderForwardedLines(untrustedValues(this));
    this.#context.observer.onConnectionOpened(this.isTls);
    this.#context.wheel.set(this.#deadline, this.#context.current.global.clientHeaderTimeoutMs);
  }

  /** Shutdown: an idle connection closes now, a busy one after its response. */
  drain(): void {
    if (this.#state === 'waiting') this.#close();
  }

  /** Shutdown deadline: cuts whatever runs. */
  cut(): void {
    this.#close();
  }

  // ---- SocketOwner

  nextBuffer(): Buffer {
    // A request body that goes on after its first read is worth a buffer of its own.
    if (this.#state !== 'exchange' || this.#body.isDone || this.#lease === null) return this.#context.buffers.shared;
    return this.#lease;
  }

  onRead(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    this.#consume(buf, start, end, isOwned || buf === this.#lease);
    this.#exchange.flushUpstream();
    this.flush();
    return !this.#isPaused;
  }

  onEnd(): void {
    switch (this.#state) {
      case 'tunnel':
        return this.#exchange.onTunnelClientEnd();
      case 'lingering':
        // What is still to be written goes out first; then the deadline or the drain closes.
        if (!this.#writer.isBlocked) this.#close();
        return;
      case 'exchange':
        // nginx gives a request up when its client half-closes; the 499 is for the log.
        return this.#exchange.onClientFailed('clientGone');
      default:
        return this.#close();
    }
  }

  onDrain(): void {
    if (this.#state === 'lingering') this.#context.wheel.set(this.#deadline, LINGER_MS);
    if (this.#state === 'exchange' && this.#body.isDone) this.#context.wheel.clear(this.#deadline);
    this.#exchange.onClientDrain();
  }

  onError(): void {
    // `close` follows and tells the exchange.
  }

  onClose(): void {
    if (this.#state === 'closed') return;
    const isBusy = this.#state === 'exchange' || this.#state === 'tunnel';
    if (isBusy) this.#exchange.onClientFailed('clientGone');
    this.#close();
  }

  onDeadline(): void {
    switch (this.#state) {
      case 'head':
        return this.#refuse(408, 'headTimeout');
      case 'exchange':
        if (this.#writer.isBlocked) return this.#exchange.onClientFailed('clientGone');
        return this.#exchange.onClientFailed('bodyTimeout');
      default:
        return this.#close();
    }
  }

  // ---- reading

  #consume(buf: Buffer, start: number, end: number, isOwned: boolean): void {
    this.#isConsuming = true;
    let at = start;
    while (at < end) {
      if (this.#state === 'waiting' || this.#state === 'head') {
        at = this.#readHead(buf, at, end);
      } else if (this.#state === 'exchange' && !this.#body.isDone && this.#exchange.canTakeBody) {
        at = this.#readBody(buf, at, end, isOwned);
      } else {
        this.#takeElsewhere(buf, at, end, isOwned);
        break;
      }
    }
    this.#isConsuming = false;
  }

  #takeElsewhere(buf: Buffer, start: number, end: number, isOwned: boolean): void {
    switch (this.#state) {
      case 'exchange':
        return this.#hold(buf, start, end);
      case 'tunnel':
        if (!this.#exchange.onTunnelBytes(buf, start, end, isOwned)) this.#pause();
        return;
      case 'lingering':
        this.#lingeredBytes += end - start;
        if (this.#lingeredBytes > LINGER_BYTES) this.#close();
        return;
      default:
        return;
    }
  }

  /** Gives the position up to which `buf` is used. A head that ends in it begins an exchange. */
  #readHead(buf: Buffer, start: number, end: number): number {
    const { requestLimits } = this.#context.current;
    if (this.#state === 'waiting') this.#beginHead();
    if (!this.#stash.isEmpty) return this.#readStashedHead(buf, start, end);
    const next = this.#parser.parse(buf, start, end, requestLimits);
    if (next === NEED_MORE) {
      this.#stash.add(buf, start, end);
      return end;
    }
    return this.#headParsed(next, end);
  }

  /** The head came in pieces: it is parsed in the stash, and so is what follows it in this read. */
  #readStashedHead(buf: Buffer, start: number, end: number): number {
    this.#stash.add(buf, start, end);
    const { bytes, length } = this.#stash;
    const parsed = this.#parser.parse(bytes, 0, length, this.#context.current.requestLimits);
    if (parsed === NEED_MORE) return end;
    this.#stash.clear();
    const next = this.#headParsed(parsed, length);
    if (next < length) this.#consume(bytes, next, length, false);
    return end;
  }

  #headParsed(next: number, end: number): number {
    if (next === FAILED) {
      const { fault } = this.#parser;
      this.#refuse(statusOfFault(fault), fault);
      return end;
    }
    this.#beginExchange();
    return next;
  }

  #beginHead(): void {
    this.#state = 'head';
    this.#bytesOutBefore = this.#writer.bytesOut;
    this.#context.wheel.set(this.#deadline, this.#context.current.global.clientHeaderTimeoutMs);
  }

  #beginExchange(): void {
    const { head } = this.#parser;
    const { global } = this.#context.current;
    this.#state = 'exchange';
    this.#requests++;
    this.#isHeadSent = false;
    this.#wantsContinue = head.expectContinue && head.hasBody && head.minorVersion === 1;
    const wants = head.minorVersion === 1 ? !head.connection.close : head.connection.keepAlive;
    this.#keepAlive = wants && global.clientKeepAliveMs > 0 && this.#requests < global.clientKeepAliveRequests;
    this.#body.begin(head.contentLength);
    if (head.hasBody) this.#context.wheel.set(this.#deadline, global.clientBodyTimeoutMs);
    else this.#context.wheel.clear(this.#deadline);
    this.#exchange.begin();
  }

  /** Hands one piece of body to the exchange; gives the position behind it. */
  #readBody(buf: Buffer, start: number, end: number, isOwned: boolean): number {
    const body = this.#body;
    const event = body.next(buf, start, end, this.#context.current.requestLimits);
    const { position } = body;
    if (event === 'data') {
      this.#armBodyDeadline();
      if (!this.#deliverBody(buf, body.dataStart, body.dataEnd, isOwned)) this.#pause();
      if (this.#state !== 'exchange') return end;
      // A counted body ends with its last byte, not with the byte behind it.
      if (position === end && body.next(buf, end, end, this.#context.current.requestLimits) === 'end')
        this.#bodyEnded();
    } else if (event === 'end') {
      this.#bodyEnded();
    } else if (event === 'fault') {
      this.#keepAlive = false;
      this.#exchange.onClientFailed('badBody');
      return end;
    }
    return position;
  }

  #bodyEnded(): void {
    this.#context.wheel.clear(this.#deadline);
    this.#releaseLease();
    this.#exchange.onBodyEnd();
  }

  #deliverBody(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    const length = end - start;
    let mayGoOn: boolean;
    if (isOwned || length <= SMALL_BODY_BYTES) mayGoOn = this.#exchange.onBody(buf, start, end);
    else mayGoOn = this.#deliverFromLease(buf, start, end);
    this.#isLeasePending = !mayGoOn;
    return mayGoOn;
  }

  #deliverFromLease(buf: Buffer, start: number, end: number): boolean {
    const length = end - start;
    if (this.#lease !== null || length > this.#context.buffers.shared.length) {
      return this.#exchange.onBody(Buffer.from(buf.subarray(start, end)), 0, length);
    }
    this.#lease = this.#context.buffers.lease();
    buf.copy(this.#lease, 0, start, end);
    return this.#exchange.onBody(this.#lease, 0, length);
  }

  #releaseLease(): void {
    if (this.#lease !== null && !this.#isLeasePending) this.#context.buffers.release(this.#lease);
    this.#lease = null;
  }

  #armBodyDeadline(): void {
    this.#context.wheel.set(this.#deadline, this.#context.current.global.clientBodyTimeoutMs);
  }

  /** Keeps bytes for later and stops reading: at most one read is ever held. */
  #hold(buf: Buffer, start: number, end: number): void {
    const bytes = buf.subarray(start, end);
    this.#held = this.#held === null ? Buffer.from(bytes) : Buffer.concat([this.#held, bytes]);
    this.#pause();
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket?.pause();
  }

  /** Goes on with what was held, then with the socket. */
  #resume(): void {
    if (this.#held !== null) {
      const held = this.#held;
      this.#held = null;
      this.#consume(held, 0, held.length, true);
      this.#exchange.flushUpstream();
      this.flush();
    }
    if (this.#held !== null || !this.#isPaused || this.#state === 'closed') return;
    this.#isPaused = false;
    this.#socket?.resume();
  }

  // ---- ClientStream

  takeBody(): void {
    if (this.#wantsContinue) {
      this.#wantsContinue = false;
      this.#writer.addText('HTTP/1.1 100 Continue\r\n\r\n');
      this.flush();
    }
    // While bytes are being consumed the loop goes on by itself.
    if (!this.#isConsuming) this.#resume();
  }

  sendInformational(head: ResponseHead): void {
    this.#writer.addText(renderInformational(head));
  }

  sendHead(head: ResponseHead, hasBody: boolean): void {
    const { minorVersion } = this.head;
    this.#isHeadSent = true;
    this.#framing = framingOf(head, hasBody, minorVersion);
    if (this.#framing === 'untilClose') this.#keepAlive = false;
    this.#writer.addText(this.#renderHead(head, this.#connectionValue()));
  }

  #renderHead(head: ResponseHead, connection: string): string {
    const { current, dateLine } = this.#context;
    return renderResponse(head, {
      framing: this.#framing,
      dateLine,
      commonLines: this.isTls ? current.tlsLines : current.plainLines,
      passServer: current.global.allowBackendServerHeader,
      passHsts: !this.isTls || current.global.hstsValue === null,
      connection,
    });
  }

  sendBody(buf: Buffer, start: number, end: number): boolean {
    this.#exchange.record.responseBodyBytes += end - start;
    if (this.#framing === 'chunked') this.#writer.addChunk(buf, start, end);
    else this.#writer.addBytes(buf, start, end);
    if (!this.#writer.isBlocked) return true;
    this.#context.wheel.set(this.#deadline, WRITE_STALL_MS);
    return false;
  }

  sendEnd(trailers: string): void {
    if (this.#framing !== 'chunked') return;
    this.#writer.addText(`0\r\n${this.head.acceptsTrailers ? filterTrailers(trailers) : ''}\r\n`);
  }

  sendAnswer(answer: Answer): void {
    if (this.#isHeadSent) return this.abortResponse();
    if (answer.status >= 400 && !this.#body.isDone) this.#keepAlive = false;
    this.#isHeadSent = true;
    const { current, dateLine } = this.#context;
    const connection = this.#connectionValue();
    const lines = `${dateLine}${this.isTls ? current.tlsLines : current.plainLines}${connection === '' ? '' : `Connection: ${connection}\r\n`}`;
    this.#writer.addText(renderAnswer(answer, lines, this.head.method === 'HEAD'));
  }

  abortResponse(): void {
    this.#keepAlive = false;
    const socket = this.#socket;
    // A reset, not an orderly end: a body framed by the end of the connection must not look complete.
    if (socket !== null && !socket.destroyed && this.#isHeadSent) {
      if (this.isTls) socket.destroy();
      else socket.resetAndDestroy();
    }
    this.#close();
  }

  beginTunnel(head: ResponseHead): void {
    this.#state = 'tunnel';
    this.#isHeadSent = true;
    this.#keepAlive = false;
    this.#framing = 'none';
    this.#context.wheel.clear(this.#deadline);
    const upgrade = head.upgradeLineStart === -1 ? '' : head.text.slice(head.upgradeLineStart, head.upgradeLineEnd);
    const text = this.#renderHead(head, 'upgrade');
    this.#writer.addText(`${text.slice(0, -2)}${upgrade}\r\n`);
    this.flush();
    if (!this.#isConsuming) this.#resume();
  }

  sendTunnelBytes(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    this.#writer.addCopiedBytes(buf, start, end, isOwned);
    this.flush();
    return !this.#writer.isBlocked;
  }

  endTunnel(): void {
    this.flush();
    this.#socket?.end();
  }

  flush(): void {
    this.#writer.flush();
  }

  finished(): void {
    this.#observe();
    if (this.#state === 'closed') return;
    this.flush();
    const isLast = this.#state === 'tunnel' || !this.#body.isDone || !this.#keepAlive || this.#context.isDraining;
    if (isLast) this.#linger();
    else this.#waitForNext();
  }

  #waitForNext(): void {
    this.#parser.reset();
    this.#state = 'waiting';
    this.#context.wheel.set(this.#deadline, this.#context.current.global.clientKeepAliveMs);
    if (!this.#isConsuming) this.#resume();
  }

  #connectionValue(): string {
    if (this.#context.isDraining) this.#keepAlive = false;
    if (!this.#keepAlive) return 'close';
    return this.head.minorVersion === 0 ? 'keep-alive' : '';
  }

  // ---- ends

  /** Answers a head that is no request, and stops: where the next one would begin is not known. */
  #refuse(status: number, reason: string): void {
    this.#state = 'exchange';
    this.#keepAlive = false;
    this.#isHeadSent = false;
    const { record } = this.#exchange;
    record.reset();
    record.revision = this.#context.current.revision;
    record.status = status;
    record.reason = reason;
    record.durationMs = 0;
    this.sendAnswer(answerOf(status, reason));
    this.#observe(true);
    this.flush();
    this.#linger();
  }

  /** Ends our side and reads on for a while, so that the client gets the response before it sees the end. */
  #linger(): void {
    this.#state = 'lingering';
    this.#lingeredBytes = 0;
    this.#dropHeld();
    this.#socket?.end();
    this.#context.wheel.set(this.#deadline, this.#writer.isBlocked ? WRITE_STALL_MS : LINGER_MS);
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#socket?.resume();
    }
  }

  #dropHeld(): void {
    this.#held = null;
    this.#stash.clear();
    this.#releaseLease();
  }

  #close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#dropHeld();
    this.#context.wheel.remove(this.#deadline);
    this.#context.observer.onConnectionClosed(this.isTls);
    this.#home.closed(this);
    this.#socket?.destroy();
  }

  #observe(isRefused = false): void {
    const { record } = this.#exchange;
    record.remoteAddress = this.remoteAddress;
    record.isTls = this.isTls;
    record.head = isRefused ? null : this.head;
    if (!isRefused) record.requestBytes += this.head.text.length;
    record.responseBytes = this.#writer.bytesOut - this.#bytesOutBefore;
    this.#context.observer.onRequest(record);
    this.#bytesOutBefore = this.#writer.bytesOut;
  }
}

/** An IPv4 peer on a dual-stack listener shows as `::ffff:1.2.3.4`. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
