import { beforeEach, describe, expect, test } from '@jest/globals';
import { tableOf } from '../forward/testing/test-proxy.ts';
import { RequestHead } from '../http/request-head.ts';
import { findHost, type IndexedRoute, indexRoutes } from '../match/index.ts';
import { matchHost, matchRoute } from '../match/match-route.ts';
import { RequestRecord } from './observer.ts';
import { defaultRequestMetricsSettings, RequestMetrics, type RequestMetricsSettings } from './request-metrics.ts';

// Counters hang on the indexed routes: each test has its own.
let index = indexRoutes(tableOf([]));
beforeEach(() => {
  index = indexRoutes(tableOf([{ path: '/a' }, { path: '/b' }]));
});
const PREFIX = 'nginx_ingress_controller_';

function routeAt(path: string): IndexedRoute {
  const route = matchRoute(matchHost(index, 'h'), path);
  if (route === null) throw new Error(`no route at ${path}`);
  return route;
}

function recordOf(fields: Partial<RequestRecord> = {}, method = 'GET'): RequestRecord {
  const head = new RequestHead();
  head.method = method;
  return Object.assign(new RequestRecord(), { route: routeAt('/a'), virtualHost: '_', status: 200, head }, fields);
}

function histogram(metrics: RequestMetrics, name: string) {
  return metrics.sample().histograms.filter((each) => each.name === `${PREFIX}${name}`);
}

describe('buckets: a value counts in the first bucket whose bound it does not exceed', () => {
  test.each([
    ['request_duration_seconds', { durationMs: 0 }, 0, 0],
    ['request_duration_seconds', { durationMs: 5 }, 0, 0.005],
    ['request_duration_seconds', { durationMs: 5.1 }, 1, 0.0051],
    ['request_duration_seconds', { durationMs: 10_000 }, 10, 10],
    ['request_duration_seconds', { durationMs: 10_001 }, 11, 10.001],
    ['request_size', { requestBytes: 0 }, 0, 0],
    ['request_size', { requestBytes: 11 }, 1, 11],
    ['request_size', { requestBytes: 100 }, 9, 100],
    ['request_size', { requestBytes: 101 }, 10, 101],
    ['response_size', { responseBytes: 100 }, 9, 100],
    ['bytes_sent', { responseBytes: 1001 }, 3, 1001],
    ['bytes_sent', { responseBytes: 10_000_001 }, 7, 10_000_001],
    ['connect_duration_seconds', { connectMs: 0, attemptCount: 1 }, 0, 0],
    ['header_duration_seconds', { headerMs: 30, attemptCount: 1 }, 3, 0.03],
    ['response_duration_seconds', { upstreamMs: 3000, attemptCount: 1 }, 9, 3],
  ] as const)('%s %j: bucket %d', (name, fields, bucket, sum) => {
    const metrics = new RequestMetrics();
    metrics.add(recordOf(fields));
    const [only, ...others] = histogram(metrics, name);
    expect(others).toEqual([]);
    expect(only?.counts).toHaveLength((only?.bounds.length ?? 0) + 1);
    expect(only?.counts.map((count, i) => (count === 0 ? -1 : i)).filter((i) => i !== -1)).toEqual([bucket]);
    expect(only?.sum).toBeCloseTo(sum, 10);
  });
});

test('numbers of one histogram do not run into the next', () => {
  const metrics = new RequestMetrics();
  const all = {
    durationMs: 1e9,
    connectMs: 1e9,
    headerMs: 1e9,
    upstreamMs: 1e9,
    requestBytes: 1e9,
    responseBytes: 1e9,
  };
  metrics.add(recordOf({ ...all, attemptCount: 1 }));
  metrics.add(recordOf({ ...all, attemptCount: 1 }));
  const { histograms } = metrics.sample();
  expect(histograms).toHaveLength(7);
  for (const { name, counts, sum } of histograms) {
    expect(counts.slice(0, -1).every((count) => count === 0)).toBe(true);
    expect(counts.at(-1)).toBe(2);
    expect(sum).toBe(name.endsWith('seconds') ? 2e6 : 2e9);
  }
});

describe('times of the upstream', () => {
  test.each([
    ['no upstream was asked', { attemptCount: 0 }, []],
    ['several attempts: there is no one time', { attemptCount: 2, connectMs: 0, headerMs: 1, upstreamMs: 1 }, []],
    [
      'one attempt with a response',
      { attemptCount: 1, connectMs: 0, headerMs: 1, upstreamMs: 1 },
      ['connect', 'header', 'response'],
    ],
    ['one attempt that could not connect', { attemptCount: 1, upstreamMs: 1 }, ['response']],
    ['one attempt that never answered', { attemptCount: 1, connectMs: 1, upstreamMs: 9 }, ['connect', 'response']],
  ])('%s', (_name, fields, expected) => {
    const metrics = new RequestMetrics();
    metrics.add(recordOf(fields));
    const names = metrics.sample().histograms.map(({ name }) => name.slice(PREFIX.length));
    const times = names.filter((name) => name.endsWith('_duration_seconds') && !name.startsWith('request'));
    expect(times).toEqual(expected.map((name) => `${name}_duration_seconds`));
  });
});

describe('series', () => {
  test('one per route, method and status, with the labels of the route', () => {
    const metrics = new RequestMetrics();
    for (let i = 0; i < 3; i++) metrics.add(recordOf());
    metrics.add(recordOf({}, 'POST'));
    metrics.add(recordOf({ status: 404 }));
    metrics.add(recordOf({ route: routeAt('/b') }));
    metrics.add(recordOf());
    const { counters } = metrics.sample();
    expect(counters.map(({ labels, value }) => [labels['path'], labels['method'], labels['status'], value])).toEqual([
      ['/a', 'GET', '200', 4],
      ['/a', 'POST', '200', 1],
      ['/a', 'GET', '404', 1],
      ['/b', 'GET', '200', 1],
    ]);
    expect(counters[0]?.labels).toEqual({
      host: '_',
      status: '200',
      method: 'GET',
      path: '/a',
      namespace: 'test',
      ingress: 'r0',
      service: 's',
      canary: '',
    });
  });

  test('methods that a client makes up share one', () => {
    const metrics = new RequestMetrics();
    for (let i = 0; i < 50; i++) metrics.add(recordOf({}, `X-${i}`));
    expect(metrics.sample().counters.map(({ labels, value }) => [labels['method'], value])).toEqual([['OTHER', 50]]);
  });

  test('of a route that is gone are forgotten, those of others go on', () => {
    const metrics = new RequestMetrics();
    metrics.add(recordOf());
    metrics.add(recordOf({ route: routeAt('/b') }));
    const kept = routeAt('/b').route.id;
    metrics.retain((host, id) => findHost(index, host) !== undefined && id === kept);
    expect(metrics.sample().counters.map(({ labels }) => labels['path'])).toEqual(['/b']);
  });

  test('a request that ends after its route has gone counts in nobody else’s', () => {
    const metrics = new RequestMetrics();
    const fields = { durationMs: 7, requestBytes: 1, responseBytes: 2 };
    for (let i = 0; i < 5; i++) metrics.add(recordOf(fields));
    metrics.retain(() => false);
    // Takes the place of the one that is gone.
    metrics.add(recordOf({ ...fields, route: routeAt('/b') }));
    metrics.add(recordOf(fields));
    const { counters, histograms } = metrics.sample();
    expect(counters.map(({ labels, value }) => [labels['path'], value])).toEqual([
      ['/b', 1],
      ['/a', 1],
    ]);
    expect(histograms).toHaveLength(8);
    for (const { counts } of histograms) expect(counts.reduce((sum, count) => sum + count)).toBe(1);
  });

  test('a table that keeps the route keeps its numbers', () => {
    const metrics = new RequestMetrics();
    metrics.add(recordOf());
    const next = indexRoutes(tableOf([{ path: '/a' }]));
    const route = matchRoute(matchHost(next, 'h'), '/a');
    metrics.add(recordOf({ route }));
    expect(metrics.sample().counters.map(({ value }) => value)).toEqual([2]);
  });
});

test('requests without a route are counted by reason, and in no series', () => {
  const metrics = new RequestMetrics();
  metrics.add(recordOf({ route: null, reason: 'badHost' }));
  metrics.add(recordOf({ head: null, reason: 'badHost' }));
  metrics.add(recordOf({ reason: 'upstreamTimeout', status: 504 }));
  const { counters, histograms } = metrics.sample();
  const own = counters.filter(({ name }) => name.startsWith('sluice_'));
  expect(own.map(({ name, labels, value }) => [name, labels['reason'], value])).toEqual([
    ['sluice_refused_requests_total', 'badHost', 2],
    ['sluice_self_answered_requests_total', 'upstreamTimeout', 1],
  ]);
  expect(new Set(histograms.map(({ labels }) => labels['status']))).toEqual(new Set(['504']));
});

describe('process options', () => {
  const sampleWith = (settings: Partial<RequestMetricsSettings>, fields: Partial<RequestRecord> = {}) => {
    const metrics = new RequestMetrics({ ...defaultRequestMetricsSettings, ...settings });
    metrics.add(recordOf({ durationMs: 70, requestBytes: 300, responseBytes: 5000, ...fields }));
    return metrics.sample();
  };
  const namesOf = ({ counters, histograms }: ReturnType<typeof sampleWith>) =>
    [...counters, ...histograms].map(({ name }) => name.slice(PREFIX.length)).sort();

  test('--time-buckets, --length-buckets, --size-buckets', () => {
    const bounds = { time: [0.06, 0.08], length: [256, 1024], size: [4096, 8192, 16_384] };
    const { histograms } = sampleWith({ bounds });
    const told = histograms.map(({ name, bounds, counts, sum }) => [name.slice(PREFIX.length), bounds, counts, sum]);
    expect(told).toEqual([
      ['request_duration_seconds', [0.06, 0.08], [0, 1, 0], 0.07],
      ['request_size', [256, 1024], [0, 1, 0], 300],
      ['response_size', [256, 1024], [0, 0, 1], 5000],
      ['bytes_sent', [4096, 8192, 16_384], [0, 1, 0, 0], 5000],
    ]);
  });

  test.each([
    [[], ['bytes_sent', 'request_duration_seconds', 'request_size', 'requests', 'response_size']],
    [
      ['request_size', `${PREFIX}bytes_sent`, 'unknown'],
      ['request_duration_seconds', 'requests', 'response_size'],
    ],
    [
      ['requests', 'request_duration_seconds'],
      ['bytes_sent', 'request_size', 'response_size'],
    ],
  ])('--exclude-socket-metrics=%j: the families are missing', (excluded, expected) => {
    expect(namesOf(sampleWith({ excluded }))).toEqual(expected);
  });

  test('--metrics-per-host=false leaves the label out', () => {
    for (const { labels } of sampleWith({ isPerHost: false }).counters) {
      expect(labels).toHaveProperty('ingress');
      expect(labels).not.toHaveProperty('host');
    }
  });

  test.each([
    [204, '2xx'],
    [101, '1xx'],
    [503, '5xx'],
  ])('--report-status-classes: %d is %s', (status, expected) => {
    const [requests] = sampleWith({ hasStatusClasses: true }, { status }).counters;
    expect(requests?.labels['status']).toBe(expected);
  });
});
