// The routing table: the whole contract between the control plane and the workers. The proxy owns these types, the
// controller only fills them.
//
// Only JSON values: no class, function, Map, Date or undefined, so that encode/decode gives an equal value and a table
// can be printed. Read-only by type. Order that matters is fixed by the compiler and kept by the workers: `routes` of a
// virtual host stand in matching order; all other lists are sorted by their id in code-unit order. No key material is
// in the table: certificates are named by id, the pairs travel beside it (`CertificateMaterial`).

import type { BodyLimits } from './body-limits.ts';
import type { MirrorLimits } from './mirror-limits.ts';
import type { PeerLimits } from './peer-limits.ts';
import type {
  AffinitySettings,
  BandwidthLimit,
  CanaryMatch,
  ConnectionLimitFilter,
  HedgeSettings,
  MirrorSettings,
  RateLimitFilter,
  RetryBudget,
} from './route-settings.ts';
import type { BindSettings, ProxyProtocolSettings, StreamSettings } from './stream-settings.ts';
import type { UpstreamHttp2Settings, UpstreamProtocol, UpstreamTls } from './upstream-protocol.ts';
import type { BalancerSettings, UpstreamHealth, UpstreamLimits, ZonePreference } from './upstream-settings.ts';

/** `*` or a host name: lower case A-labels, no port, no trailing dot; `*.rest` for a wildcard; `_` for the catch-all. */
export type VirtualHostName = string;
/** `<namespace>-<service>-<port>`, as ingress-nginx names upstreams; `upstream-default-backend` for the global default. */
export type UpstreamId = string;
/** Hash of the certificate and key: a changed pair is a new id. */
export type CertificateId = string;
/** Hash of the policy's content: equal policies share one id. */
export type PolicyId = string;
/** `tcp:<port>` or `udp:<port>`. */
export type StreamId = string;
/** `<namespace>/<ingress>|<host>|<match kind>|<path>`: stable over recompiles. */
export type RouteId = string;

export interface RoutingTable {
  readonly format: 1;
  readonly global: GlobalSettings;
  readonly policies: Readonly<Record<PolicyId, RoutePolicy>>;
  /** Sorted by name. Always holds `_`. */
  readonly virtualHosts: readonly VirtualHost[];
  /** Sorted by id. */
  readonly upstreams: readonly Upstream[];
  /** Sorted by id. Every id named by a virtual host or by `global.defaultCertificate` is here. */
  readonly certificates: readonly CertificateInfo[];
  /** Sorted by id. */
  readonly streams: readonly StreamService[];
}

/** Settings of listeners and connections, from the ConfigMap; they apply without restart to the next request or connection. */
export interface GlobalSettings {
  /** Certificate for handshakes without SNI or with an unknown name. null only before the first compile. */
  readonly defaultCertificate: CertificateId | null;
  /** ConfigMap `keep-alive`: idle time of a client connection between requests. 0 disables keep-alive. */
  readonly clientKeepAliveMs: number;
  /** ConfigMap `keep-alive-requests`: the connection is closed after this many. */
  readonly clientKeepAliveRequests: number;
  /** ConfigMap `client-header-timeout`. */
  readonly clientHeaderTimeoutMs: number;
  /** ConfigMap `client-body-timeout`: between two reads of a request body. */
  readonly clientBodyTimeoutMs: number;
  /** Largest request line, bytes (size of `large-client-header-buffers` or `client-header-buffer-size`): longer is 414. */
  readonly maxRequestLineBytes: number;
  /** Largest single header line, bytes (the same setting): longer is 431 (nginx answers 400). */
  readonly maxHeaderLineBytes: number;
  /** Largest request head, bytes (all those buffers together). */
  readonly maxHeadBytes: number;
  /** ConfigMap `sluice-max-header-count`; nginx has no such limit. */
  readonly maxHeaderCount: number;
  readonly http2: Http2Settings;
  readonly upstreamHttp2: UpstreamHttp2Settings;
  /** ConfigMap `upstream-keepalive-connections`: idle upstream connections per worker and upstream. 0 turns pooling off. */
  readonly upstreamKeepAliveConnections: number;
  readonly upstreamKeepAliveTimeoutMs: number;
  readonly upstreamKeepAliveRequests: number;
  readonly upstreamKeepAliveTimeMs: number;
  /** ConfigMap `worker-shutdown-timeout`: drain deadline. */
  readonly workerShutdownTimeoutMs: number;
  /** ConfigMap `use-forwarded-headers`: believe X-Forwarded-* of the client. */
  readonly useForwardedHeaders: boolean;
  /** ConfigMap `compute-full-forwarded-for`: append to X-Forwarded-For instead of replacing it. */
  readonly computeFullForwardedFor: boolean;
  /** ConfigMap `proxy-real-ip-cidr`: whose forwarding headers are believed when `useForwardedHeaders` is on. */
  readonly trustedCidrs: readonly string[];
  /** ConfigMap `generate-request-id`. */
  readonly generateRequestId: boolean;
  /** ConfigMap `enable-underscores-in-headers`: false drops header names with `_`, as nginx does. */
  readonly allowUnderscoreHeaders: boolean;
  /**
   * ConfigMap `ignore-invalid-headers`: "true" drops header names with anything but letters, digits, `-` and `_`. Deviation
   * (docs/differences.md): what is no token is refused with 400 always.
   */
  readonly allowUnusualHeaders: boolean;
  /** ConfigMap `server-tokens`: true sends `Server: sluice`. */
  readonly serverTokens: boolean;
  /** ConfigMap `allow-backend-server-header`. */
  readonly allowBackendServerHeader: boolean;
  /** Complete value of Strict-Transport-Security for responses on TLS connections; null when `hsts` is off. */
  readonly hstsValue: string | null;
  /** ConfigMap `ssl-protocols`: lowest and highest accepted version. */
  readonly minTlsVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly maxTlsVersion: 'TLSv1.2' | 'TLSv1.3';
  /** OpenSSL cipher string for TLS 1.2; null is the built-in list. */
  readonly tlsCiphers: string | null;
  /** ConfigMap `ssl-reject-handshake`: abort handshakes whose SNI no virtual host has. */
  readonly rejectUnknownSni: boolean;
  /** Access log: on unless `disable-access-log` or `disable-http-access-log`. */
  readonly accessLog: boolean;
  readonly accessLogForDefaultBackend: boolean;
  readonly peerLimits: PeerLimits;
  readonly mirrorLimits: MirrorLimits;
  readonly bodyLimits: BodyLimits;
  readonly proxyProtocol: ProxyProtocolSettings;
  readonly stream: StreamSettings;
  readonly bind: BindSettings;
}

/** HTTP/2 with clients. New connections use them; times, requests and sizes of HTTP/1.1 hold here as well. */
export interface Http2Settings {
  /** ConfigMap `use-http2`: offered on TLS connections. */
  readonly isEnabled: boolean;
  /** ConfigMap `sluice-http2-prior-knowledge`: plain connections may begin with the HTTP/2 preface (h2c). */
  readonly hasPriorKnowledge: boolean;
  /** ConfigMap `http2-max-concurrent-streams`. */
  readonly maxConcurrentStreams: number;
  /** ConfigMap `sluice-http2-stream-window`: request payload that one stream, and a connection, may have on its way. */
  readonly streamWindowBytes: number;
  /** ConfigMap `sluice-http2-connection-window`. */
  readonly connectionWindowBytes: number;
  /** ConfigMap `sluice-http2-max-connection-age`: GOAWAY at the next request after it. */
  readonly maxConnectionAgeMs: number;
  /** ConfigMap `sluice-http2-stall-timeout`: a client that takes nothing of a waiting response for so long is cut. */
  readonly stallTimeoutMs: number;
  /** ConfigMap `sluice-http2-reset-burst` and `-resets-per-second`: streams reset before their response is complete. */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
  /** ConfigMap `sluice-http2-control-burst` and `-controls-per-second`: control frames of each kind without other work. */
  readonly controlBurst: number;
  readonly controlsPerSecond: number;
}

/** One hostname and its ordered routes. */
export interface VirtualHost {
  readonly name: VirtualHostName;
  /** null: HTTPS requests for this host get the default certificate. */
  readonly certificate: CertificateId | null;
  /** TLS connections for the host go to this upstream as they are; null for most hosts. */
  readonly passthrough: UpstreamId | null;
  /** `path`: Kubernetes path types. `regex`: ingress-nginx's whole-host, case-insensitive regex mode (first match wins). */
  readonly mode: 'path' | 'regex';
  /** In matching order: see docs/design/0003-route-precedence.md. The last one may be the implicit `/` of the host. */
  readonly routes: readonly Route[];
}

/** Condition on the normalised request path. Prefix is element-wise: `/a` covers `/a` and `/a/b`, not `/ab`. */
export type PathMatch =
  | { readonly kind: 'exact'; readonly path: string }
  /** `path` without trailing slash; '' covers everything. */
  | { readonly kind: 'prefix'; readonly path: string }
  /** Only in `regex` mode: anchored at the start, case-insensitive. */
  | { readonly kind: 'regex'; readonly pattern: string };

export interface Route {
  readonly id: RouteId;
  readonly match: PathMatch;
  readonly policy: PolicyId;
  /** In execution order. Empty for most routes, which then cost nothing. */
  readonly filters: readonly Filter[];
  readonly target: RouteTarget;
  /** Copies of its requests; null for most routes. */
  readonly mirror: MirrorSettings | null;
  readonly labels: RouteLabels;
}

/** Names of the objects a route came from, for metrics, access log and `explain`. '' where there is none. */
export interface RouteLabels {
  readonly namespace: string;
  readonly ingress: string;
  readonly service: string;
  readonly servicePort: string;
  /** The Ingress path as written, not the request path. */
  readonly path: string;
}

export type RouteTarget =
  | UpstreamTarget
  /** The proxy answers itself: `reason` is a stable word for logs and metrics. */
  | { readonly kind: 'answer'; readonly status: number; readonly reason: AnswerReason };

/** Requests go to an upstream, or to that of a canary which takes them. */
export interface UpstreamTarget {
  readonly kind: 'upstream';
  readonly upstream: UpstreamId;
  /** Asked in this order, oldest Ingress first, while `upstream` has endpoints; empty for most routes. */
  readonly canaries: readonly Canary[];
  readonly affinity: AffinitySettings | null;
}

/** Other endpoints for part of the requests of a route. A canary without endpoints takes none. */
export interface Canary {
  readonly match: CanaryMatch;
  readonly upstream: UpstreamId;
  /** `sticky`: with affinity, a client stays on the side that took it first. `legacy`: it is asked anew each time. */
  readonly affinityBehavior: 'sticky' | 'legacy';
  /** Of the canary's Ingress. */
  readonly labels: RouteLabels;
}

/**
 * Why the proxy answers itself: `noBackend` (built-in 404), `denied` (a bad annotation closed the path, 503), `healthz`
 * (200 on `/healthz` of the catch-all host, for load balancers that probe the traffic port).
 */
export type AnswerReason = 'noBackend' | 'denied' | 'healthz';

/** One request or response step of a route. Each kind is one file in `proxy/filters/`. */
export type Filter = HttpsRedirectFilter | RateLimitFilter | ConnectionLimitFilter;

/** Redirects plain HTTP to HTTPS (ingress-nginx `ssl-redirect`, `force-ssl-redirect`). */
export interface HttpsRedirectFilter {
  readonly kind: 'httpsRedirect';
  /** ConfigMap `http-redirect-code`: 301, 302, 307 or 308. */
  readonly status: number;
  /** `use-port-in-redirects`: port to add, or null. */
  readonly port: number | null;
  /** `preserve-trailing-slash`: false removes one trailing slash of the whole request URI. */
  readonly preserveTrailingSlash: boolean;
}

/** How requests of a route are forwarded. Times in milliseconds, sizes in bytes. */
export interface RoutePolicy {
  readonly protocol: UpstreamProtocol;
  /** null: nginx's defaults. Says nothing where the protocol has no TLS. */
  readonly upstreamTls: UpstreamTls | null;
  readonly connectTimeoutMs: number;
  /** Between two writes to the upstream. */
  readonly sendTimeoutMs: number;
  /** Between two reads from the upstream; also the idle limit of an upgraded connection. */
  readonly readTimeoutMs: number;
  /** `proxy-buffer-size`: a longer response head is answered 502. HTTP/1.1 upstreams only. */
  readonly maxResponseHeadBytes: number;
  /** `proxy-body-size`; null is unlimited (the setting `0`). */
  readonly maxBodyBytes: number | null;
  /** `proxy-next-upstream-tries`: attempts in total; null is no limit (the setting `0`). */
  readonly maxAttempts: number | null;
  /** `proxy-next-upstream-timeout`: time in which attempts may start; null is no limit. */
  readonly retryTimeoutMs: number | null;
  /** Conditions of `proxy-next-upstream`; those that the data path does not know yet do nothing. */
  readonly retryOn: readonly RetryCondition[];
  /** Time from the start of an attempt to the head of its response; null: only the limits above hold. */
  readonly perTryTimeoutMs: number | null;
  /** null: no limit beside `maxAttempts`. */
  readonly retryBudget: RetryBudget | null;
  /**
   * What each request may have of its body in memory (`client-body-buffer-size`): before an endpoint is picked, which
   * `GlobalSettings.bodyLimits` extends, and kept for another attempt. 0: bodies are sent on as they come
   * (`proxy-request-buffering: off`).
   */
  readonly bufferRequestBytes: number;
  readonly hedge: HedgeSettings | null;
  /** `limit-rate`; null: responses are as fast as both sides allow. */
  readonly bandwidth: BandwidthLimit | null;
  readonly accessLog: boolean;
}

/** The words of `proxy-next-upstream`; `nonIdempotent` lets POST, LOCK and PATCH be sent again. */
export type RetryCondition =
  | 'error'
  | 'timeout'
  | 'invalidHeader'
  | 'http500'
  | 'http502'
  | 'http503'
  | 'http504'
  | 'http403'
  | 'http404'
  | 'http429'
  | 'nonIdempotent';

/** A named, load-balanced set of endpoints. */
export interface Upstream {
  readonly id: UpstreamId;
  readonly balancer: BalancerSettings;
  /** Sorted by address, then port; no duplicates. Empty: requests are answered 503. */
  readonly endpoints: readonly Endpoint[];
  readonly health: UpstreamHealth;
  /** null: no circuit breaking. */
  readonly limits: UpstreamLimits | null;
  /** null: zones do not matter. */
  readonly zone: ZonePreference | null;
}

/** A port that is not HTTP: connections or datagrams go to endpoints as they come. */
export interface StreamService {
  /** `tcp:<port>` or `udp:<port>`: one service per protocol and port. */
  readonly id: StreamId;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** Connections begin with a PROXY header that is not passed on (`:PROXY`). TCP only. */
  readonly expectsProxyHeader: boolean;
  /** Endpoints get a PROXY header first (`::PROXY`). TCP only. */
  readonly sendsProxyHeader: boolean;
  /** Its own, under the id of the service: two ports of one Service share nothing. */
  readonly upstream: Upstream;
  readonly labels: StreamLabels;
}

/** Names of the objects a stream service came from, for metrics and logs. */
export interface StreamLabels {
  readonly namespace: string;
  readonly service: string;
  readonly servicePort: string;
}

/** Where a connection goes. */
export interface EndpointAddress {
  /** IPv4 or IPv6 address, no brackets, never a name. */
  readonly address: string;
  readonly port: number;
}

export interface Endpoint extends EndpointAddress {
  /** Share of the requests relative to the other endpoints; a whole number from 1. */
  readonly weight: number;
  /**
   * Zones that the EndpointSlice recommends it for (`hints.forZones`), sorted; empty when it has no hints. The preferred
   * zone alone where topology-aware routing uses it, also for want of hints.
   */
  readonly zones: readonly string[];
  /** `terminating`: its Pod is going but still serves; used only while no other endpoint can be picked. */
  readonly state: 'ready' | 'terminating';
}

/** What may be shown of a certificate. */
export interface CertificateInfo {
  readonly id: CertificateId;
  /** Secret it came from, `namespace/name`; '' for the generated default. */
  readonly secret: string;
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Decimal. */
  readonly serialNumber: string;
  readonly issuerCommonName: string;
  readonly issuerOrganization: string;
  /** Go's names, as in ingress-nginx's metric: `RSA`, `ECDSA`, `Ed25519`. */
  readonly publicKeyAlgorithm: string;
}

/** A key pair on its way to the workers. Never logged, dumped or put in a table. */
export interface CertificateMaterial {
  readonly id: CertificateId;
  /** PEM, leaf first. */
  readonly certPem: string;
  readonly keyPem: string;
}
