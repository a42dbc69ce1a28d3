// One HTTP/1.1 connection to an endpoint: sends one request at a time, reads its response, and goes back to the pool.
//
//   connecting -> idle -> awaitingHead -> body -> idle            (reused)
//                              |           |----> closed          (not reusable)
//                              |----> tunnel -----> closed        (101)
// Every state can go to `closed`. Bytes in `idle` or behind the end of a response close the connection: they can only
// be a desynchronised or hostile upstream, and no byte of a second response may ever reach a client.

import type { Socket } from 'node:net';
import type { EndpointRegistry, EndpointState, UpstreamState } from '../endpoints/registry.ts';
import { ChunkedDecoder } from '../http/chunked.ts';
import { FAILED, NEED_MORE } from '../http/head-scanner.ts';
import { CHUNKED, type ResponseHead, UNTIL_CLOSE } from '../http/response-head.ts';
import { ResponseParser } from '../http/response-parser.ts';
import { HeadStash } from '../listen/head-stash.ts';
import type { LoopTurn } from '../listen/loop-turn.ts';
import { LONG_TRANSFER_BYTES, type ReadBuffers, SMALL_BODY_BYTES } from '../listen/read-buffers.ts';
import { ReadLease } from '../listen/read-lease.ts';
import { SocketWriter } from '../listen/socket-writer.ts';
import type { SocketOwner } from '../listen/sockets.ts';
import type { EndpointSlot } from './endpoint-slot.ts';
import type { ProxyErrorCode } from './errors.ts';
import type { IdleConnection } from './idle-order.ts';
import { NO_HEAD, type ResponseHeadLimits, type ResponseLimits, TRAILER_LIMITS } from './response-limits.ts';
import { Deadline, type Timed } from './timer-wheel.ts';
import type { UpstreamHttp2 } from './upstream-http2.ts';
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts';
import { openSocket, type Transport } from './upstream-transport.ts';

/** The connections that further requests may use. */
export type UpstreamSlot = EndpointSlot<UpstreamConnection, UpstreamHttp2>;
/** An endpoint as the data path sees it: its slot holds the connections that further requests may use. */
export type LiveEndpoint = EndpointState<UpstreamSlot>;
export type LiveUpstream = UpstreamState<UpstreamSlot>;
export type LiveEndpoints = EndpointRegistry<UpstreamSlot>;

/** Where connections go when they are idle or gone. Implemented by UpstreamPool. */
export interface ConnectionHome {
  readonly buffers: ReadBuffers;
  readonly turn: LoopTurn;
  readonly responseLimits: ResponseLimits;
  /** The response is complete and the connection sound. True when the pool keeps it. */
  keep(connection: UpstreamConnection): boolean;
  forget(connection: UpstreamConnection): void;
}

type State = 'connecting' | 'idle' | 'awaitingHead' | 'body' | 'tunnel' | 'closed';

/** 1xx responses before the final one: more is a flood (RFC 9110 §15.2 sets no limit). */
const MAX_INFORMATIONAL = 16;

export class UpstreamConnection implements SocketOwner, UpstreamStream, IdleConnection, Timed {
  readonly endpoint: LiveEndpoint;
  readonly transport: Transport;
  /** When an idle connection is closed. */
  readonly idleDeadline = new Deadline(this);
  readonly writer: SocketWriter;
  readonly openedAtMs: number;
  /** The pool's, while it is idle. */
  olderIdle: IdleConnection | null = null;
  newerIdle: IdleConnection | null = null;
  /** Requests sent so far, this one included. */
  requests = 0;
  readonly #home: ConnectionHome;
  readonly #socket: Socket;
  readonly #parser = new ResponseParser();
  #limits: ResponseHeadLimits = NO_HEAD;
  readonly #stash = new HeadStash();
  readonly #lease: ReadLease;
  #decoder: ChunkedDecoder | null = null;
  #state: State = 'connecting';
  #user: UpstreamUser | null;
  #isHeadRequest = false;
  #isRequestDone = false;
  #isChunkedRequest = false;
  #hasResponseBytes = false;
  #informational = 0;
  /** Body bytes to come; CHUNKED or UNTIL_CLOSE. */
  #remaining = 0;
  /** Body bytes so far. */
  #received = 0;
  /** A response body that goes on after its first read is worth a buffer of its own. */
  #isBulk = false;
  #isPaused = false;
  #lastError = '';

  constructor(endpoint: LiveEndpoint, home: ConnectionHome, user: UpstreamUser, nowMs: number, transport: Transport) {
    this.endpoint = endpoint;
    this.transport = transport;
    this.#home = home;
    this.#user = user;
    this.openedAtMs = nowMs;
    this.#lease = new ReadLease(home.buffers);
    this.writer = new SocketWriter(home.buffers, home.turn);
    this.#socket = openSocket(endpoint, transport, this);
    this.writer.open(this.#socket, this);
    this.#socket.once(transport.isTls ? 'secureConnect' : 'connect', () => this.#onConnect());
  }

  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  begin(
    user: UpstreamUser,
    text: string,
    isHeadRequest: boolean,
    isChunkedRequest: boolean,
    isComplete: boolean,
    maxHeadBytes: number,
  ): void {
    if (this.#limits.bytes !== maxHeadBytes) this.#limits = this.#home.responseLimits.of(maxHeadBytes);
    this.#user = user;
    this.#state = 'awaitingHead';
    this.#isHeadRequest = isHeadRequest;
    this.#isChunkedRequest = isChunkedRequest;
    this.#isRequestDone = isComplete;
    this.#hasResponseBytes = false;
    this.#informational = 0;
    this.#parser.reset();
    this.requests++;
    this.writer.addText(text);
    // Only on a retry: a chunked body that turned out empty has ended before this connection was chosen.
    if (isComplete && isChunkedRequest) this.endBody('');
  }

  writeBody(buf: Buffer, start: number, end: number): boolean {
    if (this.#isChunkedRequest) this.writer.addChunk(buf, start, end);
    else this.writer.addBytes(buf, start, end);
    return !this.writer.isBlocked;
  }

  endBody(trailers: string): void {
    this.#isRequestDone = true;
    if (this.#isChunkedRequest) this.writer.addText(trailers === '' ? '0\r\n\r\n' : `0\r\n${trailers}\r\n`);
  }

  writeTunnel(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    this.writer.addCopiedBytes(buf, start, end, isOwned);
    this.writer.flushSoon();
    return !this.writer.isBlocked;
  }

  endTunnel(): void {
    this.writer.flush();
    this.#socket.end();
  }

  flush(): void {
    this.writer.flushSoon();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  abandon(): void {
    this.#user = null;
    // The last words of a client that is gone.
    if (this.#state === 'tunnel') this.writer.flush();
    this.#close();
  }

  onDeadline(): void {
    if (this.#state === 'idle') this.#close();
  }

  nextBuffer(): Buffer {
    const isLong = (this.#remaining < 0 ? this.#received : this.#remaining) > LONG_TRANSFER_BYTES;
    return this.#lease.nextBuffer(this.#isBulk, isLong);
  }

  onRead(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    this.#lease.beginRead();
    const mayGoOn = this.#consume(buf, start, end, isOwned || this.#lease.owns(buf));
    this.#user?.onUpstreamReadDone();
    if (!mayGoOn && this.#state !== 'closed' && this.#state !== 'idle') {
      this.#isPaused = true;
      return false;
    }
    return true;
  }

  onDrain(): void {
    this.#user?.onUpstreamDrain();
  }

  onEnd(): void {
    const user = this.#user;
    if (this.#state === 'tunnel') {
      user?.onTunnelEnd();
      return;
    }
    if (this.#state === 'body' && this.#remaining === UNTIL_CLOSE) {
      this.#finish('', false);
      user?.onUpstreamReadDone();
      return;
    }
    this.#fail('upstream closed the connection');
  }

  onError(error: NodeJS.ErrnoException): void {
    this.#lastError = error.code ?? error.message;
  }

  onClose(): void {
    if (this.#state !== 'closed') this.#fail(this.#lastError === '' ? 'connection closed' : this.#lastError);
  }

  #onConnect(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'idle';
    this.#user?.onConnected();
  }

  /** Handles the bytes of one read; false when the client cannot take more. */
  #consume(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    switch (this.#state) {
      case 'awaitingHead':
        return this.#readHead(buf, start, end, isOwned);
      case 'body':
        return this.#readBody(buf, start, end, isOwned);
      case 'tunnel':
        return this.#user?.onTunnelData(buf, start, end, isOwned) ?? false;
      default:
        this.#fail('unexpected bytes from the upstream');
        return false;
    }
  }

  #readHead(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    this.#hasResponseBytes = true;
    if (this.#stash.isEmpty) return this.#parseHead(buf, start, end, isOwned);
    this.#stash.add(buf, start, end);
    return this.#parseHead(this.#stash.bytes, 0, this.#stash.length, false);
  }

  #parseHead(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    const next = this.#parser.parse(buf, start, end, this.#limits.limits);
    if (next === NEED_MORE) {
      if (this.#stash.isEmpty) this.#stash.add(buf, start, end);
      return true;
    }
    if (next === FAILED) {
      this.#fail(this.#parser.fault, 'upstreamFault');
      return false;
    }
    this.#stash.clear();
    const { head } = this.#parser;
    if (head.status < 200) return this.#informationalHead(head, buf, next, end, isOwned);
    return this.#finalHead(head, buf, next, end, isOwned);
  }

  #informationalHead(head: ResponseHead, buf: Buffer, next: number, end: number, isOwned: boolean): boolean {
    if (head.status === 101) return this.#switchProtocols(head, buf, next, end, isOwned);
    if (++this.#informational > MAX_INFORMATIONAL) {
      this.#fail('too many 1xx responses', 'upstreamFault');
      return false;
    }
    this.#user?.onInformational(head);
    this.#parser.reset();
    return next < end ? this.#parseHead(buf, next, end, isOwned) : true;
  }

  #switchProtocols(head: ResponseHead, buf: Buffer, next: number, end: number, isOwned: boolean): boolean {
    this.#state = 'tunnel';
    const user = this.#user;
    user?.onResponseHead(head, false);
    // The user refuses a 101 it did not ask for by abandoning the connection.
    if (this.#state !== 'tunnel') return false;
    return next < end ? (user?.onTunnelData(buf, next, end, isOwned) ?? false) : true;
  }

  #finalHead(head: ResponseHead, buf: Buffer, next: number, end: number, isOwned: boolean): boolean {
    const hasBody = !this.#isHeadRequest && head.status !== 204 && head.status !== 304 && head.contentLength !== 0;
    this.#state = 'body';
    this.#remaining = head.contentLength;
    this.#received = 0;
    if (hasBody && head.contentLength === CHUNKED) {
      this.#decoder ??= new ChunkedDecoder();
      this.#decoder.reset();
    }
    this.#user?.onResponseHead(head, hasBody);
    if (this.#user === null) return false;
    if (!hasBody) {
      this.#finish('', next === end && !hasForbiddenBody(head));
      return true;
    }
    return next < end ? this.#readBody(buf, next, end, isOwned) : true;
  }

  #readBody(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    if (this.#remaining === CHUNKED) return this.#readChunks(buf, start, end, isOwned);
    const take = this.#remaining === UNTIL_CLOSE ? end - start : Math.min(this.#remaining, end - start);
    const mayGoOn = this.#deliver(buf, start, start + take, isOwned);
    if (this.#state !== 'body') return false;
    if (this.#remaining !== UNTIL_CLOSE) {
      this.#remaining -= take;
      if (this.#remaining === 0) {
        this.#finish('', start + take === end);
        return true;
      }
    }
    this.#isBulk = true;
    return mayGoOn;
  }

  #readChunks(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    const decoder = this.#decoder as ChunkedDecoder;
    let mayGoOn = true;
    let at = start;
    for (;;) {
      const event = decoder.next(buf, at, end, TRAILER_LIMITS);
      at = decoder.position;
      switch (event) {
        case 'data':
          mayGoOn = this.#deliver(buf, decoder.dataStart, decoder.dataEnd, isOwned) && mayGoOn;
          if (this.#state !== 'body') return false;
          break;
        case 'more':
          this.#isBulk = true;
          return mayGoOn;
        case 'end':
          this.#finish(decoder.trailers, at === end);
          return true;
        case 'fault':
          this.#fail('bad chunked body', 'upstreamTruncated');
          return false;
      }
    }
  }

  /** Hands payload on. What the receiver would keep beyond this call must not lie in the shared buffer. */
  #deliver(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    const user = this.#user;
    if (user === null) return false;
    const length = end - start;
    this.#received += length;
    const lease = this.#lease;
    let mayGoOn: boolean;
    if (isOwned || length <= SMALL_BODY_BYTES) mayGoOn = user.onResponseBody(buf, start, end);
    else {
      const bytes = lease.place(buf, start, end);
      mayGoOn = user.onResponseBody(bytes, lease.start, lease.start + length);
    }
    lease.isPending = !mayGoOn;
    return mayGoOn;
  }

  /** The response is complete. `isClean`: no byte was left behind it. */
  #finish(trailers: string, isClean: boolean): void {
    const user = this.#user;
    const { head } = this.#parser;
    const isPersistent = head.minorVersion === 1 ? !head.connection.close : head.connection.keepAlive;
    const isReusable = isClean && isPersistent && this.#isRequestDone && this.#state === 'body';
    this.#user = null;
    this.#isBulk = false;
    this.#state = 'idle';
    if (isReusable && !this.writer.isBlocked && this.#home.keep(this)) this.resume();
    else this.#close();
    user?.onResponseEnd(trailers);
  }

  #fail(detail: string, code: ProxyErrorCode = this.#failureCode()): void {
    const user = this.#user;
    this.#user = null;
    this.#close();
    user?.onUpstreamFailed(code, detail);
  }

  #failureCode(): ProxyErrorCode {
    if (this.#state === 'connecting') return 'connectFailed';
    if (this.#state === 'body') return 'upstreamTruncated';
    if (this.requests > 1 && !this.#hasResponseBytes) return 'staleConnection';
    return this.#hasResponseBytes ? 'upstreamTruncated' : 'upstreamClosed';
  }

  #close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#stash.clear();
    this.#lease.drop();
    this.#home.forget(this);
    this.#socket.destroy();
  }
}

/** A 204 that declares a body (RFC 9110 §8.6, RFC 9112 §6.1): whether one follows is anybody's guess. */
function hasForbiddenBody(head: ResponseHead): boolean {
  return head.status === 204 && head.contentLength !== 0 && head.contentLength !== UNTIL_CLOSE;
}
