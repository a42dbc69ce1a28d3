// ConfigMap keys about HTTP/2 connections to upstreams (`backend-protocol` GRPC, GRPCS, HTTP2): Sluice's own.

import type { UpstreamHttp2Settings } from '#proxy/table/upstream-protocol.ts';
import { configMapFamily } from './define.ts';
import { MAX_TIMER_MS } from './durations.ts';
import type { ConfigMapRecord, GlobalValues } from './record.ts';
import { integerFrom, size, timeFromOne } from './types.ts';

const own = configMapFamily({ group: "Upstream HTTP/2 (Sluice's own)", support: 'full' });

/** Windows have 31 bits and hold one frame at least. */
const MAX_WINDOW_BYTES = 0x7fffffff;
const MIN_WINDOW_BYTES = 16_384;

const maxStreams = own({
  key: 'sluice-upstream-http2-max-streams',
  type: integerFrom(1),
  default: 128,
  doc: 'Requests at one time on one connection to an endpoint, of each worker; more open another connection. An upstream may allow fewer.',
});
const streamWindow = own({
  key: 'sluice-upstream-http2-stream-window',
  type: size,
  default: 65_536,
  doc: 'Response payload that waits in Sluice for one slow client at most; 16k or more.',
});
const pingInterval = own({
  key: 'sluice-upstream-http2-ping-interval',
  type: timeFromOne,
  default: 20_000,
  doc: 'An upstream that sends nothing for so long while requests run is asked whether it is there (PING).',
});
const pingTimeout = own({
  key: 'sluice-upstream-http2-ping-timeout',
  type: timeFromOne,
  default: 10_000,
  doc: 'Without an answer to that for so long the connection is given up, and its requests fail.',
});

/** Keys that ingress-nginx does not have. */
export const ownUpstreamHttp2Keys: readonly ConfigMapRecord<unknown>[] = [
  maxStreams,
  streamWindow,
  pingInterval,
  pingTimeout,
];

/** The part of the global settings for HTTP/2 connections to upstreams. */
export function upstreamHttp2Settings(values: GlobalValues): UpstreamHttp2Settings {
  return {
    maxConcurrentStreams: values.get(maxStreams),
    streamWindowBytes: Math.min(Math.max(values.get(streamWindow), MIN_WINDOW_BYTES), MAX_WINDOW_BYTES),
    pingIntervalMs: Math.min(values.get(pingInterval), MAX_TIMER_MS),
    pingTimeoutMs: Math.min(values.get(pingTimeout), MAX_TIMER_MS),
  };
}
