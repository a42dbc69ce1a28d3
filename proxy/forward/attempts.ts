// The attempts of one request: which endpoints it has been sent to, which one is in use, and whether another may follow.
//
// In: the upstream and the route's policy. Out: endpoints, each counted in flight from its pick until `release`, and the
// attempts in the request's record. Reused by its exchange.

import type { RequestRecord } from '../observe/observer.ts';
import type { RoutePolicy } from '../table/types.ts';
import type { ProxyContext } from './context.ts';
import type { ProxyErrorCode } from './errors.ts';
import { mayRetry } from './retry.ts';
import type { LiveEndpoint, LiveUpstream } from './upstream-connection.ts';

export class Attempts {
  /** Endpoints asked so far; asking one again on a fresh connection is no further attempt. */
  count = 0;
  /** The endpoint in use; stays known after its release, for the decision about another attempt. */
  endpoint: LiveEndpoint | null = null;
  readonly #context: ProxyContext;
  readonly #record: RequestRecord;
  #upstream: LiveUpstream | null = null;
  #isReleased = true;
  #tried: LiveEndpoint[] | null = null;
  #refusals = 0;
  #startedAtMs = 0;
  #attemptStartedAtMs = 0;

  constructor(context: ProxyContext, record: RequestRecord) {
    this.#context = context;
    this.#record = record;
  }

  /** Makes ready for a request that began at `startedAtMs`. */
  begin(startedAtMs: number): void {
    this.count = 0;
    this.#refusals = 0;
    this.#isReleased = true;
    this.#startedAtMs = startedAtMs;
  }

  /** Picks the first endpoint; null when there is none. */
  first(upstream: LiveUpstream | null): LiveEndpoint | null {
    this.#upstream = upstream;
    return this.#pick();
  }

  /** Picks an endpoint that this request has not been sent to, after the one in use failed; null when there is none. */
  next(): LiveEndpoint | null {
    if (this.endpoint !== null) {
      this.#tried ??= [];
      this.#tried.push(this.endpoint);
    }
    return this.#pick();
  }

  /** The endpoint had closed an idle connection: that says nothing about its health, so it is asked again, freshly. */
  again(): LiveEndpoint | null {
    if (this.endpoint !== null) this.#use(this.endpoint);
    return this.endpoint;
  }

  /** Whether a failure with `code` may be followed by another attempt: asked once for each. `hasSentBody`: see RetryFacts. */
  mayGoOn(code: ProxyErrorCode, policy: RoutePolicy, method: string, hasSentBody: boolean): boolean {
    const elapsedMs = this.#context.preciseNowMs() - this.#startedAtMs;
    if (code === 'connectFailed') this.#refusals++;
    return mayRetry(code, policy, { method, attempts: this.count, refusals: this.#refusals, elapsedMs, hasSentBody });
  }

  /** Notes how the attempt at hand ended: the status of its response, or the one its failure counts as. */
  note(status: number): void {
    const { accessLog } = this.#context.current.global;
    this.#record.endAttempt(status, accessLog ? this.#context.preciseNowMs() - this.#attemptStartedAtMs : 0);
  }

  /** Counts the endpoint in use out. */
  release(): void {
    if (this.endpoint === null || this.#isReleased) return;
    this.endpoint.inFlight--;
    this.#isReleased = true;
  }

  /** Forgets the table's objects: an idle client connection must not keep an old table alive. */
  clear(): void {
    this.#upstream = null;
    this.endpoint = null;
    this.#tried = null;
  }

  #pick(): LiveEndpoint | null {
    const endpoint = this.#upstream?.pick(this.#tried) ?? null;
    if (endpoint === null) return null;
    this.count++;
    this.#use(endpoint);
    return endpoint;
  }

  #use(endpoint: LiveEndpoint): void {
    this.endpoint = endpoint;
    this.#isReleased = false;
    endpoint.inFlight++;
    this.#record.beginAttempt(endpoint);
    // Only the access log shows when attempts began and ended; the first one begins with the request.
    if (!this.#context.current.global.accessLog) return;
    this.#attemptStartedAtMs = this.#record.attemptCount === 1 ? this.#startedAtMs : this.#context.preciseNowMs();
  }
}
