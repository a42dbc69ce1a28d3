// Gets the request of one exchange to an endpoint that answers it: a place among the requests of the upstream, endpoints
// one after the other, connections, head and body, time limits.
//
//   idle -> (queued) -> connecting -> sending -> answered -> idle
//                        ^  |           |
//                        |--|-----------|  (another attempt, while nothing of a response was seen)
// Which endpoints are asked is up to Attempts. A hedge (HedgedAttempt) may run beside the attempt at hand, and take its
// place. What streams say goes to the exchange, which asks here what follows from it.

import type { Waiter } from '../endpoints/pending-queue.ts';
import type { ResponseHead } from '../http/response-head.ts';
import type { IndexedRoute } from '../match/index.ts';
import type { HedgeSettings } from '../table/route-settings.ts';
import type { RoutePolicy, UpstreamTarget } from '../table/types.ts';
import { isGrpc } from '../table/upstream-protocol.ts';
import { AttemptDeadline } from './attempt-deadline.ts';
import { Attempts } from './attempts.ts';
import type { ClientStream } from './client-stream.ts';
import type { ProxyContext } from './context.ts';
import { isStale, PROXY_ERRORS, type ProxyErrorCode } from './errors.ts';
import type { ExchangeParts } from './exchange-parts.ts';
import { isUnavailable } from './grpc-call.ts';
import { HedgedAttempt, type HedgedRequest } from './hedged-attempt.ts';
import type { OutgoingRequest } from './outgoing-request.ts';
import { mayRepeat } from './retry.ts';
import type { Timed } from './timer-wheel.ts';
import type { LiveEndpoint } from './upstream-connection.ts';
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts';
import type { Transport } from './upstream-transport.ts';

/**
 * A connection that is not open by then has lost a packet at least once: the first one is sent again after a second (RFC 6298
 * §2.1). Within a cluster it takes a few milliseconds.
 */
const UNREACHED_MS = 1000;

export type UpstreamPhase = 'idle' | 'queued' | 'connecting' | 'sending' | 'answered';

/** Whose request it is. Implemented by Exchange. */
export interface UpstreamRequestUser extends UpstreamUser {
  /** No endpoint has answered, and no further one is asked. */
  onNoResponse(code: ProxyErrorCode): void;
  /** The endpoint that answered sends nothing of its response any more. */
  onResponseLate(): void;
}

export class UpstreamRequest implements HedgedRequest, Timed, Waiter {
  readonly #context: ProxyContext;
  readonly #client: ClientStream;
  readonly #parts: ExchangeParts;
  readonly #request: OutgoingRequest;
  readonly #user: UpstreamRequestUser;
  readonly #attempts: Attempts;
  readonly #deadline: AttemptDeadline;
  /** Made by the first request on a route with `hedge-after`. */
  #hedge: HedgedAttempt | null = null;
  #phase: UpstreamPhase = 'idle';
  #route: IndexedRoute | null = null;
  #stream: UpstreamStream | null = null;
  /** By the wheel, which does not count a standstill of ours. */
  #connectingSinceMs = 0;

  constructor(context: ProxyContext, parts: ExchangeParts, user: UpstreamRequestUser) {
    this.#context = context;
    this.#client = parts.client;
    this.#parts = parts;
    this.#request = parts.request;
    this.#user = user;
    this.#attempts = new Attempts(context, parts.record, parts.facts);
    this.#deadline = new AttemptDeadline(context.wheel, this);
  }

  get phase(): UpstreamPhase {
    return this.#phase;
  }

  /** The stream in use; null when there is none. */
  get stream(): UpstreamStream | null {
    return this.#stream;
  }

  /** `Set-Cookie` line for the response, '' for none. */
  get cookieLine(): string {
    return this.#attempts.cookieLine;
  }

  /** For Retry-After: whole seconds. */
  get retryAfterSeconds(): number {
    return this.#attempts.retryAfterSeconds;
  }

  // ---- from the exchange

  /** A request has begun, which may come to be forwarded. */
  open(startedAtMs: number): void {
    this.#attempts.begin(startedAtMs);
    this.#deadline.endTry();
  }

  begin(route: IndexedRoute, target: UpstreamTarget): void {
    this.#route = route;
    if (this.#attempts.choose(route, target)) return this.#enter();
    this.#firstAttempt();
  }

  /** A part of the request body. False: wait for `onUpstreamDrain`. */
  sendBody(stream: UpstreamStream, buf: Buffer, start: number, end: number): boolean {
    const { sendTimeoutMs } = this.#policy();
    const mayGoOn = stream.writeBody(buf, start, end);
    // Only a blocked write waits for the upstream; an idle one waits for the client, whose own deadline runs.
    if (mayGoOn) this.#deadline.clear();
    else this.#deadline.arm(sendTimeoutMs);
    return mayGoOn;
  }

  /** The request is complete. `isClientSlow`: its response waits for the client, not for the upstream. */
  endBody(stream: UpstreamStream, trailers: string, isClientSlow: boolean): void {
    this.#hedge?.requestEnded();
    // What was read ahead goes out when the connection is open, with its end.
    if (this.#phase === 'connecting') return;
    stream.endBody(trailers);
    if (!isClientSlow) this.waitForResponse();
  }

  /** The upstream has to send something, unless the request has ended meanwhile. */
  waitForResponse(): void {
    if (this.#route !== null) this.#deadline.arm(this.#route.policy.readTimeoutMs);
  }

  /** Nothing of the upstream's is waited for, but for the client. */
  waitForClient(): void {
    this.#deadline.clear();
  }

  connected(): void {
    this.#attempts.connected();
    this.#send();
    this.#stream?.flush();
  }

  /** A response head has come. True: it is the response; else the request is under way to another endpoint. */
  answered(head: ResponseHead): boolean {
    const { status } = head;
    this.#attempts.answered(status, isGrpc(this.#policy().protocol) && isUnavailable(head));
    if (this.#hedge?.firstAnswered(status) === false) return false;
    if (status >= 400 && this.#attemptAfter(status)) return false;
    this.#phase = 'answered';
    this.#deadline.endTry();
    return true;
  }

  /** The stream of the attempt at hand has failed, and is gone, before a response head came. */
  lost(code: ProxyErrorCode, detail: string): void {
    this.#stream = null;
    // One that was asked on a connection it had closed is asked again: it keeps its place meanwhile.
    if (!isStale(code)) this.#attempts.release();
    this.#failed(code, detail);
  }

  /** The attempt at hand has failed without a response head: another one follows, or `onNoResponse`. */
  #failed(code: ProxyErrorCode, detail: string): void {
    this.#attempts.failed(code);
    this.#parts.record.detail = detail;
    if (this.#hedge?.firstFailed() === true) return;
    if (!this.#attempts.mayGoOn(code, this.#request.canSendAgain)) return this.#user.onNoResponse(code);
    const endpoint = isStale(code) ? this.#attempts.again() : this.#attempts.nextOrLeftOut();
    // Whatever is left of the attempt is given back by who answers.
    if (endpoint === null) return this.#user.onNoResponse(code);
    this.#attemptAt(endpoint, !isStale(code));
  }

  /**
   * The endpoint broke its response off. One that only falls silent amid its responses may do so on purpose (events, long
   * polls): a dozen of those that end together must not leave it out.
   */
  broken(code: ProxyErrorCode): void {
    if (PROXY_ERRORS[code].condition !== 'timeout') this.#attempts.blame(code);
    this.drop();
  }

  /** The stream is over, and no longer ours. */
  complete(): void {
    this.#stream = null;
    this.#attempts.release();
  }

  /**
   * The request is not waited for any more, as when its client has gone. That says nothing of an endpoint that may be at
   * work on it, but one that has not even taken the connection by now is not reached: clients with less patience than
   * `proxy-connect-timeout` would otherwise be sent to a dead node for ever.
   */
  giveUp(): void {
    const isConnecting = this.#phase === 'connecting' && this.#stream !== null;
    if (isConnecting && this.#context.wheel.nowMs - this.#connectingSinceMs >= UNREACHED_MS)
      this.#attempts.blame('connectTimeout', UNREACHED_MS);
    this.drop();
  }

  /** Drops the attempt at hand. */
  drop(): void {
    this.#stream?.abandon();
    this.complete();
  }

  /** Since the attempt at hand began; -1 when there was none. */
  elapsedMs(nowMs: number): number {
    return this.#attempts.elapsedMs(nowMs);
  }

  /** The request is over: gives its places back. An idle client connection must not keep an old table alive. */
  end(): void {
    this.#deadline.clear();
    this.#phase = 'idle';
    this.#hedge?.end();
    this.#route = null;
    this.#stream = null;
    this.#attempts.clear();
  }

  /** For a client stream that goes away: nothing of it stays linked anywhere. */
  close(): void {
    this.#deadline.close();
    this.#hedge?.close();
  }

  // ---- Waiter

  onAdmitted(): void {
    this.#attempts.waited(true);
    this.#firstAttempt();
    this.#stream?.flush();
  }

  onTimedOut(): void {
    this.#attempts.waited(false);
    this.#user.onNoResponse('pendingTimeout');
  }

  // ---- Timed

  onDeadline(): void {
    switch (this.#phase) {
      case 'connecting':
        return this.#late('connectTimeout', 'connect timed out');
      case 'sending':
        return this.#late(this.#lateCode(), 'timed out');
      case 'answered':
        return this.#user.onResponseLate();
      default:
        return;
    }
  }

  #late(code: ProxyErrorCode, detail: string): void {
    this.drop();
    this.#failed(code, detail);
  }

  #lateCode(): ProxyErrorCode {
    if (this.#deadline.isTryOver) return 'perTryTimeout';
    return this.#request.isBodyDone ? 'upstreamTimeout' : 'sendTimeout';
  }

  // ---- HedgedRequest

  takeOver(stream: UpstreamStream, isConnecting: boolean): void {
    const { connectTimeoutMs, readTimeoutMs } = this.#policy();
    this.drop();
    this.#stream = stream;
    this.#phase = isConnecting ? 'connecting' : 'sending';
    this.#connectingSinceMs = this.#context.wheel.nowMs;
    this.#beginTry();
    this.#deadline.arm(isConnecting ? connectTimeoutMs : readTimeoutMs);
  }

  // ---- attempts

  /** The upstream limits its requests: this one asks for a place, and may have to wait for it. */
  #enter(): void {
    const entrance = this.#attempts.enter(this);
    if (entrance === 'full') return this.#user.onNoResponse(this.#attempts.fullReason);
    if (entrance === 'waiting') this.#phase = 'queued';
    else this.#firstAttempt();
  }

  #firstAttempt(): void {
    const endpoint = this.#attempts.first();
    if (endpoint === null) return this.#withoutEndpoint();
    this.#beginTry();
    this.#request.sendCopy();
    const { hedge } = this.#policy();
    // Before the attempt, within which the end of the body may come.
    if (hedge !== null) this.#beginHedge(hedge);
    this.#sendTo(endpoint);
  }

  /** On an open connection, or a new one. */
  #sendTo(endpoint: LiveEndpoint): void {
    const pooled = this.#context.pool.take(endpoint, this.#transport());
    if (pooled === null) return this.#connect(endpoint);
    this.#stream = pooled;
    this.#send();
  }

  #withoutEndpoint(): void {
    if (this.#attempts.waitOn(this)) this.#phase = 'queued';
    else this.#user.onNoResponse(this.#attempts.emptyReason);
  }

  #beginHedge(settings: HedgeSettings): void {
    this.#hedge ??= new HedgedAttempt(this.#context, this.#parts, this.#attempts, this.#user, this);
    this.#hedge.begin(this.#route as IndexedRoute, settings, this.#transport());
  }

  #connect(endpoint: LiveEndpoint): void {
    this.#phase = 'connecting';
    this.#connectingSinceMs = this.#context.wheel.nowMs;
    this.#deadline.arm(this.#policy().connectTimeoutMs);
    this.#stream = this.#context.pool.connect(endpoint, this.#user, this.#transport());
  }

  /** The connection is open: the head goes out, and the body may follow. */
  #send(): void {
    const stream = this.#stream as UpstreamStream;
    this.#phase = 'sending';
    const mayGoOn = this.#request.sendOn(stream, this.#user);
    if (this.#request.isBodyDone) {
      this.waitForResponse();
      stream.flush();
    } else if (mayGoOn) {
      this.#deadline.clear();
      this.#client.takeBody();
    } else {
      this.#deadline.arm(this.#policy().sendTimeoutMs);
    }
  }

  /** Sends the request elsewhere when the route does not want an answer with this status. False: it stands. */
  #attemptAfter(status: number): boolean {
    if (!this.#attempts.mayGoOnAfter(status, this.#request.canSendAgain)) return false;
    const endpoint = this.#attempts.next();
    if (endpoint === null) return false;
    this.drop();
    this.#parts.record.detail = `answered ${status}`;
    this.#attemptAt(endpoint, true);
    return true;
  }

  /**
   * A further attempt. `mayShare`: on an open connection if there is one, since one for each would use up ports (and
   * handshakes) when half of all requests are sent twice. Not what could not be sent a third time if that connection turned
   * out closed; over HTTP/2 the endpoint says what it has not processed.
   */
  #attemptAt(endpoint: LiveEndpoint, mayShare: boolean): void {
    this.#attempts.use(endpoint);
    this.#beginTry();
    const isSafe = this.#transport().isHttp2 || mayRepeat(this.#client.head.method, this.#policy());
    if (!mayShare || !isSafe) return this.#connect(endpoint);
    this.#sendTo(endpoint);
    // It is no read of the client's that ends here, and the rest of its body may come late.
    this.#stream?.flush();
  }

  #beginTry(): void {
    this.#deadline.beginTry(this.#policy().perTryTimeoutMs);
  }

  #transport(): Transport {
    return this.#context.pool.transports.of(this.#policy(), this.#client.isTls);
  }

  #policy(): RoutePolicy {
    return (this.#route as IndexedRoute).policy;
  }
}
