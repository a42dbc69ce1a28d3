// The banner: what a person copies from it must work.

import { expect, test } from '@jest/globals';
import type { Route } from '#proxy/table/types.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import { type BannerFacts, hostLines, renderBanner } from './banner.ts';
import { certificateOf, hostOf, tableOf } from './testing/tables.ts';

const PORTS = { httpPort: 8080, httpsPort: 8443 };

function factsOf(facts: Partial<BannerFacts>): BannerFacts {
  return {
    version: '1.2.3',
    manifests: 'manifests',
    workers: 2,
    healthPort: 10254,
    healthPath: '/healthz',
    table: tableOf([]),
    diagnostics: [],
    ...PORTS,
    ...facts,
  };
}

function problem(name: string, severity: Diagnostic['severity']): Diagnostic {
  return {
    severity,
    reason: 'HostInvalid',
    object: { kind: 'Ingress', namespace: 'demo', name },
    field: 'spec.rules[0].host',
    message: 'the host is bad; the rule is left out',
    source: { file: 'a.yaml', line: 3 },
  };
}

test.each([
  ['a name under localhost', hostOf('site.localhost', ['']), ['curl http://site.localhost:8080/']],
  [
    'any other name is told where it is',
    hostOf('shop.example', ['/a']),
    ['curl --resolve shop.example:8080:127.0.0.1 http://shop.example:8080/a'],
  ],
  ['the catch-all', hostOf('_', ['']), ['curl http://localhost:8080/']],
  ['a wildcard gets a sample label', hostOf('*.wild.localhost', ['']), ['curl http://any.wild.localhost:8080/']],
  ['the shortest path', hostOf('a.localhost', ['/long', '/x', '/longer']), ['curl http://a.localhost:8080/x']],
  [
    'a self-signed certificate needs -k',
    hostOf('tls.localhost', [''], 'self'),
    ['curl http://tls.localhost:8080/', 'curl -k https://tls.localhost:8443/'],
  ],
  [
    'a certificate from an authority does not',
    hostOf('tls.example', [''], 'good'),
    [
      'curl --resolve tls.example:8080:127.0.0.1 http://tls.example:8080/',
      'curl --resolve tls.example:8443:127.0.0.1 https://tls.example:8443/',
    ],
  ],
])('curl lines: %s', (_, host, curl) => {
  const table = tableOf([host], [certificateOf('self', 'self'), certificateOf('good', 'Some Authority')]);
  expect(hostLines({ table, ...PORTS }).flatMap((line) => line.curl)).toEqual(curl);
});

test('the implicit `/` of a host is no path to show', () => {
  const { routes, ...host } = hostOf('lab.localhost', ['/api', '']);
  const [api, implicit] = routes as [Route, Route];
  const unnamed = { ...implicit, labels: { ...implicit.labels, service: '' } };
  const [line] = hostLines({ table: tableOf([{ ...host, routes: [api, unnamed] }]), ...PORTS });
  expect(line?.curl).toEqual(['curl http://lab.localhost:8080/api']);
});

test('a catch-all with nothing but the built-in 404 is not offered', () => {
  const catchAll = hostOf('_', ['']);
  const routes = catchAll.routes.map((route) => ({
    ...route,
    target: { kind: 'answer', status: 404, reason: 'noBackend' } as const,
  }));
  expect(hostLines({ table: tableOf([{ ...catchAll, routes }]), ...PORTS })).toEqual([]);
});

test('names addresses, folder, counts and problems', () => {
  const banner = renderBanner(
    factsOf({
      table: tableOf([hostOf('a.localhost', [''])]),
      diagnostics: [problem('a', 'error'), problem('b', 'warning'), problem('c', 'info')],
    }),
  );
  expect(banner).toContain('Sluice 1.2.3 serves manifests with 2 workers');
  expect(banner).toContain('http   :8080');
  expect(banner).toContain('https  :8443');
  expect(banner).toContain('http://localhost:10254/healthz');
  expect(banner).toContain('1 host, 0 upstreams, 1 error, 1 warning');
  expect(banner).toContain(
    'error Ingress demo/a spec.rules[0].host: the host is bad; the rule is left out (a.yaml:3, HostInvalid)',
  );
  expect(banner).not.toContain('demo/c');
  expect(banner).toContain("--resolve '*:8080:127.0.0.1'");
});

test('stays short with many hosts and problems', () => {
  const hosts = Array.from({ length: 500 }, (_, i) => hostOf(`h${i}.example`, ['']));
  const diagnostics = Array.from({ length: 500 }, (_, i) => problem(`i${i}`, 'error'));
  const banner = renderBanner(factsOf({ table: tableOf(hosts), diagnostics }));
  expect(banner).toContain('and 488 more hosts');
  expect(banner).toContain('and 490 more: sluice translate prints them all');
  expect(banner.split('\n').length).toBeLessThan(50);
});

test('of a cluster speaks of the cluster, not of files', () => {
  const diagnostics = Array.from({ length: 11 }, (_, i) => problem(`i${i}`, 'error'));
  const banner = renderBanner(factsOf({ manifests: null, diagnostics }));
  expect(banner).toContain('Sluice 1.2.3 serves the Ingresses of the cluster with 2 workers');
  expect(banner).toContain('and 1 more: see the log');
  expect(banner).toContain('Changes in the cluster are live as they come. Ctrl-C stops.');
  expect(banner).not.toMatch(/manifest|translate/);
});
