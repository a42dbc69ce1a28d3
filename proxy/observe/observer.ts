// What is noted about one finished request. The record is reused: whoever wants to keep something copies it.

import type { RequestHead } from '../http/request-head.ts';
import type { IndexedRoute } from '../match/index.ts';
import type { EndpointAddress } from '../table/types.ts';

/** One try at one endpoint. */
export interface UpstreamAttempt {
  endpoint: EndpointAddress;
  /** Status the endpoint answered, or the 502 or 504 its failure counts as; 0 when it was given up before either. */
  status: number;
  /** From picking the endpoint to its response head or failure. */
  durationMs: number;
}

/** What the client's side of a request adds to its record. */
export interface RecordedClient {
  readonly isTls: boolean;
  readonly head: RequestHead;
}

/** One finished request. Reused by its connection: valid only during `Observer.onRequest`. */
export class RequestRecord {
  revision = 0;
  route: IndexedRoute | null = null;
  /** Name of the virtual host that matched, '' when the head was refused. */
  virtualHost = '';
  /** The client's: what a trusted peer says it is, else the peer's own. */
  remoteAddress = '';
  isTls = false;
  /** null when the head was refused. */
  head: RequestHead | null = null;
  requestId = '';
  /** Upstream of the canary that took the request; '' when none did. */
  canary = '';
  /** Final status; 499 when the client went away first, 101 for an upgrade. */
  status = 0;
  /** '' or the stable word of the fault or answer: `noBackend`, `upstreamTimeout`, `badHost` ... */
  reason = '';
  /** What the system or the parser said of the last failed attempt, for people; '' when none failed. */
  detail = '';
  requestBytes = 0;
  responseBytes = 0;
  /** Payload of the upstream. */
  responseBodyBytes = 0;
  /** Body of an answer of the proxy's own. */
  answerBodyBytes = 0;
  durationMs = 0;
  // The three times of the upstream say something only when there was exactly one attempt.
  /** Until the connection was open: 0 for one that was open before, -1 when none was. */
  connectMs = -1;
  /** From picking the endpoint to its response head; -1 when none came. */
  headerMs = -1;
  /** From picking the endpoint to the end of the request; -1 without an endpoint. */
  upstreamMs = -1;
  /** Of the attempts only the first `attemptCount` count; the objects are reused. */
  readonly attempts: UpstreamAttempt[] = [];
  attemptCount = 0;
  /** Place of the attempt in use, which is not the last one when that was a hedge that lost. */
  attemptAt = 0;

  /** Gives its place among the attempts. */
  beginAttempt(endpoint: EndpointAddress): number {
    const reused = this.attempts[this.attemptCount];
    if (reused === undefined) this.attempts.push({ endpoint, status: 0, durationMs: 0 });
    else {
      reused.endpoint = endpoint;
      reused.status = 0;
      reused.durationMs = 0;
    }
    return this.attemptCount++;
  }

  /** `at`: which attempt, since two can be under way. */
  endAttempt(at: number, status: number, durationMs: number): void {
    const attempt = this.attempts[at];
    if (attempt === undefined) return;
    attempt.status = status;
    attempt.durationMs = durationMs;
  }

  reset(): void {
    this.route = null;
    this.virtualHost = '';
    this.requestId = '';
    this.canary = '';
    this.status = 0;
    this.reason = '';
    this.detail = '';
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.responseBodyBytes = 0;
    this.answerBodyBytes = 0;
    this.connectMs = -1;
    this.headerMs = -1;
    this.upstreamMs = -1;
    this.attemptCount = 0;
    this.attemptAt = 0;
  }

  /** Begins the record of a request that ended before it was routed: only the connection's peer is known. */
  beginUnrouted(remoteAddress: string, revision: number, status: number, reason: string): void {
    this.reset();
    this.remoteAddress = remoteAddress;
    this.revision = revision;
    this.status = status;
    this.reason = reason;
    this.durationMs = 0;
  }

  /** Tells the observer that the request is over. `isRefused`: its head was none. */
  report(observer: Observer, client: RecordedClient, responseBytes: number, isRefused: boolean): void {
    this.isTls = client.isTls;
    this.head = isRefused ? null : client.head;
    if (!isRefused) this.requestBytes += client.head.text.length;
    this.responseBytes = responseBytes;
    observer.onRequest(this);
    // Whatever keeps the record, a free stream or an idle connection, must not keep an old table alive.
    this.route = null;
  }
}

export interface Observer {
  onRequest(record: RequestRecord): void;
  onConnectionOpened(isTls: boolean): void;
  onConnectionClosed(isTls: boolean): void;
}
