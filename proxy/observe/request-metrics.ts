// Counts requests by route, method and status, cheaply: plain numbers in arrays, named only when somebody scrapes.
//
// In: finished requests. Out: a WorkerSample with ingress-nginx's metric names (metrics-and-logs.md §1). The `host` label
// is the virtual host's name, never what a client sent, so the number of series is bounded by the table.

import type { IndexedRoute } from '../match/index.ts';
import type { Route, RouteId, RouteLabels } from '../table/types.ts';
import type { SampleHistogram, SampleValue } from '../workers/messages.ts';
import type { RequestRecord } from './observer.ts';
import {
  type Distribution,
  defaultHistogramBounds,
  type HistogramBounds,
  type NumberPlace,
  NumberStore,
  SeriesLayout,
  SeriesNumbers,
} from './series-numbers.ts';

const PREFIX = 'nginx_ingress_controller_';
/** Methods counted under their own name; others share one label, since a client can invent any. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);

/** What of the request metrics is told, and how: process options. */
export interface RequestMetricsSettings {
  readonly bounds: HistogramBounds;
  /** `--exclude-socket-metrics`: names with or without prefix; unknown ones say nothing. */
  readonly excluded: readonly string[];
  /** `--metrics-per-host`: false leaves the label `host` out. */
  readonly isPerHost: boolean;
  /** `--report-status-classes`: the label `status` is `2xx` instead of `204`. */
  readonly hasStatusClasses: boolean;
}

export const defaultRequestMetricsSettings: RequestMetricsSettings = {
  bounds: defaultHistogramBounds,
  excluded: [],
  isPerHost: true,
  hasStatusClasses: false,
};

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

  labels({ isPerHost, hasStatusClasses }: RequestMetricsSettings): Readonly<Record<string, string>> {
    const { path, namespace, ingress, service } = this.#labels;
    return {
      ...(isPerHost ? { host: this.#virtualHost } : {}),
      status: hasStatusClasses ? `${Math.trunc(this.status / 100)}xx` : String(this.status),
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
  readonly #settings: RequestMetricsSettings;
  readonly #layout: SeriesLayout;
  readonly #store: NumberStore;
  readonly #countsRequests: boolean;
  /** Those that are not excluded. */
  readonly #told: readonly Distribution[];
  readonly #refused = new Map<string, number>();
  readonly #selfAnswered = new Map<string, number>();

  constructor(settings: RequestMetricsSettings = defaultRequestMetricsSettings) {
    const isTold = (name: string) => !settings.excluded.some((each) => each === name || each === `${PREFIX}${name}`);
    this.#settings = settings;
    this.#layout = new SeriesLayout(settings.bounds);
    this.#store = new NumberStore(this.#layout);
    this.#countsRequests = isTold('requests');
    this.#told = this.#layout.all.filter(({ name }) => isTold(name));
  }

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
    addRecord(isLast ? slot : this.#seriesOf(record, route, head.method), record, this.#layout);
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
      for (const series of all) this.#addSeries(series, counters, histograms);
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

  #addSeries(series: Series, counters: SampleValue[], histograms: SampleHistogram[]): void {
    const labels = series.labels(this.#settings);
    if (this.#countsRequests) counters.push({ name: `${PREFIX}requests`, labels, value: series.count });
    for (const distribution of this.#told) {
      const { bounds } = distribution;
      const counts = series.counts(distribution);
      // No series before its first value, as the client library of Prometheus does.
      if (counts.every((each) => each === 0)) continue;
      histograms.push({ name: `${PREFIX}${distribution.name}`, labels, bounds, counts, sum: series.sum(distribution) });
    }
  }
}

function addRecord(numbers: SeriesNumbers, record: RequestRecord, layout: SeriesLayout): void {
  numbers.countRequest();
  numbers.observe(layout.requestDuration, record.durationMs);
  numbers.observe(layout.requestSize, record.requestBytes);
  numbers.observe(layout.responseSize, record.responseBytes);
  numbers.observe(layout.bytesSent, record.responseBytes);
  // As in ingress-nginx: of several attempts there is no one time (metrics-and-logs.md §1.3).
  if (record.attemptCount !== 1) return;
  if (record.connectMs >= 0) numbers.observe(layout.connectDuration, record.connectMs);
  if (record.headerMs >= 0) numbers.observe(layout.headerDuration, record.headerMs);
  if (record.upstreamMs >= 0) numbers.observe(layout.responseDuration, record.upstreamMs);
}
