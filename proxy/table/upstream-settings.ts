// Settings of an upstream beside its endpoints: how one is picked, when one is left out, and how much may wait.
//
// Only data, as everything in the table. Numbers of requests and connections hold for the whole process, not per worker.

import type { Template } from './template.ts';

/** How an endpoint is picked for an attempt. Affinity of the route comes before it. */
export type BalancerSettings =
  /** In turn, smooth and weighted. */
  | { readonly kind: 'roundRobin' }
  /** The better of two random endpoints by exponentially weighted response time (ingress-nginx `ewma`). */
  | { readonly kind: 'ewma' }
  | { readonly kind: 'leastConnections' }
  | { readonly kind: 'randomTwoChoices' }
  | ConsistentHashSettings
  /** By client address (IPVS `sh`). */
  | { readonly kind: 'sourceHash' }
  /** By host and path of the request (IPVS `dh`, whose destination is an address; here it is what is asked for). */
  | { readonly kind: 'destinationHash' }
  /** (in flight + 1) / weight (IPVS `sed`). */
  | { readonly kind: 'shortestExpectedDelay' }
  /** An idle endpoint if there is one, else as `shortestExpectedDelay` (IPVS `nq`). */
  | { readonly kind: 'neverQueue' };

/** Requests with an equal key go to one endpoint, or to one group of endpoints (ingress-nginx `upstream-hash-by`). */
export interface ConsistentHashSettings {
  readonly kind: 'consistentHash';
  readonly key: Template;
  /** Endpoints in a group (`upstream-hash-by-subset`), at least 1; null: the key chooses one endpoint. */
  readonly subsetSize: number | null;
  /** An endpoint with more than this many times the mean load is passed over; above 1. null: never. */
  readonly boundedLoadFactor: number | null;
}

export interface UpstreamHealth {
  /** What requests show. `default` is `defaultOutliers`, so that a table of thousands of upstreams stays small. */
  readonly passive: 'default' | 'off' | OutlierSettings;
  /** What probes show; null: no probes. */
  readonly active: ActiveCheck | null;
  /** A new endpoint's weight grows from nearly nothing to its own within this time. 0: it has all of it at once. */
  readonly slowStartMs: number;
}

/** When an endpoint is left out because of how it answers. A rule that is null does not eject. */
export interface OutlierSettings {
  /** Failed attempts in a row (connect errors, time-outs, resets, 502, 503, 504). */
  readonly consecutiveErrors: number | null;
  /** Percent of failed attempts in a window. */
  readonly errorRatePercent: number | null;
  /** Mean latency over a window, as a multiple of the median of all endpoints. */
  readonly latencyFactor: number | null;
  /** Window of the two rules above. */
  readonly windowMs: number;
  /** Attempts in a window below which the two rules say nothing. */
  readonly minRequests: number;
  /** First ejection; each further one in a row lasts longer by this, up to `maxEjectionMs`. */
  readonly ejectionMs: number;
  readonly maxEjectionMs: number;
  /** Percent of the endpoints that may be left out at one time; at least one stays. */
  readonly maxEjectedPercent: number;
}

/** Probes of every endpoint. */
export interface ActiveCheck {
  readonly probe: ProbeSettings;
  /** null: the endpoint's own. */
  readonly port: number | null;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Good probes in a row after which an endpoint is used again. */
  readonly healthyThreshold: number;
  /** Bad probes in a row after which it is not. */
  readonly unhealthyThreshold: number;
}

export type ProbeSettings =
  | { readonly kind: 'tcp' }
  /** GET; `host` null sends `address:port`. Statuses from `minStatus` to `maxStatus` are good. */
  | {
      readonly kind: 'http';
      /** Certificates are not verified, as towards HTTPS upstreams. */
      readonly overTls: boolean;
      readonly path: string;
      readonly host: string | null;
      readonly minStatus: number;
      readonly maxStatus: number;
    }
  /** grpc.health.v1.Health/Check; '' asks for the server as a whole. */
  | { readonly kind: 'grpc'; readonly overTls: boolean; readonly service: string };

/** Circuit breaking. null is no limit. What is over a limit waits, then is answered 503 with Retry-After. */
export interface UpstreamLimits {
  readonly maxConnections: number | null;
  readonly maxRequests: number | null;
  readonly maxConnectionsPerEndpoint: number | null;
  readonly maxRequestsPerEndpoint: number | null;
  /** Requests that may wait for a place; 0: none waits. */
  readonly maxPending: number;
  /** How long one may wait. */
  readonly pendingTimeoutMs: number;
  /** For Retry-After, whole seconds. */
  readonly retryAfterSeconds: number;
  /** A limit of requests that follows the response times, below the others; null: none. */
  readonly adaptive: AdaptiveLimitSettings | null;
}

/** Adaptive concurrency: as many requests at one time as the upstream answers without getting slower. */
export interface AdaptiveLimitSettings {
  /** The limit never falls below this, at least 1; nor rises above `maxRequests`. */
  readonly minRequests: number;
  readonly maxRequests: number;
  /** Percent by which responses may be slower than with few requests. */
  readonly tolerancePercent: number;
  /** How often response times with few requests are measured. */
  readonly measureEveryMs: number;
}

/** Endpoints whose `zones` name `zone` come first. */
export interface ZonePreference {
  /** Zone of the node this process runs on. */
  readonly zone: string;
  /** When less than this percent of the near endpoints can be picked, the others are used as well. */
  readonly minUsablePercent: number;
}
