// One HTTP/1.1 client connection: reads requests and hands them to its stream, in order, one at a time.
//
//   waiting -> head -> exchange -> waiting     (keep-alive; pipelined bytes are held until the response is out)
//                          |-> tunnel -> closed
//                          |-> lingering -> closed
// `waiting`: no byte of the next request yet; the connection owns no stream then. `lingering`: the last response is out,
// the client still sends; closing at once would reset the connection and could destroy that response on its way (RFC 9112
// §9.6). Every state can go to `closed`. Framing that could be read in two ways ends the connection: nothing behind it
// can be trusted. Between requests a client that has not taken its responses is not read: no further request is served
// until `onDrain`.

import type { Socket } from 'node:net';
import type { ProxyContext } from '../forward/context.ts';
import { statusOfFault } from '../forward/errors.ts';
import type { Timed } from '../forward/timer-wheel.ts';
import { FAILED, NEED_MORE } from '../http/head-scanner.ts';
import { ClientDeadline } from './client-deadline.ts';
import type { Http1Stream, Http1Streams, StreamHost } from './http1-stream.ts';
import type { Peer } from './peers.ts';
import { SMALL_BODY_BYTES } from './read-buffers.ts';
import { ReadLease } from './read-lease.ts';
import { SocketWriter } from './socket-writer.ts';
import type { SocketOwner } from './sockets.ts';

export type ConnectionState = 'waiting' | 'head' | 'exchange' | 'tunnel' | 'lingering' | 'closed';

/** What a connection shares with the others of its worker. */
export interface ConnectionSet {
  readonly context: ProxyContext;
  readonly streams: Http1Streams;
  closed(connection: Http1Connection): void;
}

export class Http1Connection implements SocketOwner, StreamHost, Timed {
  readonly peer: Peer;
  readonly writer: SocketWriter;
  readonly #home: ConnectionSet;
  readonly #deadline: ClientDeadline;
  #socket: Socket | null = null;
  #state: ConnectionState = 'waiting';
  #stream: Http1Stream | null = null;
  #lease: ReadLease | null = null;
  /** Bytes that wait: pipelined requests, or a body whose upstream is not connected yet. Reading is paused meanwhile. */
  #held: Buffer | null = null;
  #isConsuming = false;
  #isPaused = false;
  #requests = 0;

  constructor(home: ConnectionSet, peer: Peer) {
    this.#home = home;
    this.peer = peer;
    this.#deadline = new ClientDeadline(this, home.context);
    this.writer = new SocketWriter(home.context.buffers, home.context.turn);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get isTls(): boolean {
    return this.peer.isTls;
  }

  get remotePort(): number {
    return this.peer.remotePort ?? this.#socket?.remotePort ?? 0;
  }

  /** Takes the socket over. `socket` already delivers its events to this object. */
  open(socket: Socket): void {
    const { context } = this.#home;
    this.#socket = socket;
    this.writer.open(socket, this);
    context.observer.onConnectionOpened(this.isTls);
    this.#deadline.setForFirstHead();
  }

  /** Shutdown: an idle connection closes now, a busy one after its response. */
  drain(): void {
    if (this.#state === 'waiting') this.#closeSoon();
  }

  /** Shutdown deadline: cuts whatever runs. */
  cut(): void {
    this.onClose();
  }

  // ---- SocketOwner

  nextBuffer(): Buffer {
    const lease = this.#lease;
    if (lease === null) return this.#home.context.buffers.shared;
    // A request body that goes on after its first read is worth a buffer of its own.
    const isWanted = this.#state === 'exchange' && this.#stream?.body.isDone === false && lease.isHeld;
    const buffer = lease.nextBuffer(isWanted, true);
    if (!isWanted) this.#lease = null;
    return buffer;
  }

  onRead(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    const lease = this.#lease;
    lease?.beginRead();
    this.#consume(buf, start, end, isOwned || lease?.owns(buf) === true);
    this.#flush();
    this.#waitForClient();
    this.#giveStreamBack();
    return !this.#isPaused;
  }

  onEnd(): void {
    switch (this.#state) {
      case 'tunnel':
        return this.#stream?.exchange.onTunnelClientEnd();
      case 'exchange':
        // nginx gives a request up when its client half-closes; the 499 is for the log.
        return this.#stream?.exchange.onClientFailed('clientGone');
      default:
        return this.#closeSoon();
    }
  }

  onDrain(): void {
    this.#deadline.isStalled = false;
    switch (this.#state) {
      case 'waiting':
        this.#deadline.setForNextRequest();
        return this.#resume();
      case 'head':
        this.#deadline.setForHead();
        return this.#resume();
      case 'lingering':
        return this.#deadline.setForLinger();
      case 'exchange':
        this.#setBodyDeadline();
        return this.#stream?.exchange.onClientDrain();
      case 'tunnel':
        this.#deadline.clear();
        return this.#stream?.exchange.onClientDrain();
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
    if (isBusy) this.#stream?.exchange.onClientFailed('clientGone');
    this.#close();
  }

  onDeadline(): void {
    const { isStalled } = this.#deadline;
    if (isStalled && this.writer.hasMoved()) return this.#deadline.setForReading(this.writer);
    switch (this.#state) {
      case 'head':
        if (isStalled) return this.#cutBetweenRequests();
        return this.#refuse(408, 'headTimeout');
      case 'exchange':
        return this.#stream?.exchange.onClientFailed(isStalled ? 'clientStalled' : this.#bodyFault());
      case 'tunnel':
        // Set only while the client takes nothing: what it sends meanwhile does not keep it alive.
        this.#stream?.exchange.onClientFailed('clientStalled');
        return this.cut();
      default:
        return this.#cutBetweenRequests();
    }
  }

  /** No request is there that could be logged: a client that has left responses untaken is counted. */
  #cutBetweenRequests(): void {
    if (this.writer.hasUnsent) this.#home.streams.stalledConnections++;
    this.#close();
  }

  #bodyFault(): 'bodyTooSlow' | 'bodyTimeout' {
    return this.#stream?.pace.isSpent(this.#home.context.wheel.nowMs) === true ? 'bodyTooSlow' : 'bodyTimeout';
  }

  // ---- reading

  #consume(buf: Buffer, start: number, end: number, isOwned: boolean): void {
    this.#isConsuming = true;
    let at = start;
    while (at < end) {
      switch (this.#state) {
        case 'waiting':
        case 'head':
          at = this.#readHead(buf, at, end);
          break;
        case 'exchange':
          at = this.#readExchange(this.#stream as Http1Stream, buf, at, end, isOwned);
          break;
        case 'tunnel':
          this.#readTunnel(buf, at, end, isOwned);
          at = end;
          break;
        case 'lingering':
          if (!this.writer.hasUnsent) this.#deadline.setForLinger();
          at = end;
          break;
        case 'closed':
          at = end;
      }
    }
    this.#isConsuming = false;
  }

  /** Gives the position up to which `buf` is used. A head that ends in it begins an exchange. */
  #readHead(buf: Buffer, start: number, end: number): number {
    const stream = this.#stream ?? this.#takeStream();
    if (this.#state === 'waiting') {
      this.#state = 'head';
      stream.beginRequest();
    }
    if (!stream.stash.isEmpty) return this.#readStashedHead(stream, buf, start, end);
    const next = stream.parser.parse(buf, start, end, this.#home.context.current.requestLimits);
    if (next !== NEED_MORE) return this.#headParsed(stream, next, end);
    this.#deadline.setForHead();
    stream.stash.add(buf, start, end);
    return end;
  }

  /** The head came in pieces: it is parsed in the stash, and so is what follows it in this read. */
  #readStashedHead(stream: Http1Stream, buf: Buffer, start: number, end: number): number {
    const { stash } = stream;
    stash.add(buf, start, end);
    const { bytes, length } = stash;
    const parsed = stream.parser.parse(bytes, 0, length, this.#home.context.current.requestLimits);
    if (parsed === NEED_MORE) return end;
    stash.clear();
    const next = this.#headParsed(stream, parsed, length);
    if (next < length) this.#consume(bytes, next, length, false);
    return end;
  }

  #headParsed(stream: Http1Stream, next: number, end: number): number {
    if (next === FAILED) {
      const { fault } = stream.parser;
      this.#refuse(statusOfFault(fault), fault);
      return end;
    }
    const { global } = this.#home.context.current;
    this.#state = 'exchange';
    this.#requests++;
    // The client's time to send its body begins when it may: see `readBody`.
    this.#deadline.clear();
    const mayKeepAlive = global.clientKeepAliveMs > 0 && this.#requests < global.clientKeepAliveRequests;
    stream.beginExchange(mayKeepAlive, end - next);
    return next;
  }

  /** Reads the request's body, or holds what comes too early; gives the position up to which `buf` is used. */
  #readExchange(stream: Http1Stream, buf: Buffer, start: number, end: number, isOwned: boolean): number {
    if (stream.body.isDone || !stream.exchange.canTakeBody) {
      this.#hold(buf, start, end);
      return end;
    }
    const { body } = stream;
    const { requestLimits } = this.#home.context.current;
    const event = body.next(buf, start, end, requestLimits);
    const { position } = body;
    if (event === 'data') {
      stream.pace.take(body.dataEnd - body.dataStart, this.#home.context.wheel.nowMs);
      if (!this.#deliverBody(stream, buf, body.dataStart, body.dataEnd, isOwned)) this.#pause();
      this.#setBodyDeadline();
      if (this.#state !== 'exchange') return end;
      // A counted body ends with its last byte, not with the byte behind it.
      if (position === end && body.next(buf, end, end, requestLimits) === 'end') this.#bodyEnded(stream);
    } else if (event === 'end') {
      this.#bodyEnded(stream);
    } else if (event === 'fault') {
      stream.giveUpKeepAlive();
      stream.exchange.onClientFailed('badBody');
      return end;
    }
    return position;
  }

  #bodyEnded(stream: Http1Stream): void {
    this.#setBodyDeadline();
    // Trailers of HTTP/1.1 clients are dropped, as by nginx (docs/http-strictness.md).
    stream.exchange.onBodyEnd('');
  }

  #deliverBody(stream: Http1Stream, buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    const length = end - start;
    let mayGoOn: boolean;
    if (isOwned || length <= SMALL_BODY_BYTES || stream.exchange.copiesBody) {
      mayGoOn = stream.exchange.onBody(buf, start, end);
    } else {
      this.#lease ??= new ReadLease(this.#home.context.buffers);
      const bytes = this.#lease.place(buf, start, end);
      mayGoOn = stream.exchange.onBody(bytes, this.#lease.start, this.#lease.start + length);
    }
    if (this.#lease !== null) this.#lease.isPending = !mayGoOn;
    return mayGoOn;
  }

  #readTunnel(buf: Buffer, start: number, end: number, isOwned: boolean): void {
    // A tunnel does not wait for its writes before the next read, so not even a lease may lie behind them.
    const isKept = isOwned && this.#lease?.owns(buf) !== true;
    if (this.#stream?.exchange.onTunnelBytes(buf, start, end, isKept) === false) this.#pause();
  }

  /** The client's time runs only while it is free to send: not while we do not read, nor while it owes us its reading. */
  #setBodyDeadline(): void {
    const stream = this.#stream;
    if (stream !== null && !stream.body.isDone && !this.#isPaused) this.#deadline.setForBody(stream.pace);
    else this.#deadline.stop(stream === null ? null : stream.pace);
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

  /** Sends what one read has gathered, on both sides. */
  #flush(): void {
    this.#stream?.exchange.flushUpstream();
    this.writer.flushSoon();
  }

  /**
   * Between requests: while responses wait for the client no further request is served, or a client that pipelines and
   * does not read would have them pile up here. True when it has to wait; `onDrain` goes on.
   */
  #waitForClient(): boolean {
    if ((this.#state !== 'waiting' && this.#state !== 'head') || !this.writer.isBlocked) return false;
    this.#pause();
    this.#deadline.isStalled = true;
    this.#deadline.setForReading(this.writer);
    return true;
  }

  /** Goes on with what was held, then with the socket. */
  #resume(): void {
    if (this.#waitForClient()) return;
    if (this.#held !== null) {
      const held = this.#held;
      this.#held = null;
      this.#consume(held, 0, held.length, true);
      this.#flush();
      this.#giveStreamBack();
      if (this.#waitForClient()) return;
    }
    if (this.#held !== null || !this.#isPaused || this.#state === 'closed') return;
    this.#isPaused = false;
    this.#socket?.resume();
  }

  // ---- StreamHost

  readBody(): void {
    // While bytes are being consumed the loop goes on by itself.
    if (!this.#isConsuming) this.#resume();
    if (this.#state === 'exchange') this.#setBodyDeadline();
  }

  bodyRateLifted(): void {
    if (this.#state === 'exchange') this.#setBodyDeadline();
  }

  responseStalled(): void {
    this.#deadline.isStalled = true;
    this.#stream?.pace.pause(this.#home.context.wheel.nowMs);
    this.#deadline.setForReading(this.writer);
  }

  tunnelBegun(): void {
    this.#state = 'tunnel';
    this.#deadline.clear();
    if (!this.#isConsuming) this.#resume();
  }

  endWriting(): void {
    this.writer.flush();
    this.#socket?.end();
  }

  cutResponse(isHeadSent: boolean): void {
    const socket = this.#socket;
    this.writer.flush();
    // A reset, not an orderly end: a body framed by the end of the connection must not look complete.
    if (socket !== null && !socket.destroyed && isHeadSent) {
      if (this.isTls) socket.destroy();
      else socket.resetAndDestroy();
    }
    this.#close();
  }

  requestFinished(isLast: boolean): void {
    if (this.#state !== 'closed') {
      this.writer.flushSoon();
      if (isLast || this.#state === 'tunnel') this.#linger();
      else this.#waitForNext();
    }
    this.#giveStreamBack();
  }

  #waitForNext(): void {
    this.#state = 'waiting';
    this.#deadline.setForNextRequest();
    if (!this.#isConsuming) this.#resume();
  }

  #takeStream(): Http1Stream {
    this.#stream = this.#home.streams.take(this);
    return this.#stream;
  }

  /** Gives the stream back once nothing runs in it: its exchange is over, and no call of it is on the stack above us. */
  #giveStreamBack(): void {
    const stream = this.#stream;
    if (stream === null || this.#isConsuming || this.#state === 'head' || stream.exchange.phase !== 'idle') return;
    this.#stream = null;
    this.#home.streams.give(stream);
  }

  // ---- ends

  #refuse(status: number, reason: string): void {
    this.#state = 'exchange';
    this.#stream?.refuse(status, reason);
    this.#linger();
    this.#giveStreamBack();
  }

  /** What the system has not taken yet still goes out; the socket closes itself behind it. */
  #closeSoon(): void {
    if (!this.writer.hasUnsent) this.#close();
    else if (this.#state !== 'lingering') this.#linger();
  }

  /** Ends our side and reads on for a while, so that the client gets the response before it sees the end. */
  #linger(): void {
    this.#state = 'lingering';
    this.#dropHeld();
    this.writer.flush();
    this.#socket?.end();
    this.#deadline.beginLinger();
    if (this.writer.hasUnsent) this.#deadline.setForReading(this.writer);
    else this.#deadline.setForLinger();
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#socket?.resume();
    }
  }

  #dropHeld(): void {
    this.#held = null;
    this.#stream?.stash.clear();
    this.#lease?.drop();
    this.#lease = null;
  }

  #close(): void {
    if (this.#state === 'closed') return;
    const { context } = this.#home;
    this.#state = 'closed';
    this.#dropHeld();
    this.#deadline.close();
    context.observer.onConnectionClosed(this.isTls);
    this.#home.closed(this);
    this.#socket?.destroy();
    this.#giveStreamBack();
  }
}
