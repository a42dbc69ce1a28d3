// Counts requests by route, method and status, cheaply: plain numbers in arrays, named only when somebody scrapes.
//
// In: finished requests. Out: a WorkerSample with ingress-nginx's metric names (metrics-and-logs.md §1). The `host` label
// is the virtual host's name, never what a client sent, so the number of series is bounded by the table.

import type { IndexedRoute } from '../match/index.ts';
import type { Route, RouteId, RouteLabels } from '../table/types.ts';
import type { SampleHistogram, SampleValue } from '../workers/messages.ts';
import type { RequestRecord } from './observer.ts';
import {
  BYTES_SENT,
  CONNECT_DURATION,
  DISTRIBUTIONS,
  HEADER_DURATION,
  type NumberPlace,
  NumberStore,
  REQUEST_DURATION,
  REQUEST_SIZE,
  RESPONSE_DURATION,
  RESPONSE_SIZE,
  SeriesNumbers,
} from './series-numbers.ts';

const PREFIX = 'nginx_ingress_controller_';
/** Methods counted under their own name; others share one label, since a client can invent any. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);

/** What a request is counted under, and its numbers. Hangs on the indexed route that it was counted on last. */
class Series extends SeriesNumbers {
  readonly method: string;
  readonly status: number;
  readonly canary: string;
  /** Its route has left the table: the numbers are no longer its own. */
  isGone = false;
  readonly #virtualHost: string;
  readonly #labels: RouteLabels;

  constructor(method: string, record: RequestRecord, { labels }: Route, place: NumberPlace) {
    super(place);
    this.method = method;
    this.status = record.status;
    this.canary = record.canary;
    this.#virtualHost = record.virtualHost;
    this.#labels = labels;
  }

  isFor({ status, canary }: RequestRecord, method: string): boolean {
    return this.status === status && this.method === method && this.canary === canary && !this.isGone;
  }

  labels(): Readonly<Record<string, string>> {
    const { path, namespace, ingress, service } = this.#labels;
    return {
      host: this.#virtualHost,
      status: String(this.status),
      method: this.method,
      path,
      namespace,
      ingress,
      service,
      canary: this.canary,
    };
  }
}

/** The series of one route; they are few. */
interface RouteSeries {
  readonly virtualHost: string;
  readonly all: Series[];
}

export class RequestMetrics {
  /** By route id: counters outlive the index that a request was matched in. */
  readonly #byRoute = new Map<RouteId, RouteSeries>();
  readonly #store = new NumberStore();
  readonly #refused = new Map<string, number>();
  readonly #selfAnswered = new Map<string, number>();

  add(record: RequestRecord): void {
    const { route, head } = record;
    if (route === null || head === null) {
      this.#refused.set(record.reason, (this.#refused.get(record.reason) ?? 0) + 1);
      return;
    }
    if (record.reason !== '') this.#selfAnswered.set(record.reason, (this.#selfAnswered.get(record.reason) ?? 0) + 1);
    const { slot } = route;
    // The series that was counted on this route last is nearly always the one.
    const isLast = slot instanceof Series && slot.isFor(record, head.method);
    addRecord(isLast ? slot : this.#seriesOf(record, route, head.method), record);
  }

  /** Forgets the series of routes that are gone, so that memory follows the table. Ask before each sample. */
  retain(isKnown: (virtualHost: string, id: RouteId) => boolean): void {
    for (const [id, { virtualHost, all }] of this.#byRoute) {
      if (isKnown(virtualHost, id)) continue;
      this.#byRoute.delete(id);
      for (const series of all) {
        series.isGone = true;
        series.release();
      }
    }
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

  /** Finds the series, and hangs it on the indexed route, so that the next request finds it without a look-up. */
  #seriesOf(record: RequestRecord, route: IndexedRoute, rawMethod: string): Series {
    const method = METHODS.has(rawMethod) ? rawMethod : 'OTHER';
    const { id } = route.route;
    let owner = this.#byRoute.get(id);
    if (owner === undefined) {
      owner = { virtualHost: record.virtualHost, all: [] };
      this.#byRoute.set(id, owner);
    }
    let series = owner.all.find((each) => each.isFor(record, method));
    if (series === undefined) {
      series = new Series(method, record, route.route, this.#store.claim());
      owner.all.push(series);
    }
    route.slot = series;
    return series;
  }
}

function addRecord(numbers: SeriesNumbers, record: RequestRecord): void {
  numbers.countRequest();
  numbers.observe(REQUEST_DURATION, record.durationMs);
  numbers.observe(REQUEST_SIZE, record.requestBytes);
  numbers.observe(RESPONSE_SIZE, record.responseBytes);
  numbers.observe(BYTES_SENT, record.responseBytes);
  // As in ingress-nginx: of several attempts there is no one time (metrics-and-logs.md §1.3).
  if (record.attemptCount !== 1) return;
  if (record.connectMs >= 0) numbers.observe(CONNECT_DURATION, record.connectMs);
  if (record.headerMs >= 0) numbers.observe(HEADER_DURATION, record.headerMs);
  if (record.upstreamMs >= 0) numbers.observe(RESPONSE_DURATION, record.upstreamMs);
}

function addSeries(series: Series, counters: SampleValue[], histograms: SampleHistogram[]): void {
  const labels = series.labels();
  counters.push({ name: `${PREFIX}requests`, labels, value: series.count });
  for (const distribution of DISTRIBUTIONS) {
    const { bounds } = distribution;
    const counts = series.counts(distribution);
    // No series before its first value, as the client library of Prometheus does.
    if (counts.every((each) => each === 0)) continue;
    histograms.push({ name: `${PREFIX}${distribution.name}`, labels, bounds, counts, sum: series.sum(distribution) });
  }
}
