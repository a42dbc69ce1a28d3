// One request on its way: route, filters, endpoint, attempts, response. The forwarding core; codecs sit on both sides.
//
//   idle -> (queued) -> connecting -> sending -> responding -> idle
//                        ^  |           |           |-> tunnel -> idle
//                        |--|-----------|  (another attempt, while nothing of a response was seen)
// An exchange belongs to one client stream for its whole life and is reused. The client side calls `begin`, `onBody`,
// `onBodyEnd`, `onClientDrain`, `onClientGone`; the upstream side calls the UpstreamUser methods. It ends by telling the
// client side `finished`, exactly once per `begin`.

import type { Waiter } from '../endpoints/pending-queue.ts';
import { type Answer, answerOf } from '../http/answer.ts';
import { DEADLINE_TRAILERS, grpcAnswerOf, isGrpcRequest } from '../http/grpc.ts';
import type { RequestHead } from '../http/request-head.ts';
import type { ResponseHead } from '../http/response-head.ts';
import type { IndexedRoute } from '../match/index.ts';
import { matchHost, matchRoute } from '../match/match-route.ts';
import { RequestRecord } from '../observe/observer.ts';
import type { BandwidthLimit, HedgeSettings, MirrorSettings } from '../table/route-settings.ts';
import { Attempts } from './attempts.ts';
import type { ClientStream } from './client-stream.ts';
import type { CurrentTable, ProxyContext } from './context.ts';
import { isStale, PROXY_ERRORS, type ProxyErrorCode } from './errors.ts';
import { forwardingParts, requestId, upgradeToken } from './forwarding.ts';
import { type CallOwner, GrpcCall } from './grpc-call.ts';
import { HedgedAttempt, type HedgedRequest } from './hedged-attempt.ts';
import { KeptBody } from './kept-body.ts';
import type { MirrorCopy } from './mirror.ts';
import { PacedResponse, type PacedUser } from './paced-response.ts';
import { RequestFacts } from './request-facts.ts';
import { RequestRenderer } from './request-text.ts';
import { mayRepeat } from './retry.ts';
import { type FilterUser, RouteFilters } from './route-filters.ts';
import { Deadline, type Timed } from './timer-wheel.ts';
import type { LiveEndpoint } from './upstream-connection.ts';
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts';
import type { Transport } from './upstream-transport.ts';

/** What a client can do to end its own request. */
export type ClientFailure = 'clientGone' | 'clientStalled' | 'badBody' | 'bodyTimeout' | 'bodyTooSlow';

export type Phase = 'idle' | 'queued' | 'connecting' | 'sending' | 'responding' | 'tunnel';

export class Exchange implements HedgedRequest, FilterUser, PacedUser, Timed, Waiter, CallOwner {
  readonly record = new RequestRecord();
  readonly #context: ProxyContext;
  readonly #client: ClientStream;
  readonly #attempts: Attempts;
  readonly #renderer = new RequestRenderer();
  readonly #facts: RequestFacts;
  readonly #filters: RouteFilters;
  readonly #deadline = new Deadline(this);
  /** Made by the first call on a gRPC route. */
  #call: GrpcCall | null = null;
  /** Made by the first request on a route with `hedge-after`. */
  #hedge: HedgedAttempt | null = null;
  /** Made by the first response with a `limit-rate`. */
  #pace: PacedResponse | null = null;
  #isPaced = false;
  /** The copy that gathers this request's body. */
  #copy: MirrorCopy | null = null;
  #phase: Phase = 'idle';
  #route: IndexedRoute | null = null;
  #connection: UpstreamStream | null = null;
  #startedAtMs = 0;
  #requestText = '';
  #bodyBytes = 0;
  #isBodyDone = false;
  #bodyTrailers = '';
  readonly #keptBody = new KeptBody();
  /** When the attempt at hand has taken too long; infinite without `per-try-timeout`. */
  #tryEndsAtMs = Number.POSITIVE_INFINITY;
  /** Response bytes wait for the client; the upstream is not read meanwhile. */
  #isClientSlow = false;
  #isTunnelEnded = false;
  /** When an upgraded connection has lived long enough. */
  #tunnelEndsAtMs = Number.POSITIVE_INFINITY;
  #status = 0;
  #reason = '';

  constructor(context: ProxyContext, client: ClientStream) {
    this.#context = context;
    this.#client = client;
    this.#facts = new RequestFacts(client);
    this.#attempts = new Attempts(context, this.record, this.#facts);
    this.#filters = new RouteFilters(context, client, this.#facts, this);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The client side may hand body bytes over. */
  get canTakeBody(): boolean {
    return this.#phase === 'sending' || this.#phase === 'responding';
  }

  /** Starts with the client's parsed head. The answer may come within this call. */
  begin(): void {
    const { head } = this.#client;
    // All that comes from the table is taken from this one; a request never sees two.
    const { current } = this.#context;
    this.#reset();
    this.record.revision = current.revision;
    const host = matchHost(current.index, head.host);
    const route = matchRoute(host, head.path);
    this.record.virtualHost = host.name;
    this.#route = route;
    this.#facts.bind(current);
    if (route === null) return this.#answer(answerOf(404, 'noRoute'));
    const { filters } = route;
    const filtered = filters.length === 0 ? null : this.#filters.begin(filters, current);
    if (filtered === 'waiting') return;
    if (filtered !== null) return this.#answer(filtered);
    this.#afterFilters(route, current);
  }

  onFiltered(answer: Answer | null, current: CurrentTable): void {
    if (answer !== null || this.#route === null) return this.#answer(answer ?? answerOf(404, 'noRoute'));
    this.#afterFilters(this.#route, current);
    this.flushUpstream();
  }

  #afterFilters(route: IndexedRoute, current: CurrentTable): void {
    const { head } = this.#client;
    const { target } = route;
    if (target.kind === 'answer') return this.#answer(answerOf(target.status, target.reason));
    const { maxBodyBytes } = route.policy;
    if (maxBodyBytes !== null && head.contentLength > maxBodyBytes) return this.#failRequest('bodyTooLarge');
    this.#isBodyDone = !head.hasBody;
    this.#requestText = this.#renderRequest(head, current);
    if (route.route.mirror !== null) this.#mirror(route.route.mirror);
    if (head.hasBody) this.#keepBody(head, route);
    if (route.policy.protocol === 'grpc' || route.policy.protocol === 'grpcs') this.#beginCall(head);
    if (this.#attempts.choose(route, target)) return this.#enter();
    this.#firstAttempt();
  }

  /** A part of the decoded request body. False: wait for `takeBody`. */
  onBody(buf: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    const route = this.#route;
    if (connection === null || route === null) return true;
    this.#bodyBytes += end - start;
    this.record.requestBytes += end - start;
    const { maxBodyBytes, sendTimeoutMs } = route.policy;
    if (maxBodyBytes !== null && this.#bodyBytes > maxBodyBytes) {
      this.#failRequest('bodyTooLarge');
      return true;
    }
    this.#keptBody.add(buf, start, end);
    this.#copy?.add(buf, start, end);
    const mayGoOn = connection.writeBody(buf, start, end);
    // Only a blocked write waits for the upstream; an idle one waits for the client, whose own deadline runs.
    if (mayGoOn) this.#context.wheel.clear(this.#deadline);
    else this.#armTry(sendTimeoutMs);
    return mayGoOn;
  }

  /** `trailers`: lines behind the body that may be forwarded, each with CRLF; '' for none. */
  onBodyEnd(trailers: string): void {
    this.#isBodyDone = true;
    this.#bodyTrailers = trailers;
    this.#copy?.end();
    if (this.#connection === null || this.#route === null) return;
    this.#connection.endBody(trailers);
    this.#hedge?.requestEnded();
    // A response that waits for a slow client goes on without a deadline of the upstream's.
    if (!this.#isClientSlow) this.#armReadDeadline();
  }

  /** Sends what one client read has gathered for the upstream. */
  flushUpstream(): void {
    this.#connection?.flush();
  }

  onClientDrain(): void {
    this.#isClientSlow = false;
    if (this.#phase !== 'responding' && this.#phase !== 'tunnel') return;
    if (this.#isPaced) return this.#pace?.onClientDrain();
    this.#connection?.resume();
    this.#armReadDeadline();
  }

  /** Bytes from the client of an upgraded connection. False: wait for `takeBody`. */
  onTunnelBytes(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    const connection = this.#connection;
    if (connection === null) return true;
    this.record.requestBytes += end - start;
    this.#armReadDeadline();
    return connection.writeTunnel(buf, start, end, isOwned);
  }

  onTunnelClientEnd(): void {
    this.#connection?.endTunnel();
  }

  /** The client is gone, takes nothing, or its body is broken or late. */
  onClientFailed(code: ClientFailure): void {
    if (this.#phase === 'idle') return;
    if (this.#phase === 'tunnel') {
      if (code !== 'clientGone') this.#reason = code;
      this.#dropConnection();
      return this.#finish();
    }
    this.#failRequest(code);
  }

  onDeadline(): void {
    switch (this.#phase) {
      case 'connecting':
        return this.#attemptFailed('connectTimeout', 'connect timed out');
      case 'sending':
        return this.#attemptFailed(this.#lateCode(), 'timed out');
      case 'responding':
        this.#attempts.blame('upstreamTimeout');
        this.#dropConnection();
        return this.#abort('upstreamTimeout');
      case 'tunnel':
        this.#reason = this.#context.wheel.nowMs >= this.#tunnelEndsAtMs ? 'tunnelTooOld' : 'tunnelIdle';
        this.#dropConnection();
        this.#client.abortResponse();
        return this.#finish();
      default:
        return;
    }
  }

  // ---- UpstreamUser

  onConnected(): void {
    this.#attempts.connected();
    this.#send();
    this.flushUpstream();
  }

  onUpstreamFailed(code: ProxyErrorCode, detail: string): void {
    this.#connection = null;
    if (this.#phase === 'tunnel') {
      this.#attempts.release();
      // After an orderly end of the upstream's side this is only the other half of it.
      if (!this.#isTunnelEnded) this.#client.abortResponse();
      return this.#finish();
    }
    if (this.#phase === 'responding') {
      this.#attempts.blame(code);
      this.#attempts.release();
      return this.#abort(code);
    }
    this.#attemptFailed(code, detail);
  }

  onInformational(head: ResponseHead): void {
    // The 100 is ours to send (Expect is not forwarded); others go to clients that can read them (RFC 9110 §15.2).
    if (head.status !== 100 && this.#client.head.minorVersion === 1) this.#client.sendInformational(head);
    if (this.#isBodyDone) this.#armReadDeadline();
  }

  onResponseHead(head: ResponseHead, hasBody: boolean): void {
    this.#status = head.status;
    this.#attempts.answered(head.status);
    if (this.#hedge?.firstAnswered(head.status) === false) return;
    if (head.status === 101) return this.#onSwitchingProtocols(head);
    if (head.status >= 400 && this.#attemptAfter(head.status)) return;
    this.#phase = 'responding';
    this.#tryEndsAtMs = Number.POSITIVE_INFINITY;
    this.#armReadDeadline();
    this.#client.sendHead(head, hasBody, this.#attempts.cookieLine);
    if (this.#route !== null && this.#route.policy.bandwidth !== null) this.#beginPace(this.#route.policy.bandwidth);
  }

  onResponseBody(buf: Buffer, start: number, end: number): boolean {
    const pace = this.#isPaced ? this.#pace : null;
    const mayGoOn = pace === null ? this.#client.sendBody(buf, start, end) : pace.write(buf, start, end);
    this.#isClientSlow = !mayGoOn;
    // While the client is slow the upstream is not to blame: its deadline stands still.
    if (mayGoOn) this.#armReadDeadline();
    else this.#context.wheel.clear(this.#deadline);
    return mayGoOn;
  }

  onResponseEnd(trailers: string): void {
    this.#connection = null;
    this.#attempts.release();
    if (this.#isPaced && this.#pace?.end(trailers) === false) return;
    this.#client.sendEnd(trailers);
    this.#finish();
  }

  onTunnelData(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    this.record.responseBodyBytes += end - start;
    this.#armReadDeadline();
    return this.#client.sendTunnelBytes(buf, start, end, isOwned);
  }

  onTunnelEnd(): void {
    this.#isTunnelEnded = true;
    this.#client.endTunnel();
  }

  onUpstreamDrain(): void {
    if (this.#phase === 'sending' || this.#phase === 'responding' || this.#phase === 'tunnel') {
      if (!this.#isBodyDone) this.#context.wheel.clear(this.#deadline);
      this.#client.takeBody();
    }
  }

  onUpstreamReadDone(): void {
    this.#client.flush();
  }

  // ---- HedgedRequest

  get isWhole(): boolean {
    return this.#isBodyDone && this.#keptBody.isWhole;
  }

  sendWhole(stream: UpstreamStream, user: UpstreamUser): void {
    this.#sendOn(stream, user);
    stream.flush();
  }

  takeOver(stream: UpstreamStream, isConnecting: boolean): void {
    const { connectTimeoutMs, readTimeoutMs } = (this.#route as IndexedRoute).policy;
    this.#dropConnection();
    this.#connection = stream;
    this.#phase = isConnecting ? 'connecting' : 'sending';
    this.#beginTry();
    this.#armTry(isConnecting ? connectTimeoutMs : readTimeoutMs);
  }

  // ---- Waiter

  onAdmitted(): void {
    this.#attempts.waited(true);
    this.#firstAttempt();
    this.flushUpstream();
  }

  onTimedOut(): void {
    this.#attempts.waited(false);
    this.#failRequest('pendingTimeout');
  }

  // ---- PacedUser

  sendPaced(buf: Buffer, start: number, end: number): boolean {
    return this.#client.sendBody(buf, start, end);
  }

  flushPaced(): void {
    this.#client.flush();
  }

  onPaceReady(): void {
    this.#isClientSlow = false;
    this.#connection?.resume();
    this.#armReadDeadline();
  }

  onPaceEnd(trailers: string): void {
    this.#client.sendEnd(trailers);
    this.#client.flush();
    this.#finish();
  }

  #beginPace(limit: BandwidthLimit): void {
    const { wheel, buffers } = this.#context;
    this.#pace ??= new PacedResponse(this, wheel, buffers);
    this.#pace.begin(limit);
    this.#isPaced = true;
  }

  #mirror(settings: MirrorSettings): void {
    const { head } = this.#client;
    this.#copy = this.#context.mirrors.begin(settings, this.#facts, this.#requestText, head.hasBody);
  }

  /** What a route with mirror or bandwidth limit leaves behind a request. */
  #endExtras(): void {
    this.#copy?.requestEnded();
    this.#copy = null;
    if (this.#isPaced) this.#pace?.clear();
    this.#isPaced = false;
  }

  // ---- attempts

  /** The upstream limits its requests: this one asks for a place, and may have to wait for it. */
  #enter(): void {
    const entrance = this.#attempts.enter(this);
    if (entrance === 'full') return this.#failRequest('overloaded');
    if (entrance === 'waiting') this.#phase = 'queued';
    else this.#firstAttempt();
  }

  #firstAttempt(): void {
    const endpoint = this.#attempts.first();
    if (endpoint === null) return this.#failRequest(this.#attempts.emptyReason);
    this.#beginTry();
    const route = this.#route as IndexedRoute;
    // Before the attempt, within which the end of the body may come.
    if (route.policy.hedge !== null) this.#beginHedge(route, route.policy.hedge);
    this.#attempt(endpoint);
  }

  #beginHedge(route: IndexedRoute, settings: HedgeSettings): void {
    this.#hedge ??= new HedgedAttempt(this.#context, this, this.#attempts);
    this.#hedge.begin(route, settings, this.#client.head, this.#transport());
  }

  #attempt(endpoint: LiveEndpoint): void {
    const pooled = this.#context.pool.take(endpoint, this.#transport());
    if (pooled === null) return this.#connect(endpoint);
    this.#connection = pooled;
    this.#send();
  }

  #connect(endpoint: LiveEndpoint): void {
    const route = this.#route as IndexedRoute;
    this.#phase = 'connecting';
    this.#armTry(route.policy.connectTimeoutMs);
    this.#connection = this.#context.pool.connect(endpoint, this, this.#transport());
  }

  #transport(): Transport {
    return this.#context.pool.transports.of((this.#route as IndexedRoute).policy, this.#client.isTls);
  }

  /** The connection is open: the head goes out, and the body may follow. */
  #send(): void {
    const connection = this.#connection as UpstreamStream;
    const route = this.#route as IndexedRoute;
    this.#phase = 'sending';
    const mayGoOn = this.#sendOn(connection, this);
    if (this.#isBodyDone) {
      this.#armTry(route.policy.readTimeoutMs);
      connection.flush();
    } else if (mayGoOn) {
      this.#context.wheel.clear(this.#deadline);
      this.#client.takeBody();
    } else {
      this.#armTry(route.policy.sendTimeoutMs);
    }
  }

  /** Sends the head, and the part of the body that is kept. False: wait for `onUpstreamDrain`. */
  #sendOn(stream: UpstreamStream, user: UpstreamUser): boolean {
    const { head } = this.#client;
    const hasMore = this.#keptBody.length > 0 || this.#bodyTrailers !== '';
    stream.begin(user, this.#requestText, head.method === 'HEAD', head.isChunked, this.#isBodyDone && !hasMore);
    return !hasMore || this.#sendAgain(stream);
  }

  /** Sends the part of the body that an earlier attempt has used up. False: wait for `onUpstreamDrain`. */
  #sendAgain(connection: UpstreamStream): boolean {
    const mayGoOn = this.#keptBody.sendTo(connection);
    if (this.#isBodyDone) connection.endBody(this.#bodyTrailers);
    return mayGoOn;
  }

  #attemptFailed(code: ProxyErrorCode, detail: string): void {
    this.#dropConnection();
    this.#attempts.failed(code);
    this.record.detail = detail;
    if (this.#hedge?.firstFailed() === true) return;
    if (!this.#attempts.mayGoOn(code, this.#keptBody.isWhole)) return this.#failRequest(code);
    const endpoint = isStale(code) ? this.#attempts.again() : this.#attempts.next();
    if (endpoint === null) return this.#failRequest(code);
    this.#attemptAt(endpoint);
  }

  /** Sends the request elsewhere when the route does not want an answer with this status. False: it stands. */
  #attemptAfter(status: number): boolean {
    if (!this.#attempts.mayGoOnAfter(status, this.#keptBody.isWhole)) return false;
    const endpoint = this.#attempts.next();
    if (endpoint === null) return false;
    this.#dropConnection();
    this.record.detail = `answered ${status}`;
    this.#attemptAt(endpoint);
    return true;
  }

  /** A further attempt, on a fresh connection: one that turns out closed would cost another. */
  #attemptAt(endpoint: LiveEndpoint): void {
    this.#attempts.use(endpoint);
    this.#beginTry();
    this.#connect(endpoint);
  }

  #beginTry(): void {
    const { perTryTimeoutMs } = (this.#route as IndexedRoute).policy;
    this.#tryEndsAtMs =
      perTryTimeoutMs === null ? Number.POSITIVE_INFINITY : this.#context.wheel.nowMs + perTryTimeoutMs;
  }

  /** Lets the attempt end after `delayMs`, or when its own time is up. */
  #armTry(delayMs: number): void {
    const { wheel } = this.#context;
    wheel.set(this.#deadline, Math.min(delayMs, Math.max(0, this.#tryEndsAtMs - wheel.nowMs)));
  }

  #lateCode(): ProxyErrorCode {
    if (this.#context.wheel.nowMs >= this.#tryEndsAtMs) return 'perTryTimeout';
    return this.#isBodyDone ? 'upstreamTimeout' : 'sendTimeout';
  }

  #renderRequest(head: RequestHead, current: CurrentTable): string {
    const parts = forwardingParts(head, this.#client, current, this.#facts.believed, this.#context.nextRequestId);
    this.record.requestId = parts.requestId;
    this.#facts.requestId = parts.requestId;
    return this.#renderer.render(head, parts);
  }

  /** Requests that no upstream has seen have an id in the log as well. */
  #idForLog(): string {
    const { current, nextRequestId } = this.#context;
    return current.global.accessLog ? requestId(this.#client.head, current, nextRequestId) : '';
  }

  #onSwitchingProtocols(head: ResponseHead): void {
    // Before the request has ended, its body and the tunnel's bytes could not be told apart (RFC 9110 §7.8).
    if (upgradeToken(this.#client.head) === '' || !this.#isBodyDone) {
      this.#dropConnection();
      return this.#failRequest('upstreamFault');
    }
    this.#phase = 'tunnel';
    const { wheel, current } = this.#context;
    this.#tunnelEndsAtMs = wheel.nowMs + (current.global.peerLimits.tunnelMaxDurationMs ?? Number.POSITIVE_INFINITY);
    this.#client.beginTunnel(head, this.#attempts.cookieLine);
    this.#armReadDeadline();
  }

  #armReadDeadline(): void {
    if (this.#route === null) return;
    const { wheel, current } = this.#context;
    const { readTimeoutMs } = this.#route.policy;
    if (this.#phase !== 'tunnel') return this.#armTry(readTimeoutMs);
    const idleMs = current.global.peerLimits.tunnelIdleTimeoutMs ?? readTimeoutMs;
    wheel.set(this.#deadline, Math.max(0, Math.min(idleMs, this.#tunnelEndsAtMs - wheel.nowMs)));
  }

  /** Answers instead of the upstream, unless a response is already under way. */
  #failRequest(code: ProxyErrorCode): void {
    this.#dropConnection();
    if (this.#phase === 'responding') return this.#abort(code);
    this.#reason = code;
    const { status } = PROXY_ERRORS[code];
    this.#status = status;
    if (status === 499) this.#client.abortResponse();
    else this.#sendAnswer(this.#answerTo(code, status));
    this.#finish();
  }

  /** An overloaded upstream says when to come again (RFC 9110 §10.2.3). */
  #answerTo(code: ProxyErrorCode, status: number): Answer {
    const isOverload = code === 'overloaded' || code === 'pendingTimeout' || code === 'endpointsFull';
    if (!isOverload) return answerOf(status, code);
    return { status, reason: code, headerLines: `Retry-After: ${this.#attempts.retryAfterSeconds}\r\n` };
  }

  #abort(code: ProxyErrorCode): void {
    this.#reason = code;
    this.#client.abortResponse();
    this.#finish();
  }

  #answer(answer: Answer): void {
    this.#status = answer.status;
    this.#reason = answer.reason;
    this.#sendAnswer(answer);
    this.#finish();
  }

  /** A gRPC client gets a failure in its own terms; logs and metrics keep the HTTP status that it stands for. */
  #sendAnswer(answer: Answer): void {
    const isCall = answer.status >= 400 && isGrpcRequest(this.#client.head);
    this.#client.sendAnswer(isCall ? grpcAnswerOf(answer) : answer);
  }

  /** An HTTP/2 upstream can say that it has not processed a request, which may then be sent again whatever it is. */
  #keepBody(head: RequestHead, { policy }: IndexedRoute): void {
    const isWorthIt = mayRepeat(head.method, policy) || this.#transport().isHttp2;
    this.#keptBody.begin(isWorthIt ? policy.bufferRequestBytes : 0);
  }

  #beginCall(head: RequestHead): void {
    this.#call ??= new GrpcCall(this, this.#context.wheel);
    this.#call.begin(head);
  }

  onCallTimeout(): void {
    if (this.#phase !== 'responding') return this.#failRequest('callTimeout');
    this.#reason = 'callTimeout';
    this.#dropConnection();
    this.#client.sendEnd(DEADLINE_TRAILERS);
    this.#client.flush();
    this.#finish();
  }

  #dropConnection(): void {
    this.#connection?.abandon();
    this.#connection = null;
    this.#attempts.release();
  }

  /** For a client stream that goes away: nothing of this exchange stays linked anywhere. Call it when nothing runs. */
  close(): void {
    this.#context.wheel.remove(this.#deadline);
    this.#call?.close();
    this.#hedge?.close();
  }

  #finish(): void {
    this.#context.wheel.clear(this.#deadline);
    this.#phase = 'idle';
    this.#filters.end();
    this.#call?.end();
    this.#hedge?.end();
    if (this.#copy !== null || this.#isPaced) this.#endExtras();
    const { record } = this;
    record.route = this.#route;
    record.remoteAddress = this.#facts.remoteAddr;
    if (record.requestId === '') record.requestId = this.#idForLog();
    record.status = this.#status;
    record.reason = this.#reason;
    const nowMs = this.#context.preciseNowMs();
    record.durationMs = nowMs - this.#startedAtMs;
    record.upstreamMs = this.#attempts.elapsedMs(nowMs);
    // An idle client connection must not keep an old table alive.
    this.#route = null;
    this.#keptBody.clear();
    this.#attempts.clear();
    this.#facts.clear();
    this.#requestText = '';
    this.#bodyTrailers = '';
    this.#client.finished();
  }

  #reset(): void {
    this.#phase = 'connecting';
    this.#connection = null;
    this.#startedAtMs = this.#context.preciseNowMs();
    this.#attempts.begin(this.#startedAtMs);
    this.#bodyBytes = 0;
    this.#isBodyDone = false;
    this.#keptBody.begin(0);
    this.#tryEndsAtMs = Number.POSITIVE_INFINITY;
    this.#isClientSlow = false;
    this.#isTunnelEnded = false;
    this.#status = 0;
    this.#reason = '';
    this.record.reset();
  }
}
