// ConfigMap keys about HTTP/2 with clients: those of ingress-nginx (reference section B), and Sluice's own limits.

import type { Http2Settings } from '#proxy/table/types.ts';
import { ownUpstreamHttp2Keys } from './configmap-upstream-http2.ts';
import { configMapFamily } from './define.ts';
import { MAX_TIMER_MS } from './durations.ts';
import type { ConfigMapRecord, GlobalValues } from './record.ts';
import { bool, integer, integerFrom, optional, size, timeFromOne } from './types.ts';

const http2 = configMapFamily({ group: 'Client side HTTP', support: 'full' });
const own = configMapFamily({ group: "Client side HTTP/2 (Sluice's own)", support: 'full' });

/** Windows have 31 bits and hold one frame at least; a connection's cannot be made smaller than it begins. */
const MAX_WINDOW_BYTES = 0x7fffffff;
const MIN_STREAM_WINDOW_BYTES = 16_384;
const MIN_CONNECTION_WINDOW_BYTES = 65_535;

const useHttp2 = http2({ key: 'use-http2', type: bool, default: true, doc: 'Speaks HTTP/2 on HTTPS listeners.' });

const maxConcurrentStreams = http2({
  key: 'http2-max-concurrent-streams',
  type: integer,
  default: 128,
  doc: 'Requests at the same time on one HTTP/2 connection.',
});

/** In the order of the reference. */
export const http2Keys: readonly ConfigMapRecord<unknown>[] = [
  useHttp2,
  maxConcurrentStreams,
  http2({
    key: 'http2-max-field-size',
    type: optional(size),
    default: null,
    support: 'noEffect',
    doc: 'Deprecated in nginx: largest HTTP/2 header field.',
    note: 'nginx has dropped it for large-client-header-buffers, which holds for HTTP/2 as well',
  }),
  http2({
    key: 'http2-max-header-size',
    type: optional(size),
    default: null,
    support: 'noEffect',
    doc: 'Deprecated in nginx: largest HTTP/2 request head.',
    note: 'nginx has dropped it for large-client-header-buffers, which holds for HTTP/2 as well',
  }),
  http2({
    key: 'http2-max-requests',
    type: integer,
    default: 0,
    support: 'noEffect',
    doc: 'Deprecated in nginx: requests on one HTTP/2 connection.',
    note: 'nginx has dropped it for keep-alive-requests, which holds for HTTP/2 as well',
  }),
];

const priorKnowledge = own({
  key: 'sluice-http2-prior-knowledge',
  type: bool,
  default: false,
  doc: 'Takes HTTP/2 without TLS (h2c) from clients that begin with it on HTTP listeners; an upgrade from HTTP/1.1 is never taken.',
});
const streamWindow = own({
  key: 'sluice-http2-stream-window',
  type: size,
  default: 131_072,
  doc: 'Request payload that one stream may have on its way before the upstream has taken it; 16k or more.',
});
const connectionWindow = own({
  key: 'sluice-http2-connection-window',
  type: size,
  default: 2_097_152,
  doc: 'The same for all streams of a connection together; 64k or more. It bounds what a connection can hold in memory.',
});
const maxConnectionAge = own({
  key: 'sluice-http2-max-connection-age',
  type: timeFromOne,
  default: 3_600_000,
  doc: 'Age after which a connection is asked to end in good order (GOAWAY), at its next request.',
});
const stallTimeout = own({
  key: 'sluice-http2-stall-timeout',
  type: timeFromOne,
  default: 60_000,
  doc: 'A client that takes nothing of a waiting response for so long loses the stream, or the connection when all stand still.',
});
const resetBurst = own({
  key: 'sluice-http2-reset-burst',
  type: integerFrom(1),
  default: 400,
  doc: 'Streams of one connection that may be reset before their response, by the client or because of it, at once (CVE-2023-44487, CVE-2025-8671).',
});
const resetsPerSecond = own({
  key: 'sluice-http2-resets-per-second',
  type: integerFrom(0),
  default: 50,
  doc: 'How fast that allowance comes back.',
});
const controlBurst = own({
  key: 'sluice-http2-control-burst',
  type: integerFrom(1),
  default: 1000,
  doc: 'Control frames of one kind (SETTINGS, PING, WINDOW_UPDATE, PRIORITY, empty and unknown frames) at once without requests or payload between them.',
});
const controlsPerSecond = own({
  key: 'sluice-http2-controls-per-second',
  type: integerFrom(0),
  default: 100,
  doc: 'How fast that allowance comes back without requests or payload.',
});

/** Keys that ingress-nginx does not have. */
export const ownHttp2Keys: readonly ConfigMapRecord<unknown>[] = [
  priorKnowledge,
  streamWindow,
  connectionWindow,
  maxConnectionAge,
  stallTimeout,
  resetBurst,
  resetsPerSecond,
  controlBurst,
  controlsPerSecond,
  ...ownUpstreamHttp2Keys,
];

/** The HTTP/2 part of the global settings. */
export function http2Settings(values: GlobalValues): Http2Settings {
  return {
    isEnabled: values.get(useHttp2),
    hasPriorKnowledge: values.get(priorKnowledge),
    // nginx refuses 0; here it counts as one, which is the least that works.
    maxConcurrentStreams: Math.max(values.get(maxConcurrentStreams), 1),
    streamWindowBytes: clamp(values.get(streamWindow), MIN_STREAM_WINDOW_BYTES),
    connectionWindowBytes: clamp(values.get(connectionWindow), MIN_CONNECTION_WINDOW_BYTES),
    maxConnectionAgeMs: Math.min(values.get(maxConnectionAge), MAX_TIMER_MS),
    stallTimeoutMs: Math.min(values.get(stallTimeout), MAX_TIMER_MS),
    resetBurst: values.get(resetBurst),
    resetsPerSecond: values.get(resetsPerSecond),
    controlBurst: values.get(controlBurst),
    controlsPerSecond: values.get(controlsPerSecond),
  };
}

function clamp(bytes: number, least: number): number {
  return Math.min(Math.max(bytes, least), MAX_WINDOW_BYTES);
}
