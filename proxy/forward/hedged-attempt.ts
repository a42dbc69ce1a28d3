// A second attempt for a request whose first one keeps it waiting: the first response head wins, the other attempt is
// given up. One object per exchange, made by its first request on a route with `hedge-after`.
//
//   off -> armed --delay--> racing --its head, or the first one failed--> leading -> off
//                             |--the first one's head, or it failed itself--> off
// While it leads it is the request's attempt: what its stream says goes to the exchange as if it had come from there.
// Only idempotent requests are doubled, and none that belongs to one endpoint: upgrades, calls, clients with a cookie.

import { isIdempotent, type RequestHead } from '../http/request-head.ts';
import type { ResponseHead } from '../http/response-head.ts';
import type { IndexedRoute } from '../match/index.ts';
import type { HedgeSettings } from '../table/route-settings.ts';
import type { RoutePolicy } from '../table/types.ts';
import { isGrpc } from '../table/upstream-protocol.ts';
import type { Attempts, SecondAttempt } from './attempts.ts';
import type { ClientStream } from './client-stream.ts';
import type { ProxyContext } from './context.ts';
import { isStale, PROXY_ERRORS, type ProxyErrorCode } from './errors.ts';
import type { ExchangeParts } from './exchange-parts.ts';
import { upgradeToken } from './forwarding.ts';
import type { HedgeOutcome } from './hedging.ts';
import type { OutgoingRequest } from './outgoing-request.ts';
import { isUnwanted } from './retry.ts';
import { Deadline, type Timed } from './timer-wheel.ts';
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts';
import type { Transport } from './upstream-transport.ts';

/** The attempt in use of a request that may be hedged. Implemented by UpstreamRequest. */
export interface HedgedRequest {
  /** Gives up the stream that it waits for, and waits for this one instead. */
  takeOver(stream: UpstreamStream, isConnecting: boolean): void;
}

export class HedgedAttempt implements UpstreamUser, Timed {
  readonly #context: ProxyContext;
  readonly #client: ClientStream;
  readonly #request: OutgoingRequest;
  readonly #attempts: Attempts;
  readonly #user: UpstreamUser;
  readonly #first: HedgedRequest;
  readonly #deadline = new Deadline(this);
  #state: 'off' | 'armed' | 'racing' | 'leading' = 'off';
  #route: IndexedRoute | null = null;
  #transport: Transport | null = null;
  /** While it is racing. */
  #second: SecondAttempt | null = null;
  #stream: UpstreamStream | null = null;
  #isConnecting = false;

  /** `user`: who hears of the stream while it leads; `first`: the attempt in use, which it may replace. */
  constructor(
    context: ProxyContext,
    parts: ExchangeParts,
    attempts: Attempts,
    user: UpstreamUser,
    first: HedgedRequest,
  ) {
    this.#context = context;
    this.#client = parts.client;
    this.#request = parts.request;
    this.#attempts = attempts;
    this.#user = user;
    this.#first = first;
  }

  // ---- from the exchange

  /** The first attempt of a request begins. The delay runs from here, or from `requestEnded` while its body comes. */
  begin(route: IndexedRoute, settings: HedgeSettings, transport: Transport): void {
    const { head } = this.#client;
    const { hedging, balancing } = this.#context;
    const nowMs = balancing.nowMs();
    hedging.allowances.of(route, settings.budget, nowMs).countRequest(nowMs);
    if (!mayBeDoubled(head, route.policy) || !this.#attempts.mayBeTwo) return;
    this.#route = route;
    this.#transport = transport;
    this.#state = 'armed';
    if (this.#request.isBodyDone) hedging.timers.set(this.#deadline, settings.afterMs);
  }

  /** The last byte of its body has come. */
  requestEnded(): void {
    const afterMs = this.#route?.policy.hedge?.afterMs;
    if (this.#state === 'armed' && afterMs !== undefined) this.#context.hedging.timers.set(this.#deadline, afterMs);
  }

  /** The attempt in use has a response head. False: it is dropped, the hedge goes on in its place. */
  firstAnswered(status: number): boolean {
    if (this.#state === 'armed') this.#disarm();
    if (this.#state !== 'racing') return true;
    if (this.#isUnwanted(status)) {
      this.#lead();
      return false;
    }
    this.#giveUp('lost', 0);
    return true;
  }

  /** The attempt in use has failed. True: the hedge goes on in its place. */
  firstFailed(): boolean {
    if (this.#state !== 'racing') return false;
    this.#lead();
    return true;
  }

  /** The request is over, however it ended. */
  end(): void {
    if (this.#state === 'armed') this.#disarm();
    else if (this.#state === 'racing') this.#giveUp('cancelled', 0);
    this.#clear();
  }

  /** For a client stream that goes away: nothing of it stays linked anywhere. */
  close(): void {
    this.#context.hedging.timers.remove(this.#deadline);
  }

  // ---- Timed

  onDeadline(): void {
    const route = this.#route;
    if (this.#state !== 'armed' || route === null) return;
    this.#disarm();
    // A body that was too large to be kept, or attempts that have been used up meanwhile.
    if (!this.#request.isWhole || !this.#attempts.mayBeTwo) return this.#clear();
    this.#start(route);
  }

  #start(route: IndexedRoute): void {
    const { hedging, balancing } = this.#context;
    const endpoint = this.#attempts.pickSecond();
    if (endpoint === null) return this.#stayAlone('noEndpoint');
    const { hedge } = route.policy;
    const nowMs = balancing.nowMs();
    const allowance = hedge === null ? null : hedging.allowances.of(route, hedge.budget, nowMs);
    if (allowance === null || !allowance.take(nowMs)) return this.#stayAlone('overBudget');
    const second = this.#attempts.beginSecond(endpoint);
    if (second === null) {
      allowance.giveBack();
      return this.#stayAlone('overBudget');
    }
    this.#second = second;
    this.#state = 'racing';
    const pooled = this.#context.pool.take(endpoint, this.#transport as Transport);
    if (pooled === null) return this.#connect(second);
    this.#stream = pooled;
    this.#isConnecting = false;
    this.#send(pooled);
  }

  // ---- UpstreamUser

  onConnected(): void {
    this.#isConnecting = false;
    if (this.#state === 'leading') return this.#user.onConnected();
    if (this.#stream !== null) this.#send(this.#stream);
  }

  onUpstreamFailed(code: ProxyErrorCode, detail: string): void {
    this.#stream = null;
    if (this.#state === 'leading') {
      this.#clear();
      return this.#user.onUpstreamFailed(code, detail);
    }
    // An idle connection that had been closed says nothing about its endpoint, which is asked on a fresh one.
    if (isStale(code) && this.#second !== null) return this.#connect(this.#second);
    this.#giveUp('failed', PROXY_ERRORS[code].status);
  }

  onInformational(head: ResponseHead): void {
    if (this.#state === 'leading') this.#user.onInformational(head);
  }

  onResponseHead(head: ResponseHead, hasBody: boolean): void {
    if (this.#state === 'racing') {
      if (this.#isUnwanted(head.status)) return this.#giveUp('failed', head.status);
      this.#attempts.overtaken();
      this.#lead();
    }
    this.#user.onResponseHead(head, hasBody);
  }

  onResponseBody(buf: Buffer, start: number, end: number): boolean {
    return this.#user.onResponseBody(buf, start, end);
  }

  onResponseEnd(trailers: string): void {
    // Before the request hears of it: its client may begin the next one at once.
    this.#clear();
    this.#user.onResponseEnd(trailers);
  }

  onTunnelData(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    return this.#user.onTunnelData(buf, start, end, isOwned);
  }

  onTunnelEnd(): void {
    this.#user.onTunnelEnd();
  }

  onUpstreamDrain(): void {
    if (this.#state === 'leading') this.#user.onUpstreamDrain();
  }

  onUpstreamReadDone(): void {
    if (this.#state === 'leading') this.#user.onUpstreamReadDone();
  }

  // ---- states

  #send(stream: UpstreamStream): void {
    this.#request.sendOn(stream, this);
    stream.flush();
  }

  #connect({ endpoint }: SecondAttempt): void {
    this.#isConnecting = true;
    this.#stream = this.#context.pool.connect(endpoint, this, this.#transport as Transport);
  }

  #lead(): void {
    const second = this.#second as SecondAttempt;
    this.#context.hedging.outcomes.won++;
    this.#state = 'leading';
    this.#second = null;
    this.#first.takeOver(this.#stream as UpstreamStream, this.#isConnecting);
    this.#attempts.useSecond(second);
  }

  /** The first attempt goes on alone. */
  #giveUp(outcome: HedgeOutcome, status: number): void {
    const second = this.#second as SecondAttempt;
    this.#context.hedging.outcomes[outcome]++;
    this.#stream?.abandon();
    this.#clear();
    this.#attempts.endSecond(second, status);
  }

  #stayAlone(outcome: HedgeOutcome): void {
    this.#context.hedging.outcomes[outcome]++;
    this.#clear();
  }

  #disarm(): void {
    this.#context.hedging.timers.clear(this.#deadline);
    this.#state = 'off';
  }

  /** An idle client connection must not keep an old table alive. */
  #clear(): void {
    this.#state = 'off';
    this.#route = null;
    this.#transport = null;
    this.#second = null;
    this.#stream = null;
  }

  #isUnwanted(status: number): boolean {
    return this.#route !== null && isUnwanted(status, this.#route.policy);
  }
}

/** Whether it does no harm, and some good, to send the request twice. */
function mayBeDoubled(head: RequestHead, policy: RoutePolicy): boolean {
  return isIdempotent(head.method) && !isGrpc(policy.protocol) && upgradeToken(head) === '';
}
