// Counts requests by route, method and status, cheaply: plain numbers in arrays, named only when somebody scrapes.
//
// In: finished requests. Out: a WorkerSample with ingress-nginx's metric names (metrics-and-logs.md §1). The `host` label
// is the virtual host's name, never what a client sent, so the number of series is bounded by the table.

import type { IndexedRoute } from '../match/index.ts';
import type { Route, RouteId } from '../table/types.ts';
import type { SampleHistogram, SampleValue } from '../workers/messages.ts';
import type { RequestRecord } from './observer.ts';

const PREFIX = 'nginx_ingress_controller_';
/** `--time-buckets` default, seconds. */
const TIME_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Methods counted under their own name; others share one label, since a client can invent any. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);

interface Series {
  readonly method: string;
  readonly status: number;
  readonly labels: Readonly<Record<string, string>>;
  count: number;
  requestBytes: number;
  responseBytes: number;
  durationSum: number;
  readonly durationCounts: Float64Array;
}

/** The series of one route. They are few; the one that was counted last is tried first. */
class RouteSeries {
  readonly virtualHost: string;
  readonly all: Series[] = [];
  #last: Series | null = null;

  constructor(virtualHost: string) {
    this.virtualHost = virtualHost;
  }

  of(record: RequestRecord, route: Route, method: string): Series {
    const last = this.#last;
    if (last !== null && last.status === record.status && last.method === method) return last;
    let series = this.all.find((each) => each.status === record.status && each.method === method);
    if (series === undefined) {
      series = newSeries(record, route, method);
      this.all.push(series);
    }
    this.#last = series;
    return series;
  }
}

export class RequestMetrics {
  /** By route id: counters outlive the index that a request was matched in. */
  readonly #byRoute = new Map<RouteId, RouteSeries>();
  readonly #refused = new Map<string, number>();
  readonly #selfAnswered = new Map<string, number>();

  add(record: RequestRecord): void {
    const { route, head } = record;
    if (route === null || head === null) {
      this.#refused.set(record.reason, (this.#refused.get(record.reason) ?? 0) + 1);
      return;
    }
    if (record.reason !== '') this.#selfAnswered.set(record.reason, (this.#selfAnswered.get(record.reason) ?? 0) + 1);
    const method = METHODS.has(head.method) ? head.method : 'OTHER';
    const series = this.#seriesOf(route, record.virtualHost).of(record, route.route, method);
    const seconds = record.durationMs / 1000;
    series.count++;
    series.requestBytes += record.requestBytes;
    series.responseBytes += record.responseBytes;
    series.durationSum += seconds;
    let bucket = 0;
    while (bucket < TIME_BOUNDS.length && seconds > (TIME_BOUNDS[bucket] as number)) bucket++;
    series.durationCounts[bucket] = (series.durationCounts[bucket] as number) + 1;
  }

  /** Forgets the series of routes that are gone, so that memory follows the table. Ask before each sample. */
  retain(isKnown: (virtualHost: string, id: RouteId) => boolean): void {
    for (const [id, series] of this.#byRoute) if (!isKnown(series.virtualHost, id)) this.#byRoute.delete(id);
  }

  sample(): { counters: SampleValue[]; histograms: SampleHistogram[] } {
    const counters: SampleValue[] = [];
    const histograms: SampleHistogram[] = [];
    for (const { all } of this.#byRoute.values()) {
      for (const series of all) addSeries(series, counters, histograms);
    }
    for (const [reason, value] of this.#refused) {
      counters.push({ name: 'sluice_refused_requests_total', labels: { reason }, value });
    }
    for (const [reason, value] of this.#selfAnswered) {
      counters.push({ name: 'sluice_self_answered_requests_total', labels: { reason }, value });
    }
    return { counters, histograms };
  }

  /** Hangs the counters on the indexed route, so that the next request finds them without a look-up. */
  #seriesOf(route: IndexedRoute, virtualHost: string): RouteSeries {
    if (route.slot instanceof RouteSeries) return route.slot;
    const { id } = route.route;
    let series = this.#byRoute.get(id);
    if (series === undefined) {
      series = new RouteSeries(virtualHost);
      this.#byRoute.set(id, series);
    }
    route.slot = series;
    return series;
  }
}

function newSeries(record: RequestRecord, { labels }: Route, method: string): Series {
  return {
    method,
    status: record.status,
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
