// Whether an attempt that failed, or whose answer the route does not want, may be followed by another one. Pure.

import { isIdempotent } from '../http/request-head.ts';
import type { RetryCondition, RoutePolicy } from '../table/types.ts';
import { isStale, PROXY_ERRORS, type ProxyErrorCode } from './errors.ts';

export interface RetryFacts {
  readonly method: string;
  /** Attempts made so far, the failed one included. */
  readonly attempts: number;
  /** Those of them whose connection was refused, the failed one included. */
  readonly refusals: number;
  readonly elapsedMs: number;
  /** No body byte has left the proxy, or all that did can be sent again. */
  readonly canSend: boolean;
}

/**
 * Nothing is sent twice that may have been processed, unless the method allows it (RFC 9110 §9.2.2) or the operator
 * does (`non_idempotent`). A connection that never opened carried nothing, so any method may go elsewhere.
 */
export function mayRetry(code: ProxyErrorCode, policy: RoutePolicy, facts: RetryFacts): boolean {
  const { retry, condition } = PROXY_ERRORS[code];
  if (retry === 'never') return false;
  if (retry !== 'always' && !mayRepeat(facts.method, policy)) return false;
  // A stale pooled connection is our own bad luck, not a failed attempt: no condition and no count switches this off. It
  // cannot repeat, since the next connection is a new one.
  return isStale(code) ? isInTime(policy, facts) : isAllowed(condition, policy, facts);
}

/** The same for an answer with `status`, of which the client has seen nothing. */
export function mayRetryStatus(status: number, policy: RoutePolicy, facts: RetryFacts): boolean {
  const condition = conditionOf(status);
  return condition !== null && mayRepeat(facts.method, policy) && isAllowed(condition, policy, facts);
}

/** Whether the route prefers any other answer to one with `status`. */
export function isUnwanted(status: number, { retryOn }: RoutePolicy): boolean {
  const condition = conditionOf(status);
  return condition !== null && retryOn.includes(condition);
}

/** Whether a request may be sent again although it may have been processed. */
export function mayRepeat(method: string, { retryOn }: RoutePolicy): boolean {
  return isIdempotent(method) || retryOn.includes('nonIdempotent');
}

function isAllowed(condition: RetryCondition, policy: RoutePolicy, facts: RetryFacts): boolean {
  return policy.retryOn.includes(condition) && !isLastAttempt(policy, facts) && isInTime(policy, facts);
}

function isInTime({ retryTimeoutMs }: RoutePolicy, { canSend, elapsedMs }: RetryFacts): boolean {
  return canSend && (retryTimeoutMs === null || elapsedMs < retryTimeoutMs);
}

/** The word of `proxy-next-upstream` for a status; null when there is none. */
function conditionOf(status: number): RetryCondition | null {
  switch (status) {
    case 403:
      return 'http403';
    case 404:
      return 'http404';
    case 429:
      return 'http429';
    case 500:
      return 'http500';
    case 502:
      return 'http502';
    case 503:
      return 'http503';
    case 504:
      return 'http504';
    default:
      return null;
  }
}

/**
 * Deviation: ingress-nginx counts every attempt. When a Deployment rolls over, several pods are gone some milliseconds
 * before their slice says so; three of them in a row would be a 502 while the others are fine. A refusal comes at once and
 * carried nothing, so it does not use up an attempt, for as long as opening a single connection may take. No endpoint is
 * asked twice, so there are no more of them than endpoints. A limit of one attempt is kept: it forbids any other endpoint.
 */
function isLastAttempt({ maxAttempts, connectTimeoutMs }: RoutePolicy, facts: RetryFacts): boolean {
  if (maxAttempts === null || facts.attempts < maxAttempts) return false;
  const areRefusalsFree = maxAttempts > 1 && facts.elapsedMs < connectTimeoutMs;
  return !areRefusalsFree || facts.attempts - facts.refusals >= maxAttempts;
}
