// Whether a failed attempt may be followed by another one. Pure.

import { isIdempotent } from '../http/request-head.ts';
import type { RoutePolicy } from '../table/types.ts';
import { PROXY_ERRORS, type ProxyErrorCode } from './errors.ts';

export interface RetryFacts {
  readonly method: string;
  /** Attempts made so far, the failed one included. */
  readonly attempts: number;
  /** Those of them whose connection was refused, the failed one included. */
  readonly refusals: number;
  readonly elapsedMs: number;
  /** Body bytes have left the proxy and cannot be sent again. */
  readonly hasSentBody: boolean;
}

/**
 * Nothing is sent twice that may have been processed, unless the method allows it (RFC 9110 §9.2.2) or the operator
 * does (`non_idempotent`). A connection that never opened carried nothing, so any method may go elsewhere.
 */
export function mayRetry(code: ProxyErrorCode, policy: RoutePolicy, facts: RetryFacts): boolean {
  const { retry, condition } = PROXY_ERRORS[code];
  if (retry === 'never' || facts.hasSentBody) return false;
  // A stale pooled connection is our own bad luck, not a failed attempt: no condition and no count switches this off. It
  // cannot repeat, since the next connection is a new one.
  if (code !== 'staleConnection') {
    if (!policy.retryOn.includes(condition)) return false;
    if (isLastAttempt(policy, facts)) return false;
  }
  if (policy.retryTimeoutMs !== null && facts.elapsedMs >= policy.retryTimeoutMs) return false;
  return retry === 'always' || policy.retryOn.includes('nonIdempotent') || isIdempotent(facts.method);
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
