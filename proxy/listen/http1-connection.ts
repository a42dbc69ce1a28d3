// One HTTP/1.1 client connection: reads requests, hands them to its exchange, writes responses, in order, one at a time.
//
//   waiting -> head -> exchange -> waiting     (keep-alive; pipelined bytes are held until the response is out)
//                          |-> tunnel -> closed
//                          |-> lingering -> closed
// `waiting`: no byte of the next request yet. `lingering`: the last response is out, the client still sends; closing at
// once would reset the connection and could destroy that response on its way (RFC 9112 §9.6). Every state can go to
// `closed`. Framing that could be read in two ways ends the connection: nothing behind it can be trusted.
// Between requests a client that has not taken its responses is not read: no further request is served until `onDrain`.

import type { Socket } from 'node:net';
import type { ClientStream } from '../forward/client-stream.ts';
import type { ProxyContext } from '../forward/context.ts';
import { statusOfFault } from '../forward/errors.ts';
import { Exchange } from '../forward/exchange.ts';
import { Deadline, type Timed } from '../forward/timer-wheel.ts';
import { type Answer, answerOf } from '../http/answer.ts';
import { renderForwardedLines, untrustedValues } from '../http/forwarded.ts';
import { FAILED, NEED_MORE } from '../http/head-scanner.ts';
import type { RequestHead } from '../http/request-head.ts';
import { RequestParser } from '../http/request-parser.ts';
import type { ResponseHead } from '../http/response-head.ts';
import { HeadStash } from './head-stash.ts';
import { SMALL_BODY_BYTES } from './read-buffers.ts';
import { ReadLease } from './read-lease.ts';
import { RequestBody } from './request-body.ts';
import { ResponseSender } from './response-sender.ts';
import { SocketWriter } from './socket-writer.ts';
import type { SocketOwner } from './sockets.ts';

type State = 'waiting' | 'head' | 'exchange' | 'tunnel' | 'lingering' | 'closed';

/** nginx: `lingering_timeout`, between two reads of a lingering client, and `lingering_time`, for all of them. */
const LINGER_MS = 5_000;
const LINGER_TOTAL_MS = 30_000;
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
  readonly #sender: ResponseSender;
  readonly #stash = new HeadStash();
  readonly #lease: ReadLease;
  readonly #deadline = new Deadline(this);
  #socket: Socket | null = null;
  #state: State = 'waiting';
  /** Bytes that wait: pipelined requests, or a body whose upstream is not connected yet. Reading is paused meanwhile. */
  #held: Buffer | null = null;
  #isConsuming = false;
  #isPaused = false;
  #requests = 0;
  #keepAlive = true;
  #wantsContinue = false;
  /** Response bytes wait for the client, and `#deadline` runs for it: nothing else may move the deadline meanwhile. */
  #isStalled = false;
  #bytesOutBefore = 0;
  #lingerUntilMs = 0;

  constructor(context: ProxyContext, home: ConnectionSet, isTls: boolean) {
    this.#context = context;
    this.#home = home;
    this.isTls = isTls;
    this.#sender = new ResponseSender(context, this.#writer, isTls);
    this.#lease = new ReadLease(context.buffers);
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
    this.onClose();
  }

  // ---- SocketOwner

  nextBuffer(): Buffer {
    // A request body that goes on after its first read is worth a buffer of its own.
    return this.#lease.nextBuffer(this.#state === 'exchange' && !this.#body.isDone && this.#lease.isHeld);
  }

  onRead(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    this.#lease.beginRead();
    this.#consume(buf, start, end, isOwned || this.#lease.owns(buf));
    this.#exchange.flushUpstream();
    this.flush();
    this.#waitForClient();
    return !this.#isPaused;
  }

  onEnd(): void {
    switch (this.#state) {
      case 'tunnel':
        return this.#exchange.onTunnelClientEnd();
      case 'exchange':
        // nginx gives a request up when its client half-closes; the 499 is for the log.
        return this.#exchange.onClientFailed('clientGone');
      default:
        // What the system has not taken yet still goes out; the socket closes itself behind it.
        if (this.#hasUnsent) {
          if (this.#state !== 'lingering') this.#linger();
        } else this.#close();
    }
  }

  onDrain(): void {
    this.#isStalled = false;
    switch (this.#state) {
      case 'waiting':
        this.#context.wheel.set(this.#deadline, this.#context.current.global.clientKeepAliveMs);
        return this.#resume();
      case 'head':
        this.#context.wheel.set(this.#deadline, this.#context.current.global.clientHeaderTimeoutMs);
        return this.#resume();
      case 'lingering':
        return this.#context.wheel.set(this.#deadline, LINGER_MS);
      case 'exchange':
        this.#armBodyDeadline();
        return this.#exchange.onClientDrain();
      case 'tunnel':
        return this.#exchange.onClientDrain();
      case 'closed':
        return;
    }
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
        if (this.#isStalled) return this.#close();
        return this.#refuse(408, 'headTimeout');
      case 'exchange':
        return this.#exchange.onClientFailed(this.#isStalled ? 'clientGone' : 'bodyTimeout');
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
        // A tunnel does not wait for its writes before the next read, so not even a lease may lie behind them.
        if (!this.#exchange.onTunnelBytes(buf, start, end, isOwned && !this.#lease.owns(buf))) this.#pause();
        return;
      case 'lingering':
        if (!this.#hasUnsent) this.#armLingerDeadline();
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
    this.#sender.begin();
    this.#wantsContinue = head.expectContinue && head.hasBody && head.minorVersion === 1;
    const wants = head.minorVersion === 1 ? !head.connection.close : head.connection.keepAlive;
    this.#keepAlive = wants && global.clientKeepAliveMs > 0 && this.#requests < global.clientKeepAliveRequests;
    this.#body.begin(head.contentLength);
    // The client's time to send its body begins when it may: see `takeBody`.
    this.#context.wheel.clear(this.#deadline);
    this.#exchange.begin();
  }

  /** Hands one piece of body to the exchange; gives the position behind it. */
  #readBody(buf: Buffer, start: number, end: number, isOwned: boolean): number {
    const body = this.#body;
    const event = body.next(buf, start, end, this.#context.current.requestLimits);
    const { position } = body;
    if (event === 'data') {
      if (!this.#deliverBody(buf, body.dataStart, body.dataEnd, isOwned)) this.#pause();
      this.#armBodyDeadline();
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
    this.#armBodyDeadline();
    this.#exchange.onBodyEnd();
  }

  #deliverBody(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    const length = end - start;
    const lease = this.#lease;
    let mayGoOn: boolean;
    if (isOwned || length <= SMALL_BODY_BYTES) mayGoOn = this.#exchange.onBody(buf, start, end);
    else {
      const bytes = lease.place(buf, start, end);
      mayGoOn = this.#exchange.onBody(bytes, lease.start, lease.start + length);
    }
    lease.isPending = !mayGoOn;
    return mayGoOn;
  }

  /** The client's time runs only while it is free to send: not while we do not read, nor while it owes us its reading. */
  #armBodyDeadline(): void {
    if (this.#isStalled) return;
    const { wheel, current } = this.#context;
    if (this.#body.isDone || this.#isPaused) wheel.clear(this.#deadline);
    else wheel.set(this.#deadline, current.global.clientBodyTimeoutMs);
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

  /**
   * Between requests: while responses wait for the client no further request is served, or a client that pipelines and
   * does not read would have them pile up here. True when it has to wait; `onDrain` goes on.
   */
  #waitForClient(): boolean {
    if ((this.#state !== 'waiting' && this.#state !== 'head') || !this.#writer.isBlocked) return false;
    this.#pause();
    this.#isStalled = true;
    this.#context.wheel.set(this.#deadline, WRITE_STALL_MS);
    return true;
  }

  /** Goes on with what was held, then with the socket. */
  #resume(): void {
    if (this.#waitForClient()) return;
    if (this.#held !== null) {
      const held = this.#held;
      this.#held = null;
      this.#consume(held, 0, held.length, true);
      this.#exchange.flushUpstream();
      this.flush();
      if (this.#waitForClient()) return;
    }
    if (this.#held !== null || !this.#isPaused || this.#state === 'closed') return;
    this.#isPaused = false;
    this.#socket?.resume();
  }

  // ---- ClientStream

  takeBody(): void {
    if (this.#wantsContinue) {
      this.#wantsContinue = false;
      this.#sender.sendContinue();
      this.flush();
    }
    // While bytes are being consumed the loop goes on by itself.
    if (!this.#isConsuming) this.#resume();
    if (this.#state === 'exchange') this.#armBodyDeadline();
  }

  sendInformational(head: ResponseHead): void {
    this.#sender.sendInformational(head);
  }

  sendHead(head: ResponseHead, hasBody: boolean): void {
    if (this.#sender.chooseFraming(head, hasBody, this.head.minorVersion)) this.#keepAlive = false;
    this.#sender.sendHead(head, this.#connectionValue());
  }

  sendBody(buf: Buffer, start: number, end: number): boolean {
    this.#exchange.record.responseBodyBytes += end - start;
    this.#sender.sendBody(buf, start, end);
    if (!this.#writer.isBlocked) return true;
    this.#isStalled = true;
    this.#context.wheel.set(this.#deadline, WRITE_STALL_MS);
    return false;
  }

  sendEnd(trailers: string): void {
    this.#sender.sendEnd(trailers, this.head.acceptsTrailers);
  }

  sendAnswer(answer: Answer): void {
    if (this.#sender.isHeadSent) return this.abortResponse();
    this.#sender.sendAnswer(answer, this.#connectionValue(), this.head.method === 'HEAD');
  }

  abortResponse(): void {
    this.#keepAlive = false;
    const socket = this.#socket;
    // A reset, not an orderly end: a body framed by the end of the connection must not look complete.
    if (socket !== null && !socket.destroyed && this.#sender.isHeadSent) {
      if (this.isTls) socket.destroy();
      else socket.resetAndDestroy();
    }
    this.#close();
  }

  beginTunnel(head: ResponseHead): void {
    this.#state = 'tunnel';
    this.#keepAlive = false;
    this.#context.wheel.clear(this.#deadline);
    this.#sender.sendTunnelHead(head);
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

  /** A response that starts before its request has ended is the last one: nobody waits for the rest of that request. */
  #connectionValue(): string {
    if (this.#context.isDraining || !this.#body.isDone) this.#keepAlive = false;
    if (!this.#keepAlive) return 'close';
    return this.head.minorVersion === 0 ? 'keep-alive' : '';
  }

  // ---- ends

  /** Answers a head that is no request, and stops: where the next one would begin is not known. */
  #refuse(status: number, reason: string): void {
    this.#state = 'exchange';
    this.#keepAlive = false;
    this.#sender.begin();
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
    this.#dropHeld();
    this.#socket?.end();
    this.#lingerUntilMs = this.#context.wheel.nowMs + LINGER_TOTAL_MS;
    if (this.#hasUnsent) this.#context.wheel.set(this.#deadline, WRITE_STALL_MS);
    else this.#armLingerDeadline();
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#socket?.resume();
    }
  }

  #armLingerDeadline(): void {
    const { wheel } = this.#context;
    wheel.set(this.#deadline, Math.max(0, Math.min(LINGER_MS, this.#lingerUntilMs - wheel.nowMs)));
  }

  /** Bytes that the system has not taken yet, however few. */
  get #hasUnsent(): boolean {
    return this.#socket !== null && this.#socket.writableLength > 0;
  }

  #dropHeld(): void {
    this.#held = null;
    this.#stash.clear();
    this.#lease.drop();
  }

  #close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#dropHeld();
    this.#context.wheel.remove(this.#deadline);
    this.#exchange.close();
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
    // An idle connection must not keep an old table alive.
    record.route = null;
    this.#bytesOutBefore = this.#writer.bytesOut;
  }
}

/** An IPv4 peer on a dual-stack listener shows as `::ffff:1.2.3.4`. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
