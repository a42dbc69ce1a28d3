// biome-ignore-all lint/suspicious/noTemplateCurlyInString: nginx writes its variables this way.
// Annotations of service scope, with the ranges, defaults and invalid values of the annotation reference.

import { describe, expect, test } from '@jest/globals';
import { defaultOutliers } from '#proxy/table/defaults.ts';
import type { BalancerSettings, UpstreamHealth, UpstreamLimits } from '#proxy/table/upstream-settings.ts';
import { parse, parseOwn } from './testing/inputs.ts';
import { balancerSettings, healthSettings, limitSettings, zoneSettings } from './upstream-values.ts';

const requestUri = { kind: 'variable', name: 'requestUri' } as const;
const hash: BalancerSettings = { kind: 'consistentHash', key: [requestUri], subsetSize: null, boundedLoadFactor: null };

describe('the balancer', () => {
  test.each<[Record<string, string>, BalancerSettings]>([
    [{}, { kind: 'roundRobin' }],
    [{ 'load-balance': 'round_robin' }, { kind: 'roundRobin' }],
    [{ 'load-balance': 'ewma' }, { kind: 'ewma' }],
    // Chosen by other annotations; alone they mean nothing.
    [{ 'load-balance': 'chash' }, { kind: 'roundRobin' }],
    [{ 'load-balance': 'chashsubset' }, { kind: 'roundRobin' }],
    [{ 'load-balance': 'sticky_balanced' }, { kind: 'roundRobin' }],
    [{ 'upstream-hash-by': '$request_uri' }, hash],
    [{ 'upstream-hash-by': '$request_uri', 'load-balance': 'ewma' }, hash],
    [
      { 'upstream-hash-by': '${remote_addr}-text' },
      {
        ...hash,
        key: [
          { kind: 'variable', name: 'remoteAddr' },
          { kind: 'text', text: '-text' },
        ],
      },
    ],
    [
      { 'upstream-hash-by': '$request_uri', 'upstream-hash-by-subset': 'true' },
      { ...hash, subsetSize: 3 },
    ],
    [{ 'upstream-hash-by': '$request_uri', 'upstream-hash-by-subset-size': '5' }, hash],
    [
      { 'upstream-hash-by': '$request_uri', 'upstream-hash-by-subset': 'true', 'upstream-hash-by-subset-size': '5' },
      { ...hash, subsetSize: 5 },
    ],
    [
      { 'upstream-hash-by': '$request_uri', 'upstream-hash-by-subset': 'true', 'upstream-hash-by-subset-size': '0' },
      { ...hash, subsetSize: 3 },
    ],
    // An empty text for it would send every request to one endpoint.
    [{ 'upstream-hash-by': '$no_such_thing' }, { kind: 'roundRobin' }],
    [{ 'upstream-hash-by': '$no_such_thing', 'load-balance': 'ewma' }, { kind: 'ewma' }],
  ])('%j', (given, want) => {
    expect(balancerSettings(parse(given).values)).toEqual(want);
  });

  test.each([
    ['load-balance', 'fastest'],
    ['upstream-hash-by', '$request_uri;'],
    ['upstream-hash-by-subset', 'yes'],
    ['upstream-hash-by-subset-size', '1.5'],
  ])('%s: %s rejects the Ingress', (name, text) => {
    expect(parse({ [name]: text }).verdict.kind).toBe('rejectIngress');
  });

  test('an unknown variable is named', () => {
    const { verdict, diagnostics } = parse({ 'upstream-hash-by': '$no_such_thing' });
    expect(verdict.kind).toBe('accept');
    expect(diagnostics).toMatchObject([
      {
        severity: 'warning',
        message: expect.stringContaining('the variable "$no_such_thing", which Sluice does not have'),
      },
    ]);
  });

  test('the ConfigMap decides where the annotation does not', () => {
    const data = { 'load-balance': 'ewma' };
    expect(balancerSettings(parse({}, { data }).values)).toEqual({ kind: 'ewma' });
    expect(balancerSettings(parse({ 'load-balance': 'round_robin' }, { data }).values)).toEqual({ kind: 'roundRobin' });
    expect(balancerSettings(parse({}, { data: { 'load-balance': 'fastest' } }).values)).toEqual({ kind: 'roundRobin' });
  });

  test.each<[string, BalancerSettings['kind']]>([
    ['round-robin', 'roundRobin'],
    ['ewma', 'ewma'],
    ['least-connections', 'leastConnections'],
    ['random-two-choices', 'randomTwoChoices'],
    ['source-hash', 'sourceHash'],
    ['destination-hash', 'destinationHash'],
    ['shortest-expected-delay', 'shortestExpectedDelay'],
    ['never-queue', 'neverQueue'],
  ])('own balancer %s wins over the ConfigMap', (balancer, kind) => {
    const { values } = parseOwn({ balancer }, { data: { 'load-balance': 'ewma' } });
    expect(balancerSettings(values)).toEqual({ kind });
  });

  test('a bounded hash', () => {
    const { values } = parseOwn({ 'hash-bounded-load': '1.25' }, {}, { 'upstream-hash-by': '$request_uri' });
    expect(balancerSettings(values)).toEqual({ ...hash, boundedLoadFactor: 1.25 });
  });
});

const usual: UpstreamHealth = { passive: 'default', active: null, slowStartMs: 0 };
const probe = {
  probe: { kind: 'http', overTls: false, path: '/', host: null, minStatus: 200, maxStatus: 399 },
  port: null,
  intervalMs: 10_000,
  timeoutMs: 2000,
  healthyThreshold: 2,
  unhealthyThreshold: 3,
} as const;

describe('health', () => {
  test.each<[Record<string, string>, UpstreamHealth]>([
    [{}, usual],
    [{ 'passive-health': 'on' }, usual],
    [{ 'passive-health': 'off' }, { ...usual, passive: 'off' }],
    [
      { 'passive-health': 'off', 'passive-health-errors': '3' },
      { ...usual, passive: 'off' },
    ],
    [{ 'passive-health-errors': '3' }, { ...usual, passive: { ...defaultOutliers, consecutiveErrors: 3 } }],
    [{ 'passive-health-errors': '0' }, { ...usual, passive: { ...defaultOutliers, consecutiveErrors: null } }],
    [{ 'passive-health-error-rate': '50' }, { ...usual, passive: { ...defaultOutliers, errorRatePercent: 50 } }],
    [{ 'passive-health-error-rate': '101' }, usual],
    [{ 'passive-health-latency-factor': '3' }, { ...usual, passive: { ...defaultOutliers, latencyFactor: 3 } }],
    [
      {
        'passive-health-window': '1m',
        'passive-health-min-requests': '5',
        'passive-health-ejection': '2m',
        'passive-health-max-ejected': '10',
      },
      {
        ...usual,
        passive: {
          ...defaultOutliers,
          windowMs: 60_000,
          minRequests: 5,
          ejectionMs: 120_000,
          // Not below the first ejection.
          maxEjectionMs: 120_000,
          maxEjectedPercent: 10,
        },
      },
    ],
    [{ 'active-check': 'off' }, usual],
    [{ 'active-check': 'http' }, { ...usual, active: probe }],
    // A minute at most.
    [
      { 'active-check': 'http', 'active-check-timeout': '1h' },
      { ...usual, active: { ...probe, timeoutMs: 60_000 } },
    ],
    [
      {
        'active-check': 'http',
        'active-check-path': '/up',
        'active-check-host': 'a.test',
        'active-check-status': '200',
      },
      {
        ...usual,
        active: {
          ...probe,
          probe: { kind: 'http', overTls: false, path: '/up', host: 'a.test', minStatus: 200, maxStatus: 200 },
        },
      },
    ],
    [
      {
        'active-check': 'tcp',
        'active-check-port': '9000',
        'active-check-interval': '1s',
        'active-check-timeout': '500ms',
      },
      { ...usual, active: { ...probe, probe: { kind: 'tcp' }, port: 9000, intervalMs: 1000, timeoutMs: 500 } },
    ],
    [
      {
        'active-check': 'grpc',
        'active-check-grpc-service': 'shop.Cart',
        'active-check-healthy': '1',
        'active-check-unhealthy': '9',
      },
      {
        ...usual,
        active: {
          ...probe,
          probe: { kind: 'grpc', overTls: false, service: 'shop.Cart' },
          healthyThreshold: 1,
          unhealthyThreshold: 9,
        },
      },
    ],
    [{ 'slow-start': '30s' }, { ...usual, slowStartMs: 30_000 }],
    [{ 'slow-start': '1y' }, { ...usual, slowStartMs: 2_147_483_647 }],
  ])('%j', (given, want) => {
    expect(healthSettings(parseOwn(given).values)).toEqual(want);
  });

  test.each([
    ['HTTPS', {}, true],
    ['grpcs', {}, true],
    ['AUTO_HTTP', {}, false],
    ['HTTP2', {}, false],
    // A port for probes alone.
    ['HTTPS', { 'active-check-port': '9000' }, false],
  ])('with backend-protocol %s and %j probes go over TLS: %p', (protocol, more, overTls) => {
    for (const kind of ['http', 'grpc']) {
      const { values } = parseOwn({ 'active-check': kind, ...more }, {}, { 'backend-protocol': protocol });
      expect(healthSettings(values).active?.probe).toMatchObject({ kind, overTls });
    }
  });
});

const queue = { maxPending: 100, pendingTimeoutMs: 1000, retryAfterSeconds: 1 };
const none = {
  maxConnections: null,
  maxRequests: null,
  maxConnectionsPerEndpoint: null,
  maxRequestsPerEndpoint: null,
  adaptive: null,
};
const adaptive = { minRequests: 5, maxRequests: 1000, tolerancePercent: 50, measureEveryMs: 60_000 };

test.each<[Record<string, string>, UpstreamLimits | null]>([
  [{}, null],
  [{ 'max-requests': '0' }, null],
  [{ 'max-requests': '-1' }, null],
  [{ 'max-pending': '5' }, null],
  [{ 'max-requests': '9' }, { ...none, ...queue, maxRequests: 9 }],
  [{ 'max-connections': '9' }, { ...none, ...queue, maxConnections: 9 }],
  [{ 'max-connections-per-endpoint': '9' }, { ...none, ...queue, maxConnectionsPerEndpoint: 9 }],
  [
    { 'max-requests-per-endpoint': '9', 'max-pending': '0', 'pending-timeout': '250ms', 'retry-after': '7' },
    { ...none, maxRequestsPerEndpoint: 9, maxPending: 0, pendingTimeoutMs: 250, retryAfterSeconds: 7 },
  ],
  [{ 'adaptive-concurrency': 'false', 'adaptive-concurrency-min': '9' }, null],
  [{ 'adaptive-concurrency': 'true' }, { ...none, ...queue, adaptive }],
  [
    { 'adaptive-concurrency': 'true', 'max-requests': '50', 'adaptive-concurrency-tolerance': '100' },
    { ...none, ...queue, maxRequests: 50, adaptive: { ...adaptive, tolerancePercent: 100 } },
  ],
  [
    { 'adaptive-concurrency': 'true', 'adaptive-concurrency-min': '30', 'adaptive-concurrency-max': '20' },
    { ...none, ...queue, adaptive: { ...adaptive, minRequests: 30, maxRequests: 30 } },
  ],
  [
    { 'adaptive-concurrency': 'true', 'adaptive-concurrency-min': '0', 'adaptive-concurrency-interval': '5ms' },
    { ...none, ...queue, adaptive: { ...adaptive, measureEveryMs: 1000 } },
  ],
])('circuit breaking: %j', (given, want) => {
  expect(limitSettings(parseOwn(given).values)).toEqual(want);
});

test.each([
  [{}, 'zone-a', null],
  [{ 'zone-preference': 'true' }, '', null],
  [{ 'zone-preference': 'true' }, 'zone-a', { zone: 'zone-a', minUsablePercent: 50 }],
  [{ 'zone-preference': 'true', 'zone-spill-over': '0' }, 'zone-a', { zone: 'zone-a', minUsablePercent: 0 }],
  [{ 'zone-preference': 'false', 'zone-spill-over': '10' }, 'zone-a', null],
])('zone preference: %j on a node of "%s"', (given, nodeZone, want) => {
  expect(zoneSettings(parseOwn(given).values, nodeZone)).toEqual(want);
});
