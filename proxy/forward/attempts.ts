// The attempts of one request: which endpoints it has been sent to, which one is in use, and whether another may follow.
//
// In: the route and its target. Out: endpoints, each counted in flight from its pick until `release`, what their answers
// say about their health, and the attempts in the request's record. Reused by its exchange.

import { FULL } from '../endpoints/endpoint-room.ts';
import type { Waiter } from '../endpoints/pending-queue.ts';
import type { Entrance } from '../endpoints/upstream-gate.ts';
import { isFailureStatus } from '../endpoints/upstream-state.ts';
import type { IndexedRoute } from '../match/index.ts';
import type { RequestRecord } from '../observe/observer.ts';
import type { UpstreamTarget } from '../table/types.ts';
import type { ProxyContext } from './context.ts';
import { EndpointChoice } from './endpoint-choice.ts';
import { isStale, PROXY_ERRORS, type ProxyErrorCode } from './errors.ts';
import { GatePlace } from './gate-place.ts';
import type { RequestFacts } from './request-facts.ts';
import { mayRepeat, mayRetry, mayRetryStatus, type RetryFacts } from './retry.ts';
import type { RetryAllowance } from './retry-allowance.ts';
import type { LiveEndpoint, LiveUpstream } from './upstream-connection.ts';

/** Endpoints that are looked at for one attempt while other workers fill one after the other. */
const MAX_PICKS = 3;

/** An attempt beside the one in use (hedging). */
export interface SecondAttempt {
  readonly endpoint: LiveEndpoint;
  readonly startedAtMs: number;
  /** As `begin` of the endpoint gave it. */
  readonly probe: number;
  /** Its place in the request's record. */
  readonly at: number;
}

export class Attempts {
  /** Endpoints asked so far; asking one again on a fresh connection is no further attempt. */
  count = 0;
  /** The endpoint in use; stays known after its release, for the decision about another attempt. */
  endpoint: LiveEndpoint | null = null;
  readonly #context: ProxyContext;
  readonly #record: RequestRecord;
  readonly #facts: RequestFacts;
  readonly #choice: EndpointChoice;
  #route: IndexedRoute | null = null;
  #upstream: LiveUpstream | null = null;
  #isReleased = true;
  /** What `begin` gave for the endpoint in use. */
  #probe = 0;
  /** The same for the endpoint that was taken last, which is counted in and not in use yet. */
  #takenProbe = 0;
  #tried: LiveEndpoint[] | null = null;
  #refusals = 0;
  #startedAtMs = 0;
  #attemptStartedAtMs = 0;
  /** The first attempt began later than the request, which had to wait for its turn. */
  #isLate = false;
  readonly #place = new GatePlace();
  /** The budget that `mayGoOn` took a further attempt from, until that attempt is made. */
  #allowance: RetryAllowance | null = null;

  constructor(context: ProxyContext, record: RequestRecord, facts: RequestFacts) {
    this.#context = context;
    this.#record = record;
    this.#facts = facts;
    this.#choice = new EndpointChoice(context, facts);
  }

  /** Makes ready for a request that began at `startedAtMs`. */
  begin(startedAtMs: number): void {
    this.count = 0;
    this.#refusals = 0;
    this.#isReleased = true;
    this.#isLate = false;
    this.#startedAtMs = startedAtMs;
  }

  /** Chooses the upstream. True when it limits its requests: then `enter` comes before `first`. */
  choose(route: IndexedRoute, target: UpstreamTarget): boolean {
    this.#route = route;
    const upstream = this.#choice.choose(target);
    this.#upstream = upstream;
    if (this.#choice.canary !== null) this.#record.canary = this.#choice.canary.upstream;
    const { retryBudget } = route.policy;
    if (retryBudget !== null) {
      const { balancing } = this.#context;
      const nowMs = balancing.nowMs();
      balancing.allowances.of(route, retryBudget, nowMs).countRequest(nowMs);
    }
    return upstream !== null && upstream.gate !== null;
  }

  /** Asks for a place among the requests of the upstream. With `waiting` the waiter is told later. */
  enter(waiter: Waiter): Entrance {
    const gate = this.#upstream?.gate ?? null;
    return gate === null ? 'admitted' : this.#place.enter(gate, waiter, this.#context.balancing.nowMs());
  }

  /** Why `enter` has found neither a place nor one to wait. */
  get fullReason(): ProxyErrorCode {
    return this.#upstream?.hasRoom === false ? 'endpointsFull' : 'overloaded';
  }

  /** For a request that was admitted, when `first` has found all endpoints full: true when it waits on. */
  waitOn(waiter: Waiter): boolean {
    return this.emptyReason === 'endpointsFull' && this.#place.waitOn(waiter);
  }

  /** The wait that `enter` began has ended, with a place or without one. */
  waited(isAdmitted: boolean): void {
    this.#isLate = true;
    this.#place.waited(isAdmitted);
  }

  /** For Retry-After: whole seconds, of the upstream's limits. */
  get retryAfterSeconds(): number {
    return this.#upstream?.settings.limits?.retryAfterSeconds ?? 1;
  }

  /** Finds the first endpoint and uses it; null when there is none. */
  first(): LiveEndpoint | null {
    const endpoint = this.#take(null);
    if (endpoint !== null) this.#use(endpoint, this.#takenProbe);
    return endpoint;
  }

  /** Why `first` found no endpoint. */
  get emptyReason(): ProxyErrorCode {
    const upstream = this.#upstream;
    return upstream !== null && upstream.members.length > 0 ? 'endpointsFull' : 'noEndpoint';
  }

  /**
   * Finds an endpoint for another attempt after an answer of the one in use: one that this request has not been sent to,
   * unless a cookie binds it. null when there is none: the answer stands. It is counted in: `use` must follow.
   */
  next(): LiveEndpoint | null {
    return this.#settle(this.#takeNext());
  }

  /** The same after a failure: where nobody else is left it is one that is left out, since there is no answer at all. */
  nextOrLeftOut(): LiveEndpoint | null {
    return this.#settle(this.#takeNext() ?? this.#takeLeftOut());
  }

  /** Sends the request to an endpoint that `next`, `nextOrLeftOut` or `again` gave last. */
  use(endpoint: LiveEndpoint): void {
    this.release();
    this.#use(endpoint, this.#takenProbe);
  }

  /**
   * The endpoint had closed an idle connection: that says nothing about its health, so it is asked again, freshly. It must
   * not have been released: its place could be another worker's by now.
   */
  again(): LiveEndpoint | null {
    const { endpoint } = this;
    if (endpoint === null || endpoint.draining) return this.nextOrLeftOut();
    // That attempt never was.
    this.count--;
    this.#takenProbe = this.#probe;
    this.#isReleased = true;
    return endpoint;
  }

  /** Whether a failure with `code` may be followed by another attempt: asked once for each. `canSend`: see RetryFacts. */
  mayGoOn(code: ProxyErrorCode, canSend: boolean): boolean {
    // A client that is bound to it is sent to the refusing endpoint again: those attempts count.
    if (code === 'connectFailed' && !this.#choice.isBound) this.#refusals++;
    const route = this.#route as IndexedRoute;
    if (!mayRetry(code, route.policy, this.#retryFacts(canSend))) return false;
    return isStale(code) || (this.#mayRepeatBound(route) && this.#takeAllowance(route));
  }

  /** Whether an answer with `status`, of which the client has seen nothing, may be followed by another attempt. */
  mayGoOnAfter(status: number, canSend: boolean): boolean {
    const route = this.#route as IndexedRoute;
    if (!mayRetryStatus(status, route.policy, this.#retryFacts(canSend))) return false;
    return this.#mayRepeatBound(route) && this.#takeAllowance(route);
  }

  // ---- a second attempt beside the one in use

  /** The route's limits allow a second attempt, and no cookie says where the request belongs. */
  get mayBeTwo(): boolean {
    const { maxAttempts, retryTimeoutMs } = (this.#route as IndexedRoute).policy;
    if (this.#choice.hasAffinity || (maxAttempts !== null && this.count >= maxAttempts)) return false;
    return retryTimeoutMs === null || this.#context.preciseNowMs() - this.#startedAtMs < retryTimeoutMs;
  }

  /** Finds an endpoint for a second attempt, a healthy one; null when there is none. Follow with `beginSecond`. */
  pickSecond(): LiveEndpoint | null {
    if (this.endpoint !== null) this.#noteTried(this.endpoint);
    return this.#choice.pick(this.#tried, false);
  }

  /** Counts a second attempt; null when the budget or the limits of the upstream or the endpoint are used up. */
  beginSecond(endpoint: LiveEndpoint): SecondAttempt | null {
    if (!this.#place.enterAgain()) return null;
    const probe = this.#takeAllowance(this.#route as IndexedRoute) ? this.#begin(endpoint) : FULL;
    if (this.#settle(probe === FULL ? null : endpoint) === null) {
      this.#place.leaveAgain();
      return null;
    }
    this.count++;
    this.#noteTried(endpoint);
    const at = this.#record.beginAttempt(endpoint);
    return { endpoint, startedAtMs: this.#context.preciseNowMs(), probe, at };
  }

  /** The second attempt is over, and the one in use goes on. `status` as in the record: 0 when it was given up. */
  endSecond({ endpoint, startedAtMs, probe, at }: SecondAttempt, status: number): void {
    const elapsedMs = this.#context.preciseNowMs() - startedAtMs;
    this.#record.endAttempt(at, status, elapsedMs);
    if (isFailureStatus(status)) this.#upstream?.onFailed(endpoint, elapsedMs);
    else if (status !== 0) this.#upstream?.onAnswered(endpoint, elapsedMs);
    endpoint.end(probe);
    this.#place.leaveAgain();
  }

  /** The attempt in use is given up without an answer, because the second one was faster. Follow with `useSecond`. */
  overtaken(): void {
    const elapsedMs = this.#note(0);
    if (this.endpoint !== null) this.#upstream?.onOvertaken(this.endpoint, elapsedMs);
  }

  /** The second attempt is the one in use from now on. */
  useSecond({ endpoint, startedAtMs, probe, at }: SecondAttempt): void {
    this.release();
    this.endpoint = endpoint;
    this.#probe = probe;
    this.#isReleased = false;
    this.#attemptStartedAtMs = startedAtMs;
    this.#record.attemptAt = at;
    this.#place.leaveAgain();
  }

  /** The connection for the attempt at hand had to be opened, and is. */
  connected(): void {
    this.#record.connectMs = this.elapsedMs(this.#context.preciseNowMs());
  }

  /** Since the attempt at hand began; -1 when there was none. */
  elapsedMs(nowMs: number): number {
    return this.#record.attemptCount === 0 ? -1 : nowMs - this.#attemptStartedAtMs;
  }

  /** A response head has come. `isUnavailable`: it says that the endpoint cannot serve, whatever the status. */
  answered(status: number, isUnavailable: boolean): void {
    const elapsedMs = this.#note(status);
    this.#record.headerMs = elapsedMs;
    if (this.#record.connectMs < 0) this.#record.connectMs = 0;
    const { endpoint } = this;
    if (endpoint === null || this.#upstream === null) return;
    if (isUnavailable || isFailureStatus(status)) return this.#upstream.onFailed(endpoint, elapsedMs);
    this.#upstream.onAnswered(endpoint, elapsedMs);
    this.#place.observe(elapsedMs, this.#context.balancing.nowMs);
  }

  /** The attempt at hand failed. Only the upstream's own failures count against its endpoint. */
  failed(code: ProxyErrorCode): void {
    const { status, side, condition } = PROXY_ERRORS[code];
    const elapsedMs = this.#note(status);
    if (side !== 'upstream') return;
    this.blame(code, elapsedMs);
    // Failures that come fast would only mislead a limit that follows the response times.
    if (condition === 'timeout') this.#place.observe(elapsedMs, this.#context.balancing.nowMs);
  }

  /** Tells the upstream that its endpoint failed, `elapsedMs` after the attempt began. */
  blame(code: ProxyErrorCode, elapsedMs = 0): void {
    if (isStale(code) || this.endpoint === null) return;
    this.#upstream?.onFailed(this.endpoint, elapsedMs);
  }

  /** `Set-Cookie` line for the response, '' for none. */
  get cookieLine(): string {
    return this.#choice.cookieLine;
  }

  /** Counts the endpoint in use out; nothing when it is out already. */
  release(): void {
    if (this.endpoint === null || this.#isReleased) return;
    this.endpoint.end(this.#probe);
    this.#isReleased = true;
  }

  /** Forgets the table's objects: an idle client connection must not keep an old table alive. Gives the place back. */
  clear(): void {
    this.#route = null;
    this.#upstream = null;
    this.endpoint = null;
    this.#tried = null;
    this.#choice.clear();
    this.#place.clear();
  }

  #takeNext(): LiveEndpoint | null {
    if (this.endpoint !== null) this.#noteTried(this.endpoint);
    return this.#take(this.#tried);
  }

  #takeLeftOut(): LiveEndpoint | null {
    const endpoint = this.#choice.pickLeftOut(this.#tried ?? []);
    return endpoint !== null && this.#tryTake(endpoint) ? endpoint : null;
  }

  /** Picks an endpoint and counts it in. Passes on from those that other workers have filled meanwhile. */
  #take(tried: readonly LiveEndpoint[] | null): LiveEndpoint | null {
    let passed = tried;
    for (let picks = 0; picks < MAX_PICKS; picks++) {
      const endpoint = this.#pick(passed);
      if (endpoint === null || this.#tryTake(endpoint)) return endpoint;
      passed = passed === null ? [endpoint] : [...passed, endpoint];
    }
    return null;
  }

  #tryTake(endpoint: LiveEndpoint): boolean {
    this.#takenProbe = this.#begin(endpoint);
    return this.#takenProbe !== FULL;
  }

  #begin(endpoint: LiveEndpoint): number {
    return this.#upstream === null ? FULL : this.#upstream.begin(endpoint);
  }

  /** The further attempt that was allowed is made, or takes nothing out of its budget. */
  #settle(endpoint: LiveEndpoint | null): LiveEndpoint | null {
    if (endpoint === null) this.#allowance?.giveBack();
    this.#allowance = null;
    return endpoint;
  }

  #noteTried(endpoint: LiveEndpoint): void {
    this.#tried ??= [];
    if (!this.#tried.includes(endpoint)) this.#tried.push(endpoint);
  }

  #pick(tried: readonly LiveEndpoint[] | null): LiveEndpoint | null {
    const upstream = this.#upstream;
    if (upstream === null) return null;
    return this.#choice.pick(tried, upstream.isRecovering && this.#mayProbe());
  }

  /** An endpoint that was left out is tried with requests that can be sent elsewhere when it fails again. */
  #mayProbe(): boolean {
    const policy = (this.#route as IndexedRoute).policy;
    const canGoElsewhere = policy.maxAttempts === null || this.count + 1 < policy.maxAttempts;
    if (canGoElsewhere && policy.retryOn.includes('error') && mayRepeat(this.#facts.method, policy)) return true;
    return this.#tried === null && this.#context.balancing.mayRiskProbe();
  }

  /** `probe`: what `begin` gave for the endpoint. */
  #use(endpoint: LiveEndpoint, probe: number): void {
    this.count++;
    this.endpoint = endpoint;
    this.#isReleased = false;
    this.#probe = probe;
    const at = this.#record.beginAttempt(endpoint);
    this.#record.attemptAt = at;
    const isFirst = at === 0 && !this.#isLate;
    this.#attemptStartedAtMs = isFirst ? this.#startedAtMs : this.#context.preciseNowMs();
  }

  #retryFacts(canSend: boolean): RetryFacts {
    const elapsedMs = this.#context.preciseNowMs() - this.#startedAtMs;
    return { method: this.#facts.method, attempts: this.count, refusals: this.#refusals, elapsedMs, canSend };
  }

  /** One endpoint over and over, and no limit of attempts: as many as if it were all of them. */
  #mayRepeatBound({ policy }: IndexedRoute): boolean {
    if (!this.#choice.isBound || policy.maxAttempts !== null) return true;
    return this.count < (this.#upstream?.members.length ?? 0);
  }

  #takeAllowance(route: IndexedRoute): boolean {
    const { retryBudget } = route.policy;
    if (retryBudget === null) return true;
    const { balancing } = this.#context;
    const nowMs = balancing.nowMs();
    const allowance = balancing.allowances.of(route, retryBudget, nowMs);
    if (!allowance.take(nowMs)) return false;
    this.#allowance = allowance;
    return true;
  }

  /** Notes how the attempt at hand ended; gives the time it took. */
  #note(status: number): number {
    const elapsedMs = this.#context.preciseNowMs() - this.#attemptStartedAtMs;
    this.#record.endAttempt(this.#record.attemptAt, status, elapsedMs);
    return elapsedMs;
  }
}
