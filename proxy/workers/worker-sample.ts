// What a worker tells about itself for metrics: counters since its start, gauges of now, histograms.
//
// In: the parts that count, none of which is changed. Out: plain data for the main thread, which adds up all workers.

import type { WorkerLoads } from '../endpoints/load-cell.ts';
import type { EjectionReason } from '../endpoints/outlier-detector.ts';
import type { RequestLimits } from '../filters/limits.ts';
import type { ProxyContext } from '../forward/context.ts';
import type { Hedging } from '../forward/hedging.ts';
import type { Mirrors } from '../forward/mirror.ts';
import type { LiveEndpoints } from '../forward/upstream-connection.ts';
import type { Handshakes } from '../listen/handshakes.ts';
import type { Listeners } from '../listen/listeners.ts';
import type { RequestMetrics } from '../observe/request-metrics.ts';
import type { StreamServices } from '../stream/stream-services.ts';
import type { StreamWatch } from '../stream/stream-watch.ts';
import type { SampleValue, WorkerSample } from './messages.ts';

/** Client connections of HTTP: accepted since the start, and those open now. */
export interface ConnectionCounts {
  readonly accepted: number;
  readonly openPlain: number;
  readonly openTls: number;
}

/** The parts of a worker that count. */
export interface CountingParts {
  readonly context: ProxyContext;
  readonly metrics: RequestMetrics;
  readonly endpoints: LiveEndpoints;
  /** null: this worker counts alone. */
  readonly loads: WorkerLoads | null;
  readonly listeners: Listeners;
  readonly streams: StreamServices;
  readonly streamWatch: StreamWatch;
  readonly ejections: ReadonlyMap<EjectionReason, number>;
  readonly connections: ConnectionCounts;
}

/** One sample of a worker. Linear in its series and upstreams. */
export function sampleOf(parts: CountingParts): WorkerSample {
  const { context, listeners, streams, streamWatch, connections } = parts;
  const { pool, limits } = context;
  const { counters, histograms } = parts.metrics.sample();
  const refused = listeners.refused + streams.failedAccepts;
  return {
    counters: [
      ...counters,
      { name: 'sluice_connections_total', labels: { state: 'accepted' }, value: connections.accepted },
      { name: 'sluice_connections_total', labels: { state: 'refused' }, value: refused },
      { name: 'sluice_stalled_connections_total', labels: {}, value: listeners.streams.stalledConnections },
      ...listeners.http2.samples(),
      ...streamWatch.counters(),
      { name: 'sluice_proxy_header_failures_total', labels: {}, value: listeners.entrance.refused },
      ...handshakeFailures(listeners.handshakes),
      ...ejections(parts.ejections),
      { name: 'sluice_limit_entries_given_up_total', labels: {}, value: limits.givenUp },
      ...mirrorOutcomes(context.mirrors),
      ...hedgeOutcomes(context.hedging),
      ...storeOutcomes(limits),
    ],
    gauges: [
      ...streamWatch.gauges(),
      ...portStates(streams),
      ...limitedUpstreams(parts.endpoints, parts.loads),
      { name: 'sluice_open_connections', labels: { protocol: 'http' }, value: connections.openPlain },
      { name: 'sluice_open_connections', labels: { protocol: 'https' }, value: connections.openTls },
      { name: 'sluice_upstream_connections', labels: { state: 'idle' }, value: pool.idleCount },
      { name: 'sluice_upstream_connections', labels: { state: 'busy' }, value: pool.size - pool.idleCount },
    ],
    histograms,
  };
}

function handshakeFailures({ failures }: Handshakes): SampleValue[] {
  return Object.entries(failures).map(([reason, value]) => ({
    name: 'sluice_tls_handshake_failures_total',
    labels: { reason },
    value,
  }));
}

function mirrorOutcomes({ outcomes }: Mirrors): SampleValue[] {
  const name = 'sluice_mirrored_requests_total';
  return [...outcomes].map(([result, value]) => ({ name, labels: { result }, value }));
}

/** Samples of workers are added up: each tells of its own requests, and a limit that all share is told by the first one only. */
function limitedUpstreams(endpoints: LiveEndpoints, loads: WorkerLoads | null): SampleValue[] {
  const samples: SampleValue[] = [];
  for (const { id: upstream, gate } of endpoints.upstreams()) {
    if (gate === null) continue;
    for (const [state, value] of Object.entries(gate.own))
      samples.push({ name: 'sluice_limited_upstream_requests', labels: { upstream, state }, value });
    if (gate.adaptive === null || (gate.isShared && loads?.column !== 0)) continue;
    samples.push({ name: 'sluice_upstream_concurrency_limit', labels: { upstream }, value: gate.adaptive.limit });
  }
  return samples;
}

/** Workers without hedged routes name none. */
function hedgeOutcomes({ outcomes }: Hedging): SampleValue[] {
  const name = 'sluice_hedged_requests_total';
  return Object.entries(outcomes)
    .filter(([, value]) => value > 0)
    .map(([result, value]) => ({ name, labels: { result }, value }));
}

function ejections(counts: ReadonlyMap<EjectionReason, number>): SampleValue[] {
  return [...counts].map(([reason, value]) => ({ name: 'sluice_endpoint_ejections_total', labels: { reason }, value }));
}

function portStates({ listenerCounts: { open, failed } }: StreamServices): SampleValue[] {
  const name = 'sluice_stream_ports';
  return [
    { name, labels: { state: 'open' }, value: open },
    { name, labels: { state: 'failed' }, value: failed },
  ];
}

function storeOutcomes({ storeOutcomes }: RequestLimits): SampleValue[] {
  const name = 'sluice_limit_store_requests_total';
  return Object.entries(storeOutcomes).map(([result, value]) => ({ name, labels: { result }, value }));
}
