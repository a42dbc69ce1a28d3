import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { applyUpdate } from '../table/apply.ts';
import { arbitraryPath, arbitraryRequestHost, arbitraryTablePair } from '../table/testing/arbitrary.ts';
import { buildHost, buildParts, buildRoute, buildTable, deepFreeze, testPolicy } from '../table/testing/build.ts';
import type { RoutingTable, VirtualHost } from '../table/types.ts';
import type { PartsUpdate, TableUpdate } from '../table/update.ts';
import { findHost, indexRoutes, prepareHosts, type RouteIndex, updateIndex } from './index.ts';
import { matchHost, matchRoute } from './match-route.ts';

const nothing = buildParts();

/** The simplest possible parts: every host of `after`, and the names that are gone. */
function partsOf(before: RoutingTable, after: RoutingTable): PartsUpdate {
  const kept = new Set(after.virtualHosts.map((host) => host.name));
  return {
    ...nothing,
    policies: after.policies,
    virtualHosts: after.virtualHosts,
    removedVirtualHosts: before.virtualHosts.map((host) => host.name).filter((name) => !kept.has(name)),
  };
}

const everything = { kind: 'prefix', path: '' } as const;
const table = deepFreeze(
  buildTable([buildHost('a.test', [everything]), buildHost('b.test', [everything]), buildHost('*.test', [everything])]),
);

/** Everything at once, with the number of turns that others would have had. */
function prepareAll(index: RouteIndex, update: TableUpdate) {
  const preparing = prepareHosts(index, update);
  let turns = 0;
  let step = preparing.next();
  for (; step.done !== true; step = preparing.next()) turns++;
  return { prepared: step.value, turns };
}

describe('prepareHosts', () => {
  const host = (i: number, path: string) => buildHost(`h${i}.test`, [{ kind: 'prefix', path }]);
  const hosts = (path: string) => Array.from({ length: 250 }, (_, i) => host(1000 + i, path));

  test('of an update in parts: hosts are built with its policies, and then only put in their places', () => {
    const before = indexRoutes(buildTable(hosts('/a')));
    const policy = { ...testPolicy, maxBodyBytes: 77 };
    const changed = [...hosts('/b').slice(0, 249), buildHost('new.test', [everything])].map((each) => ({
      ...each,
      routes: each.routes.map((route) => ({ ...route, policy: 'q' })),
    }));
    const parts = { ...nothing, policies: { q: policy }, virtualHosts: changed };
    const { prepared, turns } = prepareAll(before, parts);
    expect(turns).toBe(2);
    const after = updateIndex(before, parts, prepared);
    expect(findHost(after, 'h1007.test')).toBe(prepared.get(changed[7] as VirtualHost));
    expect(matchRoute(matchHost(after, 'new.test'), '/x')?.policy).toBe(policy);
    expect(matchRoute(matchHost(after, 'h1007.test'), '/b')?.policy).toBe(policy);
    expect(matchRoute(matchHost(after, 'h1249.test'), '/a')?.policy).not.toBe(policy);
  });

  test('of a full update: nothing of the table before is in them', () => {
    const next = buildTable(hosts('/b'));
    const full = { kind: 'full', revision: 2, table: next, material: [] } as const;
    const { prepared, turns } = prepareAll(indexRoutes(buildTable(hosts('/a'))), full);
    expect(turns).toBe(2);
    const index = indexRoutes(next, prepared);
    const source = next.virtualHosts.find(({ name }) => name === 'h1007.test') as VirtualHost;
    expect(findHost(index, 'h1007.test')).toBe(prepared.get(source));
    expect(matchRoute(matchHost(index, 'h1007.test'), '/a')).toBeNull();
    expect(matchRoute(matchHost(index, 'h1007.test'), '/b')).not.toBeNull();
  });

  test('a short update takes no turn', () => {
    expect(prepareAll(indexRoutes(table), { ...nothing, virtualHosts: [host(1, '/a')] }).turns).toBe(0);
  });
});

describe('updateIndex', () => {
  test('an updated index answers as one built from the updated table, and the old one as before', () => {
    const requests = fc.array(fc.tuple(arbitraryRequestHost, arbitraryPath), { minLength: 10, maxLength: 20 });
    fc.assert(
      fc.property(arbitraryTablePair, requests, fc.boolean(), ([before, after], asked, isPrepared) => {
        const index = indexRoutes(before);
        const parts = partsOf(before, after);
        const updated = isPrepared
          ? updateIndex(index, parts, prepareAll(index, parts).prepared)
          : updateIndex(index, parts);
        const rebuilt = indexRoutes(applyUpdate(before, parts));
        const untouched = indexRoutes(before);
        for (const [host, path] of asked) {
          expect(matchRoute(matchHost(updated, host), path)).toEqual(matchRoute(matchHost(rebuilt, host), path));
          expect(matchRoute(matchHost(index, host), path)).toEqual(matchRoute(matchHost(untouched, host), path));
        }
      }),
    );
  });

  test('parts without hosts and policies give back the same index', () => {
    const index = indexRoutes(table);
    expect(updateIndex(index, { ...nothing, upstreams: table.upstreams, global: table.global })).toBe(index);
  });

  test('hosts that did not change are shared', () => {
    const index = indexRoutes(table);
    const updated = updateIndex(index, { ...nothing, virtualHosts: [buildHost('a.test', [])] });
    expect(findHost(updated, 'b.test')).toBe(findHost(index, 'b.test'));
    expect(findHost(updated, '*.test')).toBe(findHost(index, '*.test'));
    expect(findHost(updated, '_')).toBe(findHost(index, '_'));
    expect(matchRoute(matchHost(updated, 'a.test'), '/')).toBeNull();
  });

  test('a new certificate keeps the built routes of its host', () => {
    const index = indexRoutes(table);
    const host: VirtualHost = { ...structuredClone(buildHost('a.test', [everything])), certificate: 'c1' };
    const updated = updateIndex(index, { ...nothing, virtualHosts: [host] });
    expect(findHost(updated, 'a.test')?.certificate).toBe('c1');
    expect(findHost(updated, 'a.test')?.routes).toBe(findHost(index, 'a.test')?.routes);
  });

  test('a removed exact host falls to its wildcard, a removed wildcard to the catch-all', () => {
    const index = indexRoutes(table);
    const withoutExact = updateIndex(index, { ...nothing, removedVirtualHosts: ['a.test'] });
    expect(matchHost(withoutExact, 'a.test').name).toBe('*.test');
    const withoutBoth = updateIndex(withoutExact, { ...nothing, removedVirtualHosts: ['*.test'] });
    expect(matchHost(withoutBoth, 'a.test').name).toBe('_');
    expect(matchHost(withoutBoth, 'b.test').name).toBe('b.test');
  });

  test('a new host may use a policy of the table and a policy of the update', () => {
    const policy = { ...testPolicy, maxAttempts: 1 };
    const host: VirtualHost = {
      ...buildHost('new.test', []),
      routes: [
        buildRoute('new.test', { kind: 'exact', path: '/old' }),
        { ...buildRoute('new.test', { kind: 'exact', path: '/new' }), policy: 'q' },
      ],
    };
    const updated = updateIndex(indexRoutes(table), { ...nothing, policies: { q: policy }, virtualHosts: [host] });
    const found = matchHost(updated, 'new.test');
    expect(matchRoute(found, '/old')?.policy).toBe(table.policies['p']);
    expect(matchRoute(found, '/new')?.policy).toBe(policy);
  });
});

test.each<[string, VirtualHost]>([
  ['an unknown policy', { ...buildHost('a.test', []), routes: [{ ...buildRoute('a.test', everything), policy: 'x' }] }],
  ['a regex in path mode', { ...buildHost('a.test', [{ kind: 'regex', pattern: '/' }]), mode: 'path' }],
])('%s is a bug of the compiler and throws', (_name, host) => {
  expect(() => indexRoutes(buildTable([host]))).toThrow('a.test|');
});
