// The settings of listeners and connections.

import { expect, test } from '@jest/globals';
import { defaultBodyLimits } from '#proxy/table/body-limits.ts';
import { defaultMirrorLimits } from '#proxy/table/mirror-limits.ts';
import { defaultPeerLimits } from '#proxy/table/peer-limits.ts';
import { defaultBind, defaultProxyProtocol, defaultStreamSettings } from '#proxy/table/stream-settings.ts';
import type { GlobalSettings } from '#proxy/table/types.ts';
import { globalSettings } from './global-settings.ts';
import { settings } from './testing/inputs.ts';

const defaults = globalSettings(settings({}).values);

test('the defaults of ingress-nginx', () => {
  expect(defaults).toEqual({
    clientKeepAliveMs: 75_000,
    clientKeepAliveRequests: 1000,
    clientHeaderTimeoutMs: 60_000,
    clientBodyTimeoutMs: 60_000,
    maxRequestLineBytes: 8192,
    maxHeaderLineBytes: 8192,
    maxHeadBytes: 33_792,
    maxHeaderCount: 100,
    http2: {
      isEnabled: true,
      hasPriorKnowledge: false,
      maxConcurrentStreams: 128,
      streamWindowBytes: 131_072,
      connectionWindowBytes: 2_097_152,
      maxConnectionAgeMs: 3_600_000,
      stallTimeoutMs: 60_000,
      resetBurst: 400,
      resetsPerSecond: 50,
      controlBurst: 1000,
      controlsPerSecond: 100,
    },
    upstreamHttp2: {
      maxConcurrentStreams: 128,
      streamWindowBytes: 65_536,
      pingIntervalMs: 20_000,
      pingTimeoutMs: 10_000,
    },
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
    tlsCiphers:
      'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256',
    rejectUnknownSni: false,
    accessLog: true,
    accessLogForDefaultBackend: false,
    peerLimits: defaultPeerLimits,
    mirrorLimits: defaultMirrorLimits,
    bodyLimits: defaultBodyLimits,
    proxyProtocol: defaultProxyProtocol,
    stream: defaultStreamSettings,
    bind: defaultBind,
  });
});

const cases: readonly [Record<string, string>, Partial<GlobalSettings>][] = [
  [{ 'keep-alive': '0' }, { clientKeepAliveMs: 0 }],
  [{ 'keep-alive': '99999999' }, { clientKeepAliveMs: 2_147_483_647 }],
  [{ 'keep-alive-requests': '0' }, { clientKeepAliveRequests: 1 }],
  [{ 'client-header-timeout': '5' }, { clientHeaderTimeoutMs: 5000 }],
  [{ 'client-body-timeout': '6' }, { clientBodyTimeoutMs: 6000 }],
  [
    { 'large-client-header-buffers': '2 16k' },
    { maxRequestLineBytes: 16_384, maxHeaderLineBytes: 16_384, maxHeadBytes: 33_792 },
  ],
  [
    { 'client-header-buffer-size': '16k' },
    { maxRequestLineBytes: 16_384, maxHeaderLineBytes: 16_384, maxHeadBytes: 49_152 },
  ],
  [{ 'sluice-max-header-count': '7' }, { maxHeaderCount: 7 }],
  [{ 'max-worker-connections': '9' }, { peerLimits: { ...defaultPeerLimits, maxConnections: 9 } }],
  [{ 'max-worker-connections': '0' }, { peerLimits: { ...defaultPeerLimits, maxConnections: null } }],
  [{ 'sluice-mirror-max-requests': '0' }, { mirrorLimits: { ...defaultMirrorLimits, maxRequests: 0 } }],
  [
    { 'sluice-mirror-max-requests-per-target': '7' },
    { mirrorLimits: { ...defaultMirrorLimits, maxRequestsPerTarget: 7 } },
  ],
  [{ 'sluice-mirror-max-body-size': '2k' }, { mirrorLimits: { ...defaultMirrorLimits, maxBodyBytes: 2048 } }],
  [{ 'sluice-mirror-max-memory': '1m' }, { mirrorLimits: { ...defaultMirrorLimits, maxMemoryBytes: 1_048_576 } }],
  [{ 'sluice-request-buffer-size': '0' }, { bodyLimits: { ...defaultBodyLimits, maxBodyBytes: 0 } }],
  [{ 'sluice-request-buffer-memory': '1m' }, { bodyLimits: { ...defaultBodyLimits, maxMemoryBytes: 1_048_576 } }],
  [{ 'sluice-mirror-timeout': '9' }, { mirrorLimits: { ...defaultMirrorLimits, timeoutMs: 9000 } }],
  [{ 'sluice-max-tls-handshakes': '9' }, { peerLimits: { ...defaultPeerLimits, maxHandshakes: 9 } }],
  [{ 'sluice-tls-handshake-timeout': '9' }, { peerLimits: { ...defaultPeerLimits, handshakeTimeoutMs: 9000 } }],
  [{ 'sluice-client-body-min-rate': '0' }, { peerLimits: { ...defaultPeerLimits, minBodyRate: 0 } }],
  [{ 'sluice-client-send-timeout': '9' }, { peerLimits: { ...defaultPeerLimits, clientSendTimeoutMs: 9000 } }],
  [{ 'sluice-tunnel-idle-timeout': '9' }, { peerLimits: { ...defaultPeerLimits, tunnelIdleTimeoutMs: 9000 } }],
  [{ 'sluice-tunnel-max-duration': '9' }, { peerLimits: { ...defaultPeerLimits, tunnelMaxDurationMs: 9000 } }],
  [{ 'use-http2': 'false' }, { http2: { ...defaults.http2, isEnabled: false } }],
  [{ 'http2-max-concurrent-streams': '0' }, { http2: { ...defaults.http2, maxConcurrentStreams: 1 } }],
  [{ 'sluice-http2-stream-window': '1k' }, { http2: { ...defaults.http2, streamWindowBytes: 16_384 } }],
  [{ 'sluice-http2-connection-window': '8m' }, { http2: { ...defaults.http2, connectionWindowBytes: 8_388_608 } }],
  [{ 'sluice-http2-max-connection-age': '5m' }, { http2: { ...defaults.http2, maxConnectionAgeMs: 300_000 } }],
  [{ 'sluice-http2-prior-knowledge': 'true' }, { http2: { ...defaults.http2, hasPriorKnowledge: true } }],
  [{ 'sluice-http2-reset-burst': '7' }, { http2: { ...defaults.http2, resetBurst: 7 } }],
  [{ 'upstream-keepalive-connections': '0' }, { upstreamKeepAliveConnections: 0 }],
  [{ 'upstream-keepalive-timeout': '7' }, { upstreamKeepAliveTimeoutMs: 7000 }],
  [{ 'upstream-keepalive-requests': '8' }, { upstreamKeepAliveRequests: 8 }],
  [{ 'upstream-keepalive-time': '2h' }, { upstreamKeepAliveTimeMs: 7_200_000 }],
  [{ 'worker-shutdown-timeout': '1y' }, { workerShutdownTimeoutMs: 2_147_483_647 }],
  [{ 'use-forwarded-headers': 'true' }, { useForwardedHeaders: true }],
  [{ 'compute-full-forwarded-for': 'true' }, { computeFullForwardedFor: true }],
  [{ 'proxy-real-ip-cidr': '10.0.0.1, fd00::/8' }, { trustedCidrs: ['10.0.0.1/32', 'fd00::/8'] }],
  [{ 'proxy-real-ip-cidr': '0.0.0.0/0, 10.0.0.0/8' }, { trustedCidrs: ['0.0.0.0/0', '10.0.0.0/8', '::/0'] }],
  [{ 'proxy-real-ip-cidr': 'everyone' }, { trustedCidrs: [] }],
  [{ 'generate-request-id': 'false' }, { generateRequestId: false }],
  [{ 'enable-underscores-in-headers': 'true' }, { allowUnderscoreHeaders: true }],
  [{ 'ignore-invalid-headers': 'false' }, { allowUnderscoreHeaders: true, allowUnusualHeaders: true }],
  [{ 'server-tokens': 'true' }, { serverTokens: true }],
  [{ 'allow-backend-server-header': 'true' }, { allowBackendServerHeader: true }],
  [{ hsts: 'false' }, { hstsValue: null }],
  [{ 'hsts-max-age': '60', 'hsts-preload': 'true' }, { hstsValue: 'max-age=60; includeSubDomains; preload' }],
  [{ 'hsts-include-subdomains': 'false' }, { hstsValue: 'max-age=31536000' }],
  [{ 'ssl-protocols': 'TLSv1.3' }, { minTlsVersion: 'TLSv1.3' }],
  [{ 'ssl-protocols': 'TLSv1.2' }, { maxTlsVersion: 'TLSv1.2' }],
  [{ 'ssl-protocols': 'TLSv1 TLSv1.1 TLSv1.2 TLSv1.3' }, {}],
  [{ 'ssl-ciphers': 'ECDHE+AESGCM' }, { tlsCiphers: 'ECDHE+AESGCM' }],
  [{ 'ssl-ciphers': '' }, { tlsCiphers: null }],
  [{ 'ssl-reject-handshake': 'true' }, { rejectUnknownSni: true }],
  [{ 'disable-access-log': 'true' }, { accessLog: false, stream: { ...defaults.stream, accessLog: false } }],
  [{ 'disable-stream-access-log': 'true' }, { stream: { ...defaults.stream, accessLog: false } }],
  [
    { 'use-proxy-protocol': 'true', 'proxy-protocol-header-timeout': '1s' },
    { proxyProtocol: { isExpected: true, headerTimeoutMs: 1_000 } },
  ],
  [
    { 'proxy-stream-timeout': '10s', 'proxy-stream-next-upstream-tries': '0', 'proxy-stream-responses': '2' },
    { stream: { ...defaults.stream, idleTimeoutMs: 10_000, maxAttempts: null, udpResponses: 2 } },
  ],
  [{ 'proxy-stream-next-upstream': 'false' }, { stream: { ...defaults.stream, maxAttempts: 1 } }],
  [{ 'proxy-stream-next-upstream-timeout': '0' }, { stream: { ...defaults.stream, retryTimeoutMs: null } }],
  [
    { 'bind-address': '10.0.0.1,nonsense,fd00::1', 'disable-ipv6': 'true' },
    { bind: { addresses: ['10.0.0.1', 'fd00::1'], hasIpv6: false } },
  ],
  [{ 'disable-http-access-log': 'true' }, { accessLog: false }],
  [{ 'enable-access-log-for-default-backend': 'true' }, { accessLogForDefaultBackend: true }],
];

test.each(cases)('%j', (data, expected) => {
  expect(globalSettings(settings(data).values)).toEqual({ ...defaults, ...expected });
});
