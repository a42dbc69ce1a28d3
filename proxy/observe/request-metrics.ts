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
const TIME_BOUNDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** `--length-buckets` default, bytes. */
const LENGTH_BOUNDS: readonly number[] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
/** `--size-buckets` default, bytes. */
const SIZE_BOUNDS: readonly number[] = [10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];

/** One histogram of a series: its counts lie at `offset` of the series' numbers, its sum behind them. */
interface Distribution {
  readonly name: string;
  readonly bounds: readonly number[];
  readonly offset: number;
}

function distribution(name: string, bounds: readonly number[], before: Distribution | null): Distribution {
  return { name: `${PREFIX}${name}`, bounds, offset: before === null ? 0 : endOf(before) };
}

function endOf({ offset, bounds }: Distribution): number {
  return offset + bounds.length + 2;
}

const REQUEST_DURATION = distribution('request_duration_seconds', TIME_BOUNDS, null);
const CONNECT_DURATION = distribution('connect_duration_seconds', TIME_BOUNDS, REQUEST_DURATION);
const HEADER_DURATION = distribution('header_duration_seconds', TIME_BOUNDS, CONNECT_DURATION);
const RESPONSE_DURATION = distribution('response_duration_seconds', TIME_BOUNDS, HEADER_DURATION);
const REQUEST_SIZE = distribution('request_size', LENGTH_BOUNDS, RESPONSE_DURATION);
const RESPONSE_SIZE = distribution('response_size', LENGTH_BOUNDS, REQUEST_SIZE);
const BYTES_SENT = distribution('bytes_sent', SIZE_BOUNDS, RESPONSE_SIZE);
const DISTRIBUTIONS = [
  REQUEST_DURATION,
  CONNECT_DURATION,
  HEADER_DURATION,
  RESPONSE_DURATION,
  REQUEST_SIZE,
  RESPONSE_SIZE,
  BYTES_SENT,
];
const NUMBERS_PER_SERIES = endOf(BYTES_SENT);

/** Methods counted under their own name; others share one label, since a client can invent any. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);

interface Series {
  readonly method: string;
  readonly status: number;
  readonly canary: string;
  readonly labels: Readonly<Record<string, string>>;
  count: number;
  /** All histograms of the series, in one piece: see Distribution. */
  readonly numbers: Float64Array;
}

/** The series of one route. They are few; the one that was counted last is tried first. */
class RouteSeries {
  readonly virtualHost: string;
  readonly all: Series[] = [];
  #last: Series | null = null;

  constructor(virtualHost: string) {
    this.virtualHost = virtualHost;
  }

  of(record: RequestRecord, route: Route, rawMethod: string): Series {
    const last = this.#last;
    if (last !== null && isOf(last, record, rawMethod)) return last;
    const method = METHODS.has(rawMethod) ? rawMethod : 'OTHER';
    let series = this.all.find((each) => isOf(each, record, method));
    if (series === undefined) {
      series = newSeries(record, route, method);
      this.all.push(series);
    }
    this.#last = series;
    return series;
  }
}

function isOf(series: Series, { status, canary }: RequestRecord, method: string): boolean {
  return series.status === status && series.method === method && series.canary === canary;
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
    const series = this.#seriesOf(route, record.virtualHost).of(record, route.route, head.method);
    series.count++;
    addRecord(series.numbers, record);
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
    canary: record.canary,
    labels: {
      host: record.virtualHost,
      status: String(record.status),
      method,
      path: labels.path,
      namespace: labels.namespace,
      ingress: labels.ingress,
      service: labels.service,
      canary: record.canary,
    },
    count: 0,
    numbers: new Float64Array(NUMBERS_PER_SERIES),
  };
}

function addRecord(numbers: Float64Array, record: RequestRecord): void {
  observe(numbers, REQUEST_DURATION, record.durationMs / 1000);
  observe(numbers, REQUEST_SIZE, record.requestBytes);
  observe(numbers, RESPONSE_SIZE, record.responseBytes);
  observe(numbers, BYTES_SENT, record.responseBytes);
  // As in ingress-nginx: of several attempts there is no one time (metrics-and-logs.md §1.3).
  if (record.attemptCount !== 1) return;
  if (record.connectMs >= 0) observe(numbers, CONNECT_DURATION, record.connectMs / 1000);
  if (record.headerMs >= 0) observe(numbers, HEADER_DURATION, record.headerMs / 1000);
  if (record.upstreamMs >= 0) observe(numbers, RESPONSE_DURATION, record.upstreamMs / 1000);
}

function observe(numbers: Float64Array, { bounds, offset }: Distribution, value: number): void {
  let bucket = bounds.length;
  // Most sizes are above all bounds, most times below the first.
  if (value <= (bounds[bucket - 1] as number)) {
    bucket = 0;
    while (value > (bounds[bucket] as number)) bucket++;
  }
  const sum = offset + bounds.length + 1;
  numbers[offset + bucket] = (numbers[offset + bucket] as number) + 1;
  numbers[sum] = (numbers[sum] as number) + value;
}

function addSeries({ count, labels, numbers }: Series, counters: SampleValue[], histograms: SampleHistogram[]): void {
  counters.push({ name: `${PREFIX}requests`, labels, value: count });
  for (const { name, bounds, offset } of DISTRIBUTIONS) {
    const end = offset + bounds.length + 1;
    const counts = [...numbers.subarray(offset, end)];
    // No series before its first value, as the client library of Prometheus does.
    if (counts.every((each) => each === 0)) continue;
    histograms.push({ name, labels, bounds, counts, sum: numbers[end] as number });
  }
}
