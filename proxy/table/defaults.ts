// Settings of a worker before its first table, and a base for tests. The compiler writes every field of a real table.
// PURE. Values are ingress-nginx's defaults (configmap-and-flags.md).

import type { GlobalSettings, RoutePolicy } from './types.ts';

export const emptyGlobal: GlobalSettings = {
  defaultCertificate: null,
  clientKeepAliveMs: 75_000,
  clientKeepAliveRequests: 1000,
  clientHeaderTimeoutMs: 60_000,
  clientBodyTimeoutMs: 60_000,
  maxRequestLineBytes: 8 * 1024,
  maxHeaderLineBytes: 8 * 1024,
  maxHeadBytes: 32 * 1024,
  maxHeaderCount: 100,
  upstreamKeepAliveConnections: 320,
  upstreamKeepAliveTimeoutMs: 60_000,
  upstreamKeepAliveRequests: 10_000,
  upstreamKeepAliveTimeMs: 3_600_000,
  workerShutdownTimeoutMs: 240_000,
  useForwardedHeaders: false,
  computeFullForwardedFor: false,
  trustedCidrs: ['0.0.0.0/0'],
  generateRequestId: true,
  allowUnderscoreHeaders: false,
  serverTokens: false,
  allowBackendServerHeader: false,
  hstsValue: 'max-age=31536000; includeSubDomains',
  minTlsVersion: 'TLSv1.2',
  maxTlsVersion: 'TLSv1.3',
  tlsCiphers: null,
  rejectUnknownSni: false,
  accessLog: true,
  accessLogForDefaultBackend: false,
};

export const defaultPolicy: RoutePolicy = {
  protocol: 'http',
  connectTimeoutMs: 5_000,
  sendTimeoutMs: 60_000,
  readTimeoutMs: 60_000,
  maxBodyBytes: 1024 * 1024,
  maxAttempts: 3,
  retryTimeoutMs: null,
  retryOn: ['error', 'timeout'],
  accessLog: true,
};
