// Settings of a route beside match, policy and target: affinity, limits, mirroring, further attempts.
//
// Only data, as everything in the table.

import type { Template } from './template.ts';

/** Session affinity by cookie (ingress-nginx `affinity: cookie`). */
export interface AffinitySettings {
  /** `balanced`: the cookie is a key of a consistent hash. `persistent`: it names an endpoint, while that exists. */
  readonly mode: 'balanced' | 'persistent';
  readonly cookie: AffinityCookie;
  /** After a failed attempt: true takes another endpoint and rewrites the cookie, false tries the same one again. */
  readonly changeOnFailure: boolean;
  /**
   * Whether clients without a cookie get one. False on routes of Ingresses that do not ask for affinity, but whose Service
   * has it by another one: who comes with a cookie is kept there too, as by ingress-nginx.
   */
  readonly setsCookie: boolean;
}

/** Attributes of the affinity cookie. It is always HttpOnly. */
export interface AffinityCookie {
  readonly name: string;
  /** `session-cookie-path`, else the Ingress path of the route. */
  readonly path: string;
  readonly domain: string | null;
  readonly sameSite: 'None' | 'Lax' | 'Strict' | null;
  /** Leaves `SameSite=None` out for user agents known to mishandle it. */
  readonly conditionalSameSiteNone: boolean;
  /** true: always Secure. false: Secure on HTTPS only. */
  readonly secure: boolean;
  /** `Expires` is now plus this; null: no such attribute. */
  readonly expiresSeconds: number | null;
  readonly maxAgeSeconds: number | null;
}

/**
 * Which requests a canary takes, asked in this order: header, cookie, weight (routing-semantics §9). A rule that is null
 * says nothing; the first that decides ends the questions.
 */
export interface CanaryMatch {
  readonly header: CanaryHeader | null;
  /** Name of the cookie whose value `always` or `never` decides. */
  readonly cookie: string | null;
  /** Share of the remaining requests, out of `weightTotal`. */
  readonly weight: number;
  /** At least 100. */
  readonly weightTotal: number;
}

export interface CanaryHeader {
  /** Lower case, dashes. */
  readonly name: string;
  /**
   * `words`: `always` and `never` decide. `value`: this value takes the canary. `pattern`: a value in which the
   * expression is found does. Other values leave the decision to the next rule.
   */
  readonly rule:
    | { readonly kind: 'words' }
    | { readonly kind: 'value'; readonly value: string }
    | { readonly kind: 'pattern'; readonly pattern: string };
}

/** Requests in a time per client (`limit-rps`, `limit-rpm`): nginx's leaky bucket, excess within the burst at once. */
export interface RateLimitFilter {
  readonly kind: 'rateLimit';
  /** Filters with one zone share their counters: `<namespace>/<ingress>`. */
  readonly zone: string;
  /** Tells clients apart. A request whose key is empty is not limited. */
  readonly key: Template;
  /** At least 1. */
  readonly requests: number;
  readonly per: 'second' | 'minute';
  /** Requests beyond the rate that are served. */
  readonly burst: number;
  /** Clients that are not counted. */
  readonly allowCidrs: readonly string[];
  /** ConfigMap `limit-req-status-code`. */
  readonly status: number;
}

/** Requests at one time per client (`limit-connections`). */
export interface ConnectionLimitFilter {
  readonly kind: 'connectionLimit';
  /** As in `RateLimitFilter`. */
  readonly zone: string;
  readonly key: Template;
  /** At least 1. */
  readonly max: number;
  readonly allowCidrs: readonly string[];
  /** ConfigMap `limit-conn-status-code`. */
  readonly status: number;
}

/** Copies of requests (ingress-nginx `mirror-target`). */
export interface MirrorSettings {
  /** The complete URL of a copy. */
  readonly target: Template;
  /** Host header of the copies. */
  readonly host: string;
  readonly sendBody: boolean;
}

/** Bandwidth of one response (`limit-rate`, `limit-rate-after`). */
export interface BandwidthLimit {
  readonly bytesPerSecond: number;
  /** First part of the response that is not slowed. */
  readonly afterBytes: number;
}

/** How many of the requests of a route may lead to further attempts, so that these do not become a storm. */
export interface RetryBudget {
  /** Percent of the requests of the last ten seconds. */
  readonly percent: number;
  /** Retries that are always allowed, per second. */
  readonly minPerSecond: number;
}

/** A second attempt while the first is still waiting for its response. Idempotent requests only. */
export interface HedgeSettings {
  /** From the end of the request, or from the first attempt if it has no body. */
  readonly afterMs: number;
  /** Second attempts; each also counts in the retry budget, where there is one. */
  readonly budget: RetryBudget;
}
