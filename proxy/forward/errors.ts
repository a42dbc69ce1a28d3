// Everything that can go wrong with one request, in one table: status, who is blamed, what may be tried again.
//
// A fault of a head (`HeadFault`) is a client's bad request; a `ProxyErrorCode` is a request that failed on its way.

import type { HeadFault } from '../http/head-scanner.ts';

/** When another attempt is safe. `ifIdempotent`: the request may have been processed (RFC 9110 §9.2.2). */
export type RetryRule = 'never' | 'always' | 'ifIdempotent';

export type ProxyErrorCode = keyof typeof PROXY_ERRORS;

interface ErrorRule {
  readonly status: number;
  readonly side: 'client' | 'upstream' | 'proxy';
  readonly retry: RetryRule;
  /** The `proxy-next-upstream` word that must be on for a retry. */
  readonly condition: 'error' | 'timeout' | 'invalidHeader';
}

/** Statuses by routing-semantics §12: refused or reset 502, time-outs 504, no endpoint 503, client gone 499 (log only). */
export const PROXY_ERRORS = {
  noEndpoint: { status: 503, side: 'proxy', retry: 'never', condition: 'error' },
  /** As many requests wait for the upstream as may. */
  overloaded: { status: 503, side: 'proxy', retry: 'never', condition: 'error' },
  /** No place came free within `pending-timeout`. */
  pendingTimeout: { status: 503, side: 'proxy', retry: 'never', condition: 'error' },
  /** Each endpoint has as many requests as it may. */
  endpointsFull: { status: 503, side: 'proxy', retry: 'never', condition: 'error' },
  connectFailed: { status: 502, side: 'upstream', retry: 'always', condition: 'error' },
  connectTimeout: { status: 504, side: 'upstream', retry: 'always', condition: 'timeout' },
  upstreamClosed: { status: 502, side: 'upstream', retry: 'ifIdempotent', condition: 'error' },
  /** A pooled connection that the upstream had already closed: another connection is tried, also to the same endpoint. */
  staleConnection: { status: 502, side: 'upstream', retry: 'ifIdempotent', condition: 'error' },
  /** The same for a request that the upstream says it has not processed, so that any method may be sent again. */
  staleStream: { status: 502, side: 'upstream', retry: 'always', condition: 'error' },
  /** HTTP/2: the upstream has not processed the request, and says so (RFC 9113 §8.7). */
  streamRefused: { status: 502, side: 'upstream', retry: 'always', condition: 'error' },
  upstreamTimeout: { status: 504, side: 'upstream', retry: 'ifIdempotent', condition: 'timeout' },
  /** No response head within `per-try-timeout`. */
  perTryTimeout: { status: 504, side: 'upstream', retry: 'ifIdempotent', condition: 'timeout' },
  /** A gRPC call has taken longer than its client allows (`grpc-timeout`). */
  callTimeout: { status: 504, side: 'client', retry: 'never', condition: 'timeout' },
  sendTimeout: { status: 504, side: 'upstream', retry: 'ifIdempotent', condition: 'timeout' },
  /** The response head is none; never forwarded, so another endpoint may answer. */
  upstreamFault: { status: 502, side: 'upstream', retry: 'ifIdempotent', condition: 'invalidHeader' },
  /** Amid the response. Once the client has seen the head there is no other attempt. */
  upstreamTruncated: { status: 502, side: 'upstream', retry: 'ifIdempotent', condition: 'error' },
  bodyTooLarge: { status: 413, side: 'client', retry: 'never', condition: 'error' },
  badBody: { status: 400, side: 'client', retry: 'never', condition: 'error' },
  bodyTimeout: { status: 408, side: 'client', retry: 'never', condition: 'error' },
  bodyTooSlow: { status: 408, side: 'client', retry: 'never', condition: 'error' },
  /** The client takes nothing of its response: it is cut. */
  clientStalled: { status: 499, side: 'client', retry: 'never', condition: 'error' },
  clientGone: { status: 499, side: 'client', retry: 'never', condition: 'error' },
} as const satisfies Record<string, ErrorRule>;

/** The connection had ended before the request: that says nothing about the endpoint, which is asked again on a new one. */
export function isStale(code: ProxyErrorCode): boolean {
  return code === 'staleConnection' || code === 'staleStream';
}

/** The status a faulty request head is answered with. */
export function statusOfFault(fault: HeadFault): number {
  switch (fault) {
    case 'requestLineTooLong':
      return 414;
    case 'headersTooLarge':
    case 'tooManyHeaders':
      return 431;
    case 'badVersion':
      return 505;
    case 'badExpect':
      return 417;
    case 'methodNotAllowed':
      return 405;
    default:
      return 400;
  }
}
