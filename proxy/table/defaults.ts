// Settings of a worker before its first table, the parts of a table that ask for nothing special, and a base for tests.
// The compiler writes every field of a real table.
// PURE. Values are ingress-nginx's defaults (configmap-and-flags.md).

import { defaultBodyLimits } from './body-limits.ts';
import { defaultMirrorLimits } from './mirror-limits.ts';
import { defaultPeerLimits } from './peer-limits.ts';
import { defaultBind, defaultProxyProtocol, defaultStreamSettings } from './stream-settings.ts';
import type {
  Endpoint,
  GlobalSettings,
  Http2Settings,
  RoutePolicy,
  Upstream,
  UpstreamId,
  UpstreamTarget,
} from './types.ts';
import { defaultUpstreamHttp2 } from './upstream-protocol.ts';
import type { OutlierSettings, UpstreamHealth } from './upstream-settings.ts';

export const defaultHttp2: Http2Settings = {
  isEnabled: true,
  hasPriorKnowledge: false,
  maxConcurrentStreams: 128,
  streamWindowBytes: 128 * 1024,
  connectionWindowBytes: 2 * 1024 * 1024,
  maxConnectionAgeMs: 3_600_000,
  stallTimeoutMs: 60_000,
  resetBurst: 400,
  resetsPerSecond: 50,
  controlBurst: 1000,
  controlsPerSecond: 100,
};

export const emptyGlobal: GlobalSettings = {
  defaultCertificate: null,
  clientKeepAliveMs: 75_000,
  clientKeepAliveRequests: 1000,
  clientHeaderTimeoutMs: 60_000,
  clientBodyTimeoutMs: 60_000,
  maxRequestLineBytes: 8 * 1024,
  maxHeaderLineBytes: 8 * 1024,
  maxHeadBytes: 33 * 1024,
  maxHeaderCount: 100,
  http2: defaultHttp2,
  upstreamHttp2: defaultUpstreamHttp2,
  upstreamKeepAliveConnections: 320,
  upstreamKeepAliveTimeoutMs: 60_000,
  upstreamKeepAliveRequests: 10_000,
  upstreamKeepAliveTimeMs: 3_600_000,
  workerShutdownTimeoutMs: 240_000,
  useForwardedHeaders: false,
  computeFullForwardedFor: false,
  trustedCidrs: ['0.0.0.0/0', '::/0'],
  generateRequestId: true,
  allowUnderscoreHeaders: false,
  allowUnusualHeaders: false,
  serverTokens: false,
  allowBackendServerHeader: false,
  hstsValue: 'max-age=31536000; includeSubDomains',
  minTlsVersion: 'TLSv1.2',
  maxTlsVersion: 'TLSv1.3',
  tlsCiphers: null,
  rejectUnknownSni: false,
  accessLog: true,
  accessLogForDefaultBackend: false,
  peerLimits: defaultPeerLimits,
  mirrorLimits: defaultMirrorLimits,
  bodyLimits: defaultBodyLimits,
  proxyProtocol: defaultProxyProtocol,
  stream: defaultStreamSettings,
  bind: defaultBind,
};

export const defaultPolicy: RoutePolicy = {
  protocol: 'http',
  upstreamTls: null,
  connectTimeoutMs: 5_000,
  sendTimeoutMs: 60_000,
  readTimeoutMs: 60_000,
  maxResponseHeadBytes: 4 * 1024,
  maxBodyBytes: 1024 * 1024,
  maxAttempts: 3,
  retryTimeoutMs: null,
  retryOn: ['error', 'timeout'],
  perTryTimeoutMs: null,
  retryBudget: null,
  bufferRequestBytes: 8 * 1024,
  hedge: null,
  bandwidth: null,
  accessLog: true,
};

/** Health of an upstream without settings of its own. */
export const defaultHealth: UpstreamHealth = { passive: 'default', active: null, slowStartMs: 0 };

/**
 * What `passive: 'default'` means. ingress-nginx ejects nothing, so this is cautious: errors in a row only, since latency
 * and error rates differ too much between applications, and never more than half of the endpoints.
 */
export const defaultOutliers: OutlierSettings = {
  consecutiveErrors: 5,
  errorRatePercent: null,
  latencyFactor: null,
  windowMs: 10_000,
  minRequests: 20,
  ejectionMs: 5_000,
  maxEjectionMs: 60_000,
  maxEjectedPercent: 50,
};

/** A ready endpoint of weight 1 without zones. */
export function plainEndpoint(address: string, port: number): Endpoint {
  return { address, port, weight: 1, zones: [], state: 'ready' };
}

/** An upstream without settings of its own. `endpoints` must be sorted, see `Upstream`. */
export function plainUpstream(id: UpstreamId, endpoints: readonly Endpoint[]): Upstream {
  return { id, balancer: { kind: 'roundRobin' }, endpoints, health: defaultHealth, limits: null, zone: null };
}

/** A target without canaries and affinity. */
export function plainTarget(upstream: UpstreamId): UpstreamTarget {
  return { kind: 'upstream', upstream, canaries: [], affinity: null };
}
