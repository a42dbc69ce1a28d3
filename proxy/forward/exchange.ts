// One request and its response: route, filters, upstream, record. The forwarding core; codecs sit on both sides.
//
//   idle -> filtering -> (buffering) -> forwarding -> responding -> idle    (an answer of our own: from anywhere to idle)
//                                                 |-> tunnel -> idle
// `buffering`: the body is read before an endpoint is picked, so that slow clients hold none (docs/design/0013-read-ahead.md).
// An exchange belongs to one client stream for its whole life and is reused. The client side calls `begin`, then what
// comes from the client; the upstream side calls the UpstreamUser methods. It ends by telling the client side `finished`,
// exactly once per `begin`. How the request gets to an endpoint is up to UpstreamRequest, while `forwarding`; what is sent
// up to OutgoingRequest; what the client sees up to ClientResponse.

import { type Answer, answerOf } from '../http/answer.ts';
import type { ResponseHead } from '../http/response-head.ts';
import type { IndexedRoute } from '../match/index.ts';
import { matchHost, matchRoute } from '../match/match-route.ts';
import { RequestRecord } from '../observe/observer.ts';
import type { UpstreamTarget } from '../table/types.ts';
import { isGrpc } from '../table/upstream-protocol.ts';
import { ClientResponse, type ResponseUser } from './client-response.ts';
import type { ClientStream } from './client-stream.ts';
import type { CurrentTable, ProxyContext } from './context.ts';
import type { ProxyErrorCode } from './errors.ts';
import { requestId, upgradeToken } from './forwarding.ts';
import { type CallOwner, GrpcCall } from './grpc-call.ts';
import { OutgoingRequest } from './outgoing-request.ts';
import { RequestFacts } from './request-facts.ts';
import { type FilterUser, RouteFilters } from './route-filters.ts';
import { Tunnel, type TunnelFault, type TunnelUser } from './tunnel.ts';
import { UpstreamRequest, type UpstreamRequestUser } from './upstream-request.ts';
import type { UpstreamStream } from './upstream-stream.ts';

/** What a client can do to end its own request. */
export type ClientFailure = 'clientGone' | 'clientStalled' | 'badBody' | 'bodyTimeout' | 'bodyTooSlow';

export type Phase = 'idle' | 'filtering' | 'buffering' | 'forwarding' | 'responding' | 'tunnel';

export class Exchange implements FilterUser, CallOwner, ResponseUser, TunnelUser, UpstreamRequestUser {
  readonly record = new RequestRecord();
  readonly #context: ProxyContext;
  readonly #client: ClientStream;
  readonly #facts: RequestFacts;
  readonly #filters: RouteFilters;
  readonly #request: OutgoingRequest;
  readonly #response: ClientResponse;
  readonly #upstream: UpstreamRequest;
  /** Made by the first call on a gRPC route. */
  #call: GrpcCall | null = null;
  /** Made by the first upgrade. */
  #tunnel: Tunnel | null = null;
  #phase: Phase = 'idle';
  #route: IndexedRoute | null = null;
  #startedAtMs = 0;
  /** Response bytes wait for the client; the upstream is not read meanwhile. */
  #isClientSlow = false;

  constructor(context: ProxyContext, client: ClientStream) {
    const { record } = this;
    const facts = new RequestFacts(client);
    this.#context = context;
    this.#client = client;
    this.#facts = facts;
    this.#filters = new RouteFilters(context, client, facts, this);
    this.#request = new OutgoingRequest(context, client, record, facts);
    this.#response = new ClientResponse(context, client, record, this);
    this.#upstream = new UpstreamRequest(context, { client, record, facts, request: this.#request }, this);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The client side may hand body bytes over. */
  get canTakeBody(): boolean {
    return this.#phase === 'responding' || this.#phase === 'buffering' || this.#upstream.phase === 'sending';
  }

  /** What is given to `onBody` is copied: it may lie in a buffer that is used again at once. */
  get copiesBody(): boolean {
    return this.#phase === 'buffering';
  }

  /** Starts with the client's parsed head. The answer may come within this call. */
  begin(): void {
    const { head } = this.#client;
    // All that comes from the table is taken from this one; a request never sees two.
    const { current } = this.#context;
    this.#phase = 'filtering';
    this.#isClientSlow = false;
    this.#startedAtMs = this.#context.preciseNowMs();
    this.record.reset();
    this.record.revision = current.revision;
    this.#upstream.open(this.#startedAtMs);
    const host = matchHost(current.index, head.host);
    const route = matchRoute(host, head.path);
    this.record.virtualHost = host.name;
    this.#route = route;
    this.#facts.bind(current);
    if (route === null) return this.#response.answer(answerOf(404, 'noRoute'));
    const filtered = route.filters.length === 0 ? null : this.#filters.begin(route, current);
    if (filtered === 'waiting') return;
    if (filtered !== null) return this.#response.answer(filtered);
    this.#forward(route, current);
  }

  // ---- FilterUser

  onFiltered(answer: Answer | null, current: CurrentTable): void {
    if (answer !== null || this.#route === null) return this.#response.answer(answer ?? answerOf(404, 'noRoute'));
    this.#forward(this.#route, current);
    this.flushUpstream();
  }

  #forward(route: IndexedRoute, current: CurrentTable): void {
    const { target, policy } = route;
    if (target.kind === 'answer') return this.#response.answer(answerOf(target.status, target.reason));
    const { maxBodyBytes } = policy;
    if (maxBodyBytes !== null && this.#client.head.contentLength > maxBodyBytes) return this.#fail('bodyTooLarge');
    this.#phase = 'forwarding';
    this.#request.begin(route, current);
    if (isGrpc(policy.protocol)) this.#beginCall();
    if (!this.#request.readsAhead) return this.#upstream.begin(route, target);
    this.#phase = 'buffering';
    this.#client.takeBody();
  }

  /** The first attempt begins now: neither response times nor limits of time contain the client's sending. */
  #endBuffering(): void {
    const route = this.#route as IndexedRoute;
    this.#phase = 'forwarding';
    this.#upstream.open(this.#context.preciseNowMs());
    this.#upstream.begin(route, route.target as UpstreamTarget);
  }

  // ---- from the client

  /** A part of the decoded request body. False: wait for `takeBody`. */
  onBody(buf: Buffer, start: number, end: number): boolean {
    if (this.#phase === 'buffering') return this.#holdBody(buf, start, end);
    const { stream } = this.#upstream;
    if (stream === null) return true;
    if (this.#request.add(buf, start, end)) return this.#upstream.sendBody(stream, buf, start, end);
    this.#fail('bodyTooLarge');
    return true;
  }

  #holdBody(buf: Buffer, start: number, end: number): boolean {
    const outcome = this.#request.hold(buf, start, end);
    if (outcome === 'tooLarge') this.#fail('bodyTooLarge');
    else if (outcome === 'full') this.#endBuffering();
    // Phases change within those calls; where all is over nobody waits for `takeBody`.
    return this.phase === 'idle' || this.canTakeBody;
  }

  /** `trailers`: lines behind the body that may be forwarded, each with CRLF; '' for none. */
  onBodyEnd(trailers: string): void {
    const { stream } = this.#upstream;
    this.#request.endBody(trailers);
    if (this.#phase === 'buffering') {
      this.#request.endHolding();
      return this.#endBuffering();
    }
    if (stream !== null) this.#upstream.endBody(stream, trailers, this.#isClientSlow);
  }

  /** Sends what one client read has gathered for the upstream. */
  flushUpstream(): void {
    this.#upstream.stream?.flush();
  }

  onClientDrain(): void {
    if (this.#phase === 'tunnel') this.#tunnel?.onClientDrain();
    else if (this.#phase === 'responding' && this.#response.onClientDrain()) this.#readOn();
  }

  /** Bytes from the client of an upgraded connection. False: wait for `takeBody`. */
  onTunnelBytes(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    return this.#tunnel === null || this.#tunnel.toUpstream(buf, start, end, isOwned);
  }

  onTunnelClientEnd(): void {
    this.#tunnel?.onClientEnd();
  }

  /** The client is gone, takes nothing, or its body is broken or late. */
  onClientFailed(code: ClientFailure): void {
    if (this.#phase === 'idle') return;
    if (this.#phase !== 'tunnel') return this.#fail(code);
    this.#upstream.drop();
    this.#response.close(code === 'clientGone' ? '' : code);
  }

  /** For a client stream that goes away: nothing of this exchange stays linked anywhere. Call it when nothing runs. */
  close(): void {
    this.#upstream.close();
    this.#call?.close();
    this.#tunnel?.close();
  }

  // ---- UpstreamRequestUser

  onConnected(): void {
    this.#upstream.connected();
  }

  onInformational(head: ResponseHead): void {
    // The 100 is ours to send (Expect is not forwarded); others go to clients that can read them (RFC 9110 §15.2).
    if (head.status !== 100 && this.#client.head.minorVersion === 1) this.#client.sendInformational(head);
    if (this.#request.isBodyDone) this.#upstream.waitForResponse();
  }

  onResponseHead(head: ResponseHead, hasBody: boolean): void {
    if (!this.#upstream.answered(head)) return;
    if (!this.#client.takesHead(head)) return this.#fail('upstreamFault');
    if (head.status === 101) return this.#beginTunnel(head);
    this.#phase = 'responding';
    this.#upstream.waitForResponse();
    const { bandwidth } = (this.#route as IndexedRoute).policy;
    this.#response.begin(head, hasBody, this.#upstream.cookieLine, bandwidth);
  }

  onResponseBody(buf: Buffer, start: number, end: number): boolean {
    const mayGoOn = this.#response.write(buf, start, end);
    this.#isClientSlow = !mayGoOn;
    // While the client is slow the upstream is not to blame: its deadline stands still.
    if (mayGoOn) this.#upstream.waitForResponse();
    else this.#upstream.waitForClient();
    return mayGoOn;
  }

  onResponseEnd(trailers: string): void {
    this.#upstream.complete();
    this.#response.end(trailers);
  }

  onUpstreamDrain(): void {
    if (!this.canTakeBody && this.#phase !== 'tunnel') return;
    if (!this.#request.isBodyDone) this.#upstream.waitForClient();
    this.#client.takeBody();
  }

  onUpstreamReadDone(): void {
    this.#client.flush();
  }

  onUpstreamFailed(code: ProxyErrorCode, detail: string): void {
    if (this.#phase === 'forwarding') return this.#upstream.lost(code, detail);
    this.#upstream.complete();
    if (this.#phase === 'responding') return this.#breakOff(code);
    // After an orderly end of the upstream's side this is only the other half of it.
    if (this.#tunnel?.isHalfClosed === true) this.#response.close('');
    else this.#response.abort('');
  }

  onResponseLate(): void {
    this.#breakOff('upstreamTimeout');
  }

  onNoResponse(code: ProxyErrorCode): void {
    this.#fail(code);
  }

  #breakOff(code: ProxyErrorCode): void {
    this.#upstream.broken(code);
    this.#response.abort(code);
  }

  /** Answers instead of the upstream, unless a response is already under way. */
  #fail(code: ProxyErrorCode): void {
    this.#upstream.giveUp();
    if (this.#phase === 'responding') this.#response.abort(code);
    else this.#response.fail(code, this.#upstream.retryAfterSeconds);
  }

  // ---- tunnels

  #beginTunnel(head: ResponseHead): void {
    // Before the request has ended, its body and the tunnel's bytes could not be told apart (RFC 9110 §7.8).
    if (upgradeToken(this.#client.head) === '' || !this.#request.isBodyDone) return this.#fail('upstreamFault');
    this.#phase = 'tunnel';
    this.record.status = head.status;
    this.#upstream.waitForClient();
    this.#tunnel ??= new Tunnel(this.#context, this.#client, this.record, this);
    this.#tunnel.begin(this.#upstream.stream as UpstreamStream, (this.#route as IndexedRoute).policy.readTimeoutMs);
    this.#client.beginTunnel(head, this.#upstream.cookieLine);
  }

  onTunnelData(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    return this.#tunnel === null || this.#tunnel.toClient(buf, start, end, isOwned);
  }

  onTunnelEnd(): void {
    this.#tunnel?.onUpstreamEnd();
  }

  onTunnelLate(fault: TunnelFault): void {
    this.#upstream.drop();
    this.#response.abort(fault);
  }

  // ---- CallOwner

  onCallTimeout(): void {
    if (this.#phase !== 'responding') return this.#fail('callTimeout');
    this.#upstream.drop();
    this.#response.expire();
  }

  #beginCall(): void {
    this.#call ??= new GrpcCall(this, this.#context.wheel);
    this.#call.begin(this.#client.head);
    this.#client.liftBodyRate();
  }

  // ---- ResponseUser

  onPaceReady(): void {
    this.#readOn();
  }

  #readOn(): void {
    this.#isClientSlow = false;
    this.#upstream.stream?.resume();
    this.#upstream.waitForResponse();
  }

  onResponded(): void {
    const { record } = this;
    const nowMs = this.#context.preciseNowMs();
    this.#phase = 'idle';
    record.route = this.#route;
    record.remoteAddress = this.#facts.remoteAddr;
    if (record.requestId === '') record.requestId = this.#idForLog();
    record.durationMs = nowMs - this.#startedAtMs;
    record.upstreamMs = this.#upstream.elapsedMs(nowMs);
    // An idle client connection must not keep an old table alive.
    this.#route = null;
    this.#facts.clear();
    this.#filters.end();
    this.#call?.end();
    this.#tunnel?.end();
    this.#request.end();
    this.#response.clear();
    this.#upstream.end();
    this.#client.finished();
  }

  /** Requests that no upstream has seen have an id in the log as well. */
  #idForLog(): string {
    const { current, nextRequestId } = this.#context;
    return current.global.accessLog ? requestId(this.#client.head, current, nextRequestId) : '';
  }
}
