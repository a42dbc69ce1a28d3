// fast-check generators of the settings of routes and upstreams, all valid.

import fc from 'fast-check';
import type { AffinitySettings, CanaryMatch, MirrorSettings } from '../route-settings.ts';
import type { Template, TemplatePart } from '../template.ts';
import type { Canary, Filter, Upstream } from '../types.ts';
import type { ActiveCheck, BalancerSettings, OutlierSettings, UpstreamLimits } from '../upstream-settings.ts';

/** Ids of the upstreams of every generated table. */
export const upstreamIds = ['a-one-80', 'a-two-http', 'upstream-default-backend'] as const;

const part: fc.Arbitrary<TemplatePart> = fc.oneof(
  fc.record({ kind: fc.constant('variable' as const), name: fc.constantFrom('remoteAddr', 'requestUri', 'host') }),
  fc.record({ kind: fc.constant('header' as const), name: fc.constantFrom('x-user', 'x-a') }),
  fc.record({ kind: fc.constant('argument' as const), name: fc.constant('id') }),
  fc.record({ kind: fc.constant('cookie' as const), name: fc.constant('sid') }),
);

/** A template in normal form: no two texts side by side. */
const arbitraryTemplate: fc.Arbitrary<Template> = fc
  .tuple(fc.constantFrom('', '-', 'https://m.test/'), fc.array(part, { minLength: 1, maxLength: 3 }))
  .map(([text, parts]) => (text === '' ? parts : [{ kind: 'text', text }, ...parts]));

const cidrs = fc.subarray(['10.0.0.0/8', '2001:db8::/32']);
const zone = fc.constantFrom('ns/web', 'ns/api');

export const arbitraryFilter: fc.Arbitrary<Filter> = fc.oneof(
  fc.record({
    kind: fc.constant('httpsRedirect' as const),
    status: fc.constantFrom(301, 308),
    port: fc.constantFrom(null, 8443),
    preserveTrailingSlash: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('rateLimit' as const),
    zone,
    key: arbitraryTemplate,
    requests: fc.integer({ min: 1, max: 100 }),
    per: fc.constantFrom('second', 'minute'),
    burst: fc.nat(500),
    allowCidrs: cidrs,
    status: fc.constantFrom(429, 503),
  }),
  fc.record({
    kind: fc.constant('connectionLimit' as const),
    zone,
    key: arbitraryTemplate,
    max: fc.integer({ min: 1, max: 100 }),
    allowCidrs: cidrs,
    status: fc.constantFrom(429, 503),
  }),
);

const canaryMatch: fc.Arbitrary<CanaryMatch> = fc.record({
  header: fc.option(
    fc.record({
      name: fc.constantFrom('x-canary', 'x-a'),
      rule: fc.oneof(
        fc.constant({ kind: 'words' as const }),
        fc.record({ kind: fc.constant('value' as const), value: fc.constantFrom('yes', 'always') }),
        fc.record({ kind: fc.constant('pattern' as const), pattern: fc.constantFrom('^a+$', 'b|c') }),
      ),
    }),
  ),
  cookie: fc.option(fc.constant('canary')),
  weight: fc.nat(120),
  weightTotal: fc.constantFrom(100, 1000),
});

export const arbitraryCanary: fc.Arbitrary<Canary> = fc.record({
  match: canaryMatch,
  upstream: fc.constantFrom(...upstreamIds),
  affinityBehavior: fc.constantFrom('sticky', 'legacy'),
  labels: fc.constant({ namespace: 'ns', ingress: 'canary', service: 'two', servicePort: '80', path: '/' }),
});

export const arbitraryAffinity: fc.Arbitrary<AffinitySettings> = fc.record({
  mode: fc.constantFrom('balanced', 'persistent'),
  cookie: fc.record({
    name: fc.constantFrom('INGRESSCOOKIE', 'sid'),
    path: fc.constantFrom('/', '/a'),
    domain: fc.option(fc.constant('example.com')),
    sameSite: fc.constantFrom(null, 'None', 'Lax', 'Strict'),
    conditionalSameSiteNone: fc.boolean(),
    secure: fc.boolean(),
    expiresSeconds: fc.option(fc.nat()),
    maxAgeSeconds: fc.option(fc.nat()),
  }),
  changeOnFailure: fc.boolean(),
  setsCookie: fc.boolean(),
});

export const arbitraryMirror: fc.Arbitrary<MirrorSettings> = fc.record({
  target: arbitraryTemplate,
  host: fc.constant('m.test'),
  sendBody: fc.boolean(),
});

const balancer: fc.Arbitrary<BalancerSettings> = fc.oneof(
  fc.record({
    kind: fc.constantFrom(
      'roundRobin',
      'ewma',
      'leastConnections',
      'randomTwoChoices',
      'sourceHash',
      'destinationHash',
      'shortestExpectedDelay',
      'neverQueue',
    ),
  }),
  fc.record({
    kind: fc.constant('consistentHash' as const),
    key: arbitraryTemplate,
    subsetSize: fc.option(fc.integer({ min: 1, max: 5 })),
    boundedLoadFactor: fc.option(fc.constantFrom(1.25, 2)),
  }),
);

const outliers: fc.Arbitrary<OutlierSettings> = fc.record({
  consecutiveErrors: fc.option(fc.integer({ min: 1, max: 10 })),
  errorRatePercent: fc.option(fc.integer({ min: 1, max: 100 })),
  latencyFactor: fc.option(fc.constantFrom(1.5, 3)),
  windowMs: fc.constantFrom(1000, 10_000),
  minRequests: fc.integer({ min: 1, max: 50 }),
  ejectionMs: fc.constantFrom(1000, 5000),
  maxEjectionMs: fc.constantFrom(5000, 60_000),
  maxEjectedPercent: fc.integer({ min: 0, max: 100 }),
});

const activeCheck: fc.Arbitrary<ActiveCheck> = fc.record({
  probe: fc.oneof(
    fc.constant({ kind: 'tcp' as const }),
    fc.constant({ kind: 'grpc' as const, overTls: false, service: '' }),
    fc.constant({
      kind: 'http' as const,
      overTls: false,
      path: '/healthz',
      host: null,
      minStatus: 200,
      maxStatus: 399,
    }),
  ),
  port: fc.option(fc.constantFrom(80, 9000)),
  intervalMs: fc.constantFrom(1000, 10_000),
  timeoutMs: fc.constant(1000),
  healthyThreshold: fc.integer({ min: 1, max: 5 }),
  unhealthyThreshold: fc.integer({ min: 1, max: 5 }),
});

const count = fc.option(fc.integer({ min: 1, max: 1000 }));

const limits: fc.Arbitrary<UpstreamLimits> = fc.record({
  maxConnections: count,
  maxRequests: count,
  maxConnectionsPerEndpoint: count,
  maxRequestsPerEndpoint: count,
  maxPending: fc.nat(100),
  pendingTimeoutMs: fc.constant(1000),
  retryAfterSeconds: fc.constant(1),
  adaptive: fc.option(
    fc.record({
      minRequests: fc.integer({ min: 1, max: 5 }),
      maxRequests: fc.integer({ min: 5, max: 1000 }),
      tolerancePercent: fc.nat(200),
      measureEveryMs: fc.constant(60_000),
    }),
  ),
});

export const arbitraryUpstreamSettings: fc.Arbitrary<Omit<Upstream, 'id' | 'endpoints'>> = fc.record({
  balancer,
  health: fc.record({
    passive: fc.oneof(fc.constantFrom('default' as const, 'off' as const), outliers),
    active: fc.option(activeCheck),
    slowStartMs: fc.constantFrom(0, 30_000),
  }),
  limits: fc.option(limits),
  zone: fc.option(fc.constant({ zone: 'zone-a', minUsablePercent: 50 })),
});
