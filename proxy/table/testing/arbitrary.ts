// fast-check generators of valid routing tables, and of requests that have a good chance to hit them.
//
// Names come from tiny alphabets on purpose: overlaps, near misses and equal neighbours are what finds mistakes.

import fc from 'fast-check';
import type {
  CertificateInfo,
  CertificateMaterial,
  PathMatch,
  Route,
  RoutePolicy,
  RoutingTable,
  StreamService,
  Upstream,
  VirtualHost,
} from '../types.ts';
import {
  arbitraryAffinity,
  arbitraryCanary,
  arbitraryFilter,
  arbitraryMirror,
  arbitraryUpstreamSettings,
  upstreamIds,
} from './arbitrary-settings.ts';
import { testGlobal, testPolicy } from './build.ts';

const policyIds = ['p0', 'p1', 'p2'] as const;
const certificateIds = ['c0', 'c1', 'c2'] as const;

const label = fc.constantFrom('a', 'b', 'a-b', 'x_1', 'é');
const domain = fc.constantFrom('example.com', 'a.example.com', 'com', 'test');

/** Name of a virtual host other than `_`: exact or wildcard. */
const arbitraryHostName: fc.Arbitrary<string> = fc.oneof(
  domain,
  fc.tuple(label, domain).map((parts) => parts.join('.')),
  domain.map((rest) => `*.${rest}`),
);

/** Host of a request: of the table, near it, or nothing like it. */
export const arbitraryRequestHost: fc.Arbitrary<string> = fc.oneof(
  arbitraryHostName,
  fc.tuple(label, label, domain).map((parts) => parts.join('.')),
  fc.constantFrom('', '_', '.', '.example.com', 'example.com.', '127.0.0.1', '*.example.com', '$.example.com'),
  fc.string({ maxLength: 12 }),
);

const segment = fc.constantFrom('a', 'b', 'aa', 'A', 'ü', '%', 'a.b');

/** A normalised request path: starts with `/`; now and then ends with one, or has an empty segment. */
export const arbitraryPath: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.oneof({ weight: 9, arbitrary: segment }, { weight: 1, arbitrary: fc.constant('') }), { maxLength: 4 }),
    fc.boolean(),
  )
  .map(([segments, slash]) => `/${segments.join('/')}${slash ? '/' : ''}`);

const arbitraryPathMatch: fc.Arbitrary<PathMatch> = fc.oneof(
  arbitraryPath.map((path): PathMatch => ({ kind: 'exact', path })),
  arbitraryPath.map((path): PathMatch => ({ kind: 'prefix', path: path.replace(/\/+$/, '') })),
);

const arbitraryPattern = fc
  .tuple(arbitraryPath, fc.constantFrom('', '$', '.*', '(/|$)(.*)', '[a-c]{1,2}', '|/b'))
  .map(([path, tail]): PathMatch => ({ kind: 'regex', pattern: path.replaceAll('.', '\\.') + tail }));

const arbitraryTarget: fc.Arbitrary<Route['target']> = fc.oneof(
  fc.record({
    kind: fc.constant('upstream' as const),
    upstream: fc.constantFrom(...upstreamIds),
    canaries: fc.array(arbitraryCanary, { maxLength: 2 }),
    affinity: fc.option(arbitraryAffinity),
  }),
  fc.constantFrom(
    { kind: 'answer', status: 404, reason: 'noBackend' } as const,
    { kind: 'answer', status: 503, reason: 'denied' } as const,
  ),
);

const arbitraryFilters: fc.Arbitrary<Route['filters']> = fc.oneof(
  fc.constant([]),
  fc.array(arbitraryFilter, { maxLength: 3 }),
);

function arbitraryRoute(host: string, match: PathMatch): fc.Arbitrary<Route> {
  const path = match.kind === 'regex' ? match.pattern : match.path;
  return fc
    .record({
      policy: fc.constantFrom(...policyIds),
      filters: arbitraryFilters,
      target: arbitraryTarget,
      mirror: fc.option(arbitraryMirror, { freq: 2 }),
    })
    .map((rest) => ({
      ...rest,
      id: `ns/web|${host}|${match.kind}|${path}`,
      match,
      labels: { namespace: 'ns', ingress: 'web', service: 'one', servicePort: '80', path },
    }));
}

function arbitraryVirtualHost(name: string): fc.Arbitrary<VirtualHost> {
  return fc.constantFrom('path' as const, 'path' as const, 'path' as const, 'regex' as const).chain((mode) =>
    fc.record({
      name: fc.constant(name),
      certificate: fc.constantFrom(null, ...certificateIds),
      passthrough: fc.constantFrom(null, null, ...upstreamIds),
      mode: fc.constant(mode),
      routes: fc
        .uniqueArray(mode === 'path' ? arbitraryPathMatch : arbitraryPattern, {
          maxLength: 8,
          selector: (match) => JSON.stringify(match),
        })
        .chain((matches) => fc.tuple(...matches.map((match) => arbitraryRoute(name, match)))),
    }),
  );
}

function arbitraryUpstream(id: string): fc.Arbitrary<Upstream> {
  return fc
    .uniqueArray(
      fc.record({
        address: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.10', 'fd00::1'),
        port: fc.constantFrom(80, 8080),
        weight: fc.constantFrom(1, 1, 7),
        zones: fc.subarray(['zone-a', 'zone-b']),
        state: fc.constantFrom('ready' as const, 'ready' as const, 'terminating' as const),
      }),
      { selector: (endpoint) => `${endpoint.address} ${endpoint.port}`, maxLength: 5 },
    )
    .chain((endpoints) => arbitraryUpstreamSettings.map((settings) => ({ endpoints, settings })))
    .map(({ endpoints, settings }) => ({
      id,
      ...settings,
      endpoints: endpoints.sort((a, b) => (a.address === b.address ? a.port - b.port : a.address < b.address ? -1 : 1)),
    }));
}

const arbitraryStreams: fc.Arbitrary<readonly StreamService[]> = fc
  .subarray(['tcp:5432', 'tcp:9000', 'udp:53'])
  .chain((ids) => fc.tuple(...ids.map(arbitraryStream)));

function arbitraryStream(id: string): fc.Arbitrary<StreamService> {
  const [protocol, port] = id.split(':');
  return fc.record({
    id: fc.constant(id),
    protocol: fc.constant(protocol as 'tcp' | 'udp'),
    port: fc.constant(Number(port)),
    expectsProxyHeader: protocol === 'tcp' ? fc.boolean() : fc.constant(false),
    sendsProxyHeader: protocol === 'tcp' ? fc.boolean() : fc.constant(false),
    upstream: arbitraryUpstream(id),
    labels: fc.constant({ namespace: 'ns', service: 'db', servicePort: 'sql' }),
  });
}

function arbitraryCertificate(id: string): fc.Arbitrary<CertificateInfo> {
  return fc.record({
    id: fc.constant(id),
    secret: fc.constantFrom('', 'ns/tls'),
    commonName: fc.constantFrom('example.com', 'Zoë "quoted" \\ \u2028'),
    dnsNames: fc.array(domain, { maxLength: 2 }),
    notBeforeMs: fc.nat(),
    notAfterMs: fc.nat(),
    serialNumber: fc.constant('1234567890123456789012'),
    issuerCommonName: fc.string(),
    issuerOrganization: fc.string({ unit: 'binary' }),
    publicKeyAlgorithm: fc.constantFrom('RSA', 'ECDSA'),
  });
}

/** One content for each id, as ids are content hashes: the ones routes use always, the others now and then. */
const arbitraryPolicies: fc.Arbitrary<Readonly<Record<string, RoutePolicy>>> = fc
  .subarray(['p3', 'p4'])
  .map((extra) =>
    Object.fromEntries([...policyIds, ...extra].map((id) => [id, { ...testPolicy, maxAttempts: Number(id.slice(1)) }])),
  );

/** A valid table: passes `validateTable`, with up to 12 virtual hosts of both modes. */
export const arbitraryTable: fc.Arbitrary<RoutingTable> = fc
  .uniqueArray(arbitraryHostName, { maxLength: 11 })
  .chain((names) =>
    fc.record({
      format: fc.constant(1 as const),
      global: fc
        .record({
          defaultCertificate: fc.constantFrom(null, 'c0'),
          trustedCidrs: fc.array(fc.string(), { maxLength: 2 }),
        })
        .map((some) => ({ ...testGlobal, ...some })),
      policies: arbitraryPolicies,
      virtualHosts: fc.tuple(...[...names, '_'].sort().map(arbitraryVirtualHost)),
      upstreams: fc.tuple(...upstreamIds.map(arbitraryUpstream)),
      certificates: fc.tuple(...certificateIds.map(arbitraryCertificate)),
      streams: arbitraryStreams,
    }),
  );

/** A key pair for each certificate of `table`. The text only looks like PEM. */
export function materialOf(table: RoutingTable): Map<string, CertificateMaterial> {
  return new Map(
    table.certificates.map(({ id }) => [id, { id, certPem: `cert of ${id}`, keyPem: `key of ${id}` }] as const),
  );
}

/** Two tables that share many parts, as two successive compiles do; sometimes equal. */
export const arbitraryTablePair: fc.Arbitrary<readonly [RoutingTable, RoutingTable]> = fc
  .tuple(arbitraryTable, arbitraryTable, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), fc.nat(15))
  .map(([before, other, keep, what]) => {
    const after: RoutingTable = {
      format: 1,
      global: what & 1 ? other.global : before.global,
      policies: what & 2 ? other.policies : before.policies,
      virtualHosts: mixHosts(before.virtualHosts, other.virtualHosts, keep),
      upstreams: what & 4 ? other.upstreams : before.upstreams,
      certificates: what & 8 ? other.certificates : before.certificates,
      streams: what & 2 ? other.streams : before.streams,
    };
    // Copied, because two compiles never share objects.
    return [before, structuredClone(after)] as const;
  });

function mixHosts(
  before: readonly VirtualHost[],
  other: readonly VirtualHost[],
  keep: readonly boolean[],
): readonly VirtualHost[] {
  const mixed = new Map<string, VirtualHost>();
  for (const [i, host] of before.entries()) if (keep[i] || host.name === '_') mixed.set(host.name, host);
  for (const [i, host] of other.entries()) if (!keep[i]) mixed.set(host.name, host);
  return [...mixed.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
