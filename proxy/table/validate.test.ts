import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { plainEndpoint, plainTarget, plainUpstream } from './defaults.ts';
import type { RateLimitFilter } from './route-settings.ts';
import type { TemplatePart } from './template.ts';
import { arbitraryTable } from './testing/arbitrary.ts';
import { buildHost, buildRoute, buildTable, testGlobal } from './testing/build.ts';
import type { Canary, Route, RoutingTable, UpstreamTarget, VirtualHost } from './types.ts';
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
const prefix = route({ kind: 'prefix', path: '' });

function withTarget(changes: Partial<UpstreamTarget>): Route {
  return { ...prefix, target: { ...plainTarget('default-web-80'), ...changes } };
}

function canary({ upstream = 'default-web-80', weightTotal = 100 }): Canary {
  const match = { header: null, cookie: null, weight: 0, weightTotal };
  return { match, upstream, affinityBehavior: 'sticky', labels: prefix.labels };
}

const text: TemplatePart = { kind: 'text', text: 'x' };
const limit: RateLimitFilter = {
  kind: 'rateLimit',
  zone: 'ns/web',
  key: [text],
  requests: 1,
  per: 'second',
  burst: 0,
  allowCidrs: [],
  status: 503,
};

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
    'an unknown upstream of a canary',
    withHost({ routes: [withTarget({ canaries: [canary({ upstream: 'nowhere' })] })] }),
    'names unknown upstream nowhere',
  ],
  [
    'a canary that is out of less than 100',
    withHost({ routes: [withTarget({ canaries: [canary({ weightTotal: 50 })] })] }),
    'has a canary of weight 0 out of 50',
  ],
  [
    'a limit of nothing',
    withHost({ routes: [{ ...prefix, filters: [{ ...limit, requests: 0 }] }] }),
    'has a limit of 0',
  ],
  ['an empty template', withHost({ routes: [{ ...prefix, filters: [{ ...limit, key: [] }] }] }), 'empty template'],
  [
    'a template with two texts side by side',
    withHost({ routes: [{ ...prefix, mirror: { target: [text, text], host: 'm', sendBody: true } }] }),
    'two texts side by side',
  ],
  [
    'a weight of nothing',
    { ...good, upstreams: [plainUpstream('default-web-80', [{ ...plainEndpoint('10.0.0.1', 80), weight: 0 }])] },
    'endpoint 10.0.0.1 has weight 0',
  ],
  [
    'endpoints out of order',
    {
      ...good,
      upstreams: good.upstreams.map((upstream) => ({
        ...upstream,
        endpoints: [plainEndpoint('10.0.0.2', 80), plainEndpoint('10.0.0.1', 80)],
      })),
    },
    'endpoint 10.0.0.1 80 stands after',
  ],
])('%s is found', (_name, table, want) => {
  expect(validateTable(table).join('\n')).toContain(want);
});
