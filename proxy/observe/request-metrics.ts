// Counts requests by route, method and status, cheaply: plain numbers in arrays, named only when somebody scrapes.
//
// In: finished requests. Out: a WorkerSample with ingress-nginx's metric names (metrics-and-logs.md §1). The `host` label
// is the virtual host's name, never what a client sent, so the number of series is bounded by the table.

import type { SampleHistogram, SampleValue } from '../workers/messages.ts';
import type { RequestRecord } from './observer.ts';

const PREFIX = 'nginx_ingress_controller_';
/** `--time-buckets` default, seconds. */
const TIME_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Methods counted under their own name; others share one label, since a client can invent any. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  count: number;
  requestBytes: number;
  responseBytes: number;
  durationSum: number;
  readonly durationCounts: Float64Array;
}

export class RequestMetrics {
  /** By route id, then by method and status: two look-ups of short keys per request, no string built. */
  readonly #byRoute = new Map<string, Map<string, Map<number, Series>>>();
  readonly #refused = new Map<string, number>();

  add(record: RequestRecord): void {
    const { route, head } = record;
    if (route === null || head === null) {
      this.#refused.set(record.reason, (this.#refused.get(record.reason) ?? 0) + 1);
      return;
    }
    const series = this.#seriesOf(record, METHODS.has(head.method) ? head.method : 'OTHER');
    const seconds = record.durationMs / 1000;
    series.count++;
    series.requestBytes += record.requestBytes;
    series.responseBytes += record.responseBytes;
    series.durationSum += seconds;
    let bucket = 0;
    while (bucket < TIME_BOUNDS.length && seconds > (TIME_BOUNDS[bucket] as number)) bucket++;
    series.durationCounts[bucket] = (series.durationCounts[bucket] as number) + 1;
  }

  /** Forgets the series of routes that are gone, so that memory follows the table. */
  retain(isKnown: (routeId: string) => boolean): void {
    for (const id of this.#byRoute.keys()) if (!isKnown(id)) this.#byRoute.delete(id);
  }

  sample(): { counters: SampleValue[]; histograms: SampleHistogram[] } {
    const counters: SampleValue[] = [];
    const histograms: SampleHistogram[] = [];
    for (const byMethod of this.#byRoute.values()) {
      for (const byStatus of byMethod.values()) {
        for (const series of byStatus.values()) addSeries(series, counters, histograms);
      }
    }
    for (const [reason, value] of this.#refused) {
      counters.push({ name: 'sluice_refused_requests_total', labels: { reason }, value });
    }
    return { counters, histograms };
  }

  #seriesOf(record: RequestRecord, method: string): Series {
    const route = (record.route as NonNullable<RequestRecord['route']>).route;
    let byMethod = this.#byRoute.get(route.id);
    if (byMethod === undefined) {
      byMethod = new Map();
      this.#byRoute.set(route.id, byMethod);
    }
    let byStatus = byMethod.get(method);
    if (byStatus === undefined) {
      byStatus = new Map();
      byMethod.set(method, byStatus);
    }
    let series = byStatus.get(record.status);
    if (series === undefined) {
      series = newSeries(record, method);
      byStatus.set(record.status, series);
    }
    return series;
  }
}

function newSeries(record: RequestRecord, method: string): Series {
  const { labels } = (record.route as NonNullable<RequestRecord['route']>).route;
  return {
    labels: {
      host: record.virtualHost,
      status: String(record.status),
      method,
      path: labels.path,
      namespace: labels.namespace,
      ingress: labels.ingress,
      service: labels.service,
      canary: '',
    },
    count: 0,
    requestBytes: 0,
    responseBytes: 0,
    durationSum: 0,
    durationCounts: new Float64Array(TIME_BOUNDS.length + 1),
  };
}

function addSeries(series: Series, counters: SampleValue[], histograms: SampleHistogram[]): void {
  counters.push({ name: `${PREFIX}requests`, labels: series.labels, value: series.count });
  histograms.push({
    name: `${PREFIX}request_duration_seconds`,
    labels: series.labels,
    bounds: TIME_BOUNDS,
    counts: [...series.durationCounts],
    sum: series.durationSum,
  });
  counters.push({ name: 'sluice_request_bytes_total', labels: series.labels, value: series.requestBytes });
  counters.push({ name: 'sluice_response_bytes_total', labels: series.labels, value: series.responseBytes });
}
