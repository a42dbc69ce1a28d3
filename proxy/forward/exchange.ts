// One request on its way: route, filters, endpoint, attempts, response. The forwarding core; codecs sit on both sides.
//
//   idle -> connecting -> sending -> responding -> idle
//             ^  |           |           |-> tunnel -> idle
//             |--|-----------|  (another attempt, while nothing of a response was seen)
// An exchange belongs to one client stream for its whole life and is reused. The client side calls `begin`, `onBody`,
// `onBodyEnd`, `onClientDrain`, `onClientGone`; the upstream side calls the UpstreamUser methods. It ends by telling the
// client side `finished`, exactly once per `begin`.

import { type Answer, answerOf } from '../http/answer.ts';
import type { RequestHead } from '../http/request-head.ts';
import type { ResponseHead } from '../http/response-head.ts';
import type { IndexedRoute } from '../match/index.ts';
import { matchHost, matchRoute } from '../match/match-route.ts';
import { RequestRecord } from '../observe/observer.ts';
import { applyRequestFilters } from './apply-filters.ts';
import type { CurrentTable, ProxyContext } from './context.ts';
import { PROXY_ERRORS, type ProxyErrorCode } from './errors.ts';
import { type ForwardingClient, forwardingParts, upgradeToken } from './forwarding.ts';
import { renderRequest } from './request-text.ts';
import { mayRetry } from './retry.ts';
import { Deadline, type Timed } from './timer-wheel.ts';
import type { LiveEndpoint, LiveUpstream, UpstreamConnection, UpstreamUser } from './upstream-connection.ts';

/** What the forwarding core asks of a client stream, whatever protocol it speaks. */
export interface ClientStream extends ForwardingClient {
  readonly head: RequestHead;
  /** The request body may be read now; asks for `100 Continue` to be sent where the client waits for it. */
  takeBody(): void;
  sendInformational(head: ResponseHead): void;
  sendHead(head: ResponseHead, hasBody: boolean): void;
  /** See `UpstreamUser.onResponseBody`. */
  sendBody(buf: Buffer, start: number, end: number): boolean;
  sendEnd(trailers: string): void;
  sendAnswer(answer: Answer): void;
  /** The response cannot be completed: the client must notice. */
  abortResponse(): void;
  /** From here on bytes go through `Exchange.onTunnelBytes`. */
  beginTunnel(head: ResponseHead): void;
  sendTunnelBytes(buf: Buffer, start: number, end: number, isOwned: boolean): boolean;
  endTunnel(): void;
  flush(): void;
  /** The exchange is over; the stream may start the next one. */
  finished(): void;
}

type Phase = 'idle' | 'connecting' | 'sending' | 'responding' | 'tunnel';

export class Exchange implements UpstreamUser, Timed {
  readonly record = new RequestRecord();
  readonly #context: ProxyContext;
  readonly #client: ClientStream;
  readonly #deadline = new Deadline(this);
  #phase: Phase = 'idle';
  #route: IndexedRoute | null = null;
  #upstream: LiveUpstream | null = null;
  #connection: UpstreamConnection | null = null;
  #endpoint: LiveEndpoint | null = null;
  #isReleased = true;
  #tried: LiveEndpoint[] | null = null;
  #attempts = 0;
  #startedAtMs = 0;
  #attemptStartedAtMs = 0;
  #requestText = '';
  #bodyBytes = 0;
  #isBodyDone = false;
  #hasSentBody = false;
  /** Response bytes wait for the client; the upstream is not read meanwhile. */
  #isClientSlow = false;
  #isTunnelEnded = false;
  #status = 0;
  #reason = '';

  constructor(context: ProxyContext, client: ClientStream) {
    this.#context = context;
    this.#client = client;
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
    if (route === null) return this.#answer(answerOf(404, 'noRoute'));
    const { filters } = route.route;
    const filtered = filters.length === 0 ? null : applyRequestFilters(filters, this.#client, current);
    if (filtered !== null) return this.#answer(filtered);
    const { target } = route.route;
    if (target.kind === 'answer') return this.#answer(answerOf(target.status, target.reason));
    const { maxBodyBytes } = route.policy;
    if (maxBodyBytes !== null && head.contentLength > maxBodyBytes) return this.#failRequest('bodyTooLarge');
    this.#upstream = this.#context.endpoints.get(target.upstream) ?? null;
    this.#isBodyDone = !head.hasBody;
    this.#requestText = this.#renderRequest(head, current);
    this.#attempt();
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
    this.#hasSentBody = true;
    const mayGoOn = connection.writeBody(buf, start, end);
    // Only a blocked write waits for the upstream; an idle one waits for the client, whose own deadline runs.
    if (mayGoOn) this.#context.wheel.clear(this.#deadline);
    else this.#context.wheel.set(this.#deadline, sendTimeoutMs);
    return mayGoOn;
  }

  onBodyEnd(): void {
    this.#isBodyDone = true;
    if (this.#connection === null || this.#route === null) return;
    this.#connection.endBody();
    // A response that waits for a slow client goes on without a deadline of the upstream's.
    if (!this.#isClientSlow) this.#armReadDeadline();
  }

  /** Sends what one client read has gathered for the upstream. */
  flushUpstream(): void {
    this.#connection?.writer.flush();
  }

  onClientDrain(): void {
    this.#isClientSlow = false;
    if (this.#phase !== 'responding' && this.#phase !== 'tunnel') return;
    this.#connection?.resume();
    this.#armReadDeadline();
  }

  /** Bytes from the client of an upgraded connection. False: wait for `takeBody`. */
  onTunnelBytes(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    const connection = this.#connection;
    if (connection === null) return true;
    connection.writer.addCopiedBytes(buf, start, end, isOwned);
    connection.writer.flush();
    this.record.requestBytes += end - start;
    this.#armReadDeadline();
    return !connection.writer.isBlocked;
  }

  onTunnelClientEnd(): void {
    this.#connection?.endTunnel();
  }

  /** The client is gone, or its body is broken (`badBody`) or late (`bodyTimeout`). */
  onClientFailed(code: 'clientGone' | 'badBody' | 'bodyTimeout'): void {
    if (this.#phase === 'idle') return;
    if (this.#phase === 'tunnel') {
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
        return this.#attemptFailed(this.#isBodyDone ? 'upstreamTimeout' : 'sendTimeout', 'timed out');
      case 'responding':
        this.#dropConnection();
        return this.#abort('upstreamTimeout');
      case 'tunnel':
        this.#dropConnection();
        this.#client.abortResponse();
        return this.#finish();
      default:
        return;
    }
  }

  // ---- UpstreamUser

  onConnected(): void {
    this.#send();
    this.flushUpstream();
  }

  onUpstreamFailed(code: ProxyErrorCode, detail: string): void {
    this.#connection = null;
    if (this.#phase === 'tunnel') {
      this.#releaseEndpoint();
      // After an orderly end of the upstream's side this is only the other half of it.
      if (!this.#isTunnelEnded) this.#client.abortResponse();
      return this.#finish();
    }
    if (this.#phase === 'responding') {
      this.#releaseEndpoint();
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
    this.#noteAttempt(head.status);
    if (head.status === 101) return this.#onSwitchingProtocols(head);
    this.#phase = 'responding';
    this.#armReadDeadline();
    this.#client.sendHead(head, hasBody);
  }

  onResponseBody(buf: Buffer, start: number, end: number): boolean {
    const mayGoOn = this.#client.sendBody(buf, start, end);
    this.#isClientSlow = !mayGoOn;
    // While the client is slow the upstream is not to blame: its deadline stands still.
    if (mayGoOn) this.#armReadDeadline();
    else this.#context.wheel.clear(this.#deadline);
    return mayGoOn;
  }

  onResponseEnd(trailers: string): void {
    this.#connection = null;
    this.#releaseEndpoint();
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

  // ---- attempts

  #attempt(): void {
    const endpoint = this.#upstream?.pick(this.#tried) ?? null;
    if (endpoint === null) return this.#failRequest('noEndpoint');
    this.#attempts++;
    this.#use(endpoint);
    const pooled = this.#context.pool.take(endpoint);
    if (pooled !== null) {
      this.#connection = pooled;
      return this.#send();
    }
    this.#connect(endpoint);
  }

  #use(endpoint: LiveEndpoint): void {
    this.#endpoint = endpoint;
    this.#isReleased = false;
    endpoint.inFlight++;
    this.record.beginAttempt(endpoint);
    // Only the access log shows when attempts began and ended; the first one begins with the request.
    if (this.#context.current.global.accessLog) {
      const isFirst = this.record.attemptCount === 1;
      this.#attemptStartedAtMs = isFirst ? this.#startedAtMs : this.#context.preciseNowMs();
    }
  }

  #connect(endpoint: LiveEndpoint): void {
    const route = this.#route as IndexedRoute;
    this.#phase = 'connecting';
    this.#context.wheel.set(this.#deadline, route.policy.connectTimeoutMs);
    this.#connection = this.#context.pool.connect(endpoint, this);
  }

  /** The connection is open: the head goes out, and the body may follow. */
  #send(): void {
    const connection = this.#connection as UpstreamConnection;
    const { head } = this.#client;
    const route = this.#route as IndexedRoute;
    this.#phase = 'sending';
    connection.begin(this, this.#requestText, head.method === 'HEAD', head.isChunked, this.#isBodyDone);
    if (this.#isBodyDone) {
      this.#context.wheel.set(this.#deadline, route.policy.readTimeoutMs);
      connection.writer.flush();
      return;
    }
    this.#context.wheel.clear(this.#deadline);
    this.#client.takeBody();
  }

  #attemptFailed(code: ProxyErrorCode, detail: string): void {
    this.#dropConnection();
    this.#noteAttempt(PROXY_ERRORS[code].status);
    this.record.detail = detail;
    if (!this.#mayRetry(code)) return this.#failRequest(code);
    if (code === 'staleConnection') return this.#retryOnFreshConnection(code);
    const failed = this.#endpoint;
    if (failed !== null) {
      this.#tried ??= [];
      this.#tried.push(failed);
    }
    const endpoint = this.#upstream?.pick(this.#tried) ?? null;
    if (endpoint === null) return this.#failRequest(code);
    this.#attempts++;
    this.#use(endpoint);
    this.#connect(endpoint);
  }

  /** The endpoint had closed an idle connection: that says nothing about its health, so it is asked again, freshly. */
  #retryOnFreshConnection(code: ProxyErrorCode): void {
    const endpoint = this.#endpoint;
    if (endpoint === null) return this.#failRequest(code);
    this.#use(endpoint);
    this.#connect(endpoint);
  }

  #mayRetry(code: ProxyErrorCode): boolean {
    if (this.#route === null) return false;
    return mayRetry(code, this.#route.policy, {
      method: this.#client.head.method,
      attempts: this.#attempts,
      elapsedMs: this.#context.preciseNowMs() - this.#startedAtMs,
      hasSentBody: this.#hasSentBody,
    });
  }

  #noteAttempt(status: number): void {
    const { accessLog } = this.#context.current.global;
    this.record.endAttempt(status, accessLog ? this.#context.preciseNowMs() - this.#attemptStartedAtMs : 0);
  }

  #renderRequest(head: RequestHead, current: CurrentTable): string {
    const parts = forwardingParts(head, this.#client, current, this.#context.nextRequestId);
    this.record.requestId = parts.requestId;
    return renderRequest(head, parts);
  }

  #onSwitchingProtocols(head: ResponseHead): void {
    // Before the request has ended, its body and the tunnel's bytes could not be told apart (RFC 9110 §7.8).
    if (upgradeToken(this.#client.head) === '' || !this.#isBodyDone) {
      this.#dropConnection();
      return this.#failRequest('upstreamFault');
    }
    this.#phase = 'tunnel';
    this.#client.beginTunnel(head);
    this.#armReadDeadline();
  }

  #armReadDeadline(): void {
    if (this.#route !== null) this.#context.wheel.set(this.#deadline, this.#route.policy.readTimeoutMs);
  }

  /** Answers instead of the upstream, unless a response is already under way. */
  #failRequest(code: ProxyErrorCode): void {
    this.#dropConnection();
    if (this.#phase === 'responding') return this.#abort(code);
    this.#reason = code;
    const { status } = PROXY_ERRORS[code];
    this.#status = status;
    if (code === 'clientGone') this.#client.abortResponse();
    else this.#client.sendAnswer(answerOf(status, code));
    this.#finish();
  }

  #abort(code: ProxyErrorCode): void {
    this.#reason = code;
    this.#client.abortResponse();
    this.#finish();
  }

  #answer(answer: Answer): void {
    this.#status = answer.status;
    this.#reason = answer.reason;
    this.#client.sendAnswer(answer);
    this.#finish();
  }

  #dropConnection(): void {
    this.#connection?.abandon();
    this.#connection = null;
    this.#releaseEndpoint();
  }

  /** For a client stream that goes away: nothing of this exchange stays linked anywhere. Call it when nothing runs. */
  close(): void {
    this.#context.wheel.remove(this.#deadline);
  }

  /** Keeps `#endpoint` known for the retry decision, but counts it out. */
  #releaseEndpoint(): void {
    if (this.#endpoint !== null && !this.#isReleased) {
      this.#endpoint.inFlight--;
      this.#isReleased = true;
    }
  }

  #finish(): void {
    this.#context.wheel.clear(this.#deadline);
    this.#phase = 'idle';
    const { record } = this;
    record.route = this.#route;
    record.status = this.#status;
    record.reason = this.#reason;
    record.durationMs = this.#context.preciseNowMs() - this.#startedAtMs;
    // An idle client connection must not keep an old table alive.
    this.#route = null;
    this.#upstream = null;
    this.#endpoint = null;
    this.#tried = null;
    this.#requestText = '';
    this.#client.finished();
  }

  #reset(): void {
    this.#phase = 'connecting';
    this.#connection = null;
    this.#isReleased = true;
    this.#attempts = 0;
    this.#startedAtMs = this.#context.preciseNowMs();
    this.#bodyBytes = 0;
    this.#isBodyDone = false;
    this.#hasSentBody = false;
    this.#isClientSlow = false;
    this.#isTunnelEnded = false;
    this.#status = 0;
    this.#reason = '';
    this.record.reset();
  }
}
