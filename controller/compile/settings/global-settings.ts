// Settings of listeners and connections for the routing table, from the ConfigMap alone.

import type { PeerLimits } from '#proxy/table/peer-limits.ts';
import type { GlobalSettings } from '#proxy/table/types.ts';
import { parseIpAddress } from '../../objects/ip-address.ts';
import { requestBufferMemory, requestBufferSize } from './configmap-bodies.ts';
import { maxWorkerConnections, workerShutdownTimeout } from './configmap-engine.ts';
import {
  computeFullForwardedFor,
  proxyProtocolHeaderTimeout,
  proxyRealIpCidr,
  useForwardedHeaders,
  useProxyProtocol,
} from './configmap-forwarding.ts';
import {
  allowBackendServerHeader,
  bindAddress,
  clientBodyTimeout,
  clientHeaderBufferSize,
  clientHeaderTimeout,
  disableIpv6,
  enableUnderscoresInHeaders,
  generateRequestId,
  ignoreInvalidHeaders,
  keepAlive,
  keepAliveRequests,
  largeClientHeaderBuffers,
  serverTokens,
} from './configmap-http.ts';
import { http2Settings } from './configmap-http2.ts';
import { disableAccessLog, disableHttpAccessLog, enableAccessLogForDefaultBackend } from './configmap-logging.ts';
import {
  mirrorMaxBodySize,
  mirrorMaxMemory,
  mirrorMaxRequests,
  mirrorMaxRequestsPerTarget,
  mirrorTimeout,
} from './configmap-mirroring.ts';
import {
  clientBodyMinRate,
  clientSendTimeout,
  maxHeaderCount,
  maxTlsHandshakes,
  tlsHandshakeTimeout,
  tunnelIdleTimeout,
  tunnelMaxDuration,
} from './configmap-peers.ts';
import {
  upstreamKeepaliveConnections,
  upstreamKeepaliveRequests,
  upstreamKeepaliveTime,
  upstreamKeepaliveTimeout,
} from './configmap-proxying.ts';
import { streamSettings } from './configmap-stream.ts';
import {
  hsts,
  hstsIncludeSubdomains,
  hstsMaxAge,
  hstsPreload,
  sslCiphers,
  sslProtocols,
  sslRejectHandshake,
} from './configmap-tls.ts';
import { upstreamHttp2Settings } from './configmap-upstream-http2.ts';
import { MAX_TIMER_MS, timerMs } from './durations.ts';
import type { GlobalValues } from './record.ts';

/** Everything in `GlobalSettings` that the ConfigMap decides; the default certificate is a Secret's. */
export function globalSettings(values: GlobalValues): Omit<GlobalSettings, 'defaultCertificate'> {
  return {
    ...clientSettings(values),
    ...upstreamPoolSettings(values),
    workerShutdownTimeoutMs: Math.min(values.get(workerShutdownTimeout), MAX_TIMER_MS),
    useForwardedHeaders: values.get(useForwardedHeaders),
    computeFullForwardedFor: values.get(computeFullForwardedFor),
    trustedCidrs: trustedNetworks(values.get(proxyRealIpCidr)),
    generateRequestId: values.get(generateRequestId),
    serverTokens: values.get(serverTokens),
    allowBackendServerHeader: values.get(allowBackendServerHeader),
    ...tlsSettings(values),
    accessLog: !values.get(disableAccessLog) && !values.get(disableHttpAccessLog),
    accessLogForDefaultBackend: values.get(enableAccessLogForDefaultBackend),
    peerLimits: peerLimits(values),
    mirrorLimits: {
      maxRequests: values.get(mirrorMaxRequests),
      maxRequestsPerTarget: values.get(mirrorMaxRequestsPerTarget),
      maxBodyBytes: values.get(mirrorMaxBodySize),
      maxMemoryBytes: values.get(mirrorMaxMemory),
      timeoutMs: timerMs(values.get(mirrorTimeout)),
    },
    bodyLimits: {
      maxBodyBytes: values.get(requestBufferSize),
      maxMemoryBytes: values.get(requestBufferMemory),
    },
    proxyProtocol: {
      isExpected: values.get(useProxyProtocol),
      headerTimeoutMs: Math.min(values.get(proxyProtocolHeaderTimeout), MAX_TIMER_MS),
    },
    stream: streamSettings(values),
    bind: {
      addresses: values.get(bindAddress).filter((text) => parseIpAddress(text) !== null),
      hasIpv6: !values.get(disableIpv6),
    },
  };
}

/**
 * Who trusts every IPv4 address, as the default does, means everybody. Without IPv6, a load balancer that speaks it would
 * not be believed, and its HTTPS requests be redirected to HTTPS for ever; nginx believes its X-Forwarded-Proto too.
 */
function trustedNetworks(cidrs: readonly string[]): readonly string[] {
  return cidrs.includes('0.0.0.0/0') && !cidrs.includes('::/0') ? [...cidrs, '::/0'] : cidrs;
}

function clientSettings(values: GlobalValues) {
  const { count, bytes } = values.get(largeClientHeaderBuffers);
  // nginx reads a line into its first buffer and moves it to a large one when it does not fit: the larger one decides.
  const first = values.get(clientHeaderBufferSize);
  const line = Math.max(bytes, first);
  return {
    clientKeepAliveMs: timerMs(values.get(keepAlive)),
    // nginx counts the current request first, so 0 also closes after one.
    clientKeepAliveRequests: Math.max(values.get(keepAliveRequests), 1),
    clientHeaderTimeoutMs: timerMs(values.get(clientHeaderTimeout)),
    clientBodyTimeoutMs: timerMs(values.get(clientBodyTimeout)),
    maxRequestLineBytes: line,
    maxHeaderLineBytes: line,
    maxHeadBytes: first + count * bytes,
    maxHeaderCount: values.get(maxHeaderCount),
    http2: http2Settings(values),
    upstreamHttp2: upstreamHttp2Settings(values),
    // Without ignore-invalid-headers nginx passes on every name, those with underscores too.
    allowUnderscoreHeaders: values.get(enableUnderscoresInHeaders) || !values.get(ignoreInvalidHeaders),
    allowUnusualHeaders: !values.get(ignoreInvalidHeaders),
  };
}

function peerLimits(values: GlobalValues): PeerLimits {
  return {
    maxConnections: nullIfZero(values.get(maxWorkerConnections)),
    maxHandshakes: values.get(maxTlsHandshakes),
    handshakeTimeoutMs: timerMs(values.get(tlsHandshakeTimeout)),
    minBodyRate: values.get(clientBodyMinRate),
    clientSendTimeoutMs: timerMs(values.get(clientSendTimeout)),
    tunnelIdleTimeoutMs: nullIfZero(timerMs(values.get(tunnelIdleTimeout))),
    tunnelMaxDurationMs: nullIfZero(timerMs(values.get(tunnelMaxDuration))),
  };
}

function nullIfZero(value: number): number | null {
  return value === 0 ? null : value;
}

function upstreamPoolSettings(values: GlobalValues) {
  return {
    upstreamKeepAliveConnections: values.get(upstreamKeepaliveConnections),
    upstreamKeepAliveTimeoutMs: timerMs(values.get(upstreamKeepaliveTimeout)),
    upstreamKeepAliveRequests: values.get(upstreamKeepaliveRequests),
    upstreamKeepAliveTimeMs: Math.min(values.get(upstreamKeepaliveTime), MAX_TIMER_MS),
  };
}

function tlsSettings(
  values: GlobalValues,
): Pick<GlobalSettings, 'hstsValue' | 'minTlsVersion' | 'maxTlsVersion' | 'tlsCiphers' | 'rejectUnknownSni'> {
  const protocols = values.get(sslProtocols);
  const ciphers = values.get(sslCiphers);
  return {
    hstsValue: hstsValue(values),
    // The type of the key makes sure that one of the two is named.
    minTlsVersion: protocols.includes('TLSv1.2') ? 'TLSv1.2' : 'TLSv1.3',
    maxTlsVersion: protocols.includes('TLSv1.3') ? 'TLSv1.3' : 'TLSv1.2',
    tlsCiphers: ciphers === '' ? null : ciphers,
    rejectUnknownSni: values.get(sslRejectHandshake),
  };
}

/** RFC 6797 §6.1, in the order ingress-nginx writes it. */
function hstsValue(values: GlobalValues): string | null {
  if (!values.get(hsts)) return null;
  const parts = [`max-age=${values.get(hstsMaxAge)}`];
  if (values.get(hstsIncludeSubdomains)) parts.push('includeSubDomains');
  if (values.get(hstsPreload)) parts.push('preload');
  return parts.join('; ');
}
