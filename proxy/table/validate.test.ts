import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { arbitraryTable } from './testing/arbitrary.ts';
import { buildHost, buildRoute, buildTable, testGlobal } from './testing/build.ts';
import type { RoutingTable, VirtualHost } from './types.ts';
import { validateTable } from './validate.ts';

test('generated tables keep all promises', () => {
  fc.assert(
    fc.property(arbitraryTable, (table) => {
      expect(validateTable(table)).toEqual([]);
    }),
  );
});

const good = buildTable([buildHost('a.test', [{ kind: 'prefix', path: '' }])]);

function withHost(host: Partial<VirtualHost>): RoutingTable {
  const [catchAll, first] = good.virtualHosts as [VirtualHost, VirtualHost];
  return { ...good, virtualHosts: [catchAll, { ...first, ...host }] };
}

const route = (match: Parameters<typeof buildRoute>[1]) => buildRoute('a.test', match);

test.each<[string, RoutingTable, string]>([
  ['no catch-all', { ...good, virtualHosts: good.virtualHosts.slice(1) }, 'virtual host _ is missing'],
  ['hosts out of order', { ...good, virtualHosts: [...good.virtualHosts].reverse() }, 'stands after'],
  [
    'a host twice',
    { ...good, virtualHosts: [...good.virtualHosts, ...good.virtualHosts.slice(1)] },
    'a.test occurs twice',
  ],
  ['unknown upstream', { ...good, upstreams: [] }, 'unknown upstream default-web-80'],
  ['unknown policy', { ...good, policies: {} }, 'unknown policy p'],
  [
    'unknown certificate of a host',
    withHost({ certificate: 'c9' }),
    'virtual host a.test names unknown certificate c9',
  ],
  [
    'unknown default certificate',
    { ...good, global: { ...testGlobal, defaultCertificate: 'c9' } },
    'unknown certificate c9',
  ],
  ['prefix with trailing slash', withHost({ routes: [route({ kind: 'prefix', path: '/a/' })] }), 'with trailing slash'],
  ['prefix without slash', withHost({ routes: [route({ kind: 'prefix', path: 'a' })] }), 'without leading slash'],
  ['exact without slash', withHost({ routes: [route({ kind: 'exact', path: '' })] }), 'without leading slash'],
  ['regex in path mode', withHost({ routes: [route({ kind: 'regex', pattern: '/' })] }), 'in a host of mode path'],
  ['bad regex', withHost({ mode: 'regex', routes: [route({ kind: 'regex', pattern: '(' })] }), 'no regular expression'],
  [
    'a route that is hidden by an equal one',
    withHost({
      routes: [route({ kind: 'exact', path: '/a' }), { ...route({ kind: 'exact', path: '/a' }), id: 'second' }],
    }),
    'route second can never match',
  ],
  [
    'a route id twice',
    withHost({
      routes: [
        route({ kind: 'exact', path: '/a' }),
        { ...route({ kind: 'exact', path: '/b' }), id: 'a.test|exact|/a' },
      ],
    }),
    'route id a.test|exact|/a occurs twice',
  ],
  [
    'endpoints out of order',
    {
      ...good,
      upstreams: good.upstreams.map((upstream) => ({
        ...upstream,
        endpoints: [
          { address: '10.0.0.2', port: 80 },
          { address: '10.0.0.1', port: 80 },
        ],
      })),
    },
    'endpoint 10.0.0.1 80 stands after',
  ],
])('%s is found', (_name, table, want) => {
  expect(validateTable(table).join('\n')).toContain(want);
});
