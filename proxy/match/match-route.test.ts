import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { arbitraryPath, arbitraryRequestHost, arbitraryTable } from '../table/testing/arbitrary.ts';
import { buildHost, buildTable } from '../table/testing/build.ts';
import type { RoutingTable } from '../table/types.ts';
import { validateTable } from '../table/validate.ts';
import { type MatchCase, matchCases } from './cases.ts';
import { indexRoutes } from './index.ts';
import { matchHost, matchRoute } from './match-route.ts';
import { matchHostNaively, matchRouteNaively } from './naive.ts';

const rows = matchCases.flatMap((given) => given.requests.map((request) => [given.name, given, request] as const));

function tableOf({ hosts }: MatchCase): RoutingTable {
  return buildTable(Object.entries(hosts).map(([name, matches]) => buildHost(name, matches)));
}

describe('shared cases', () => {
  test.each(rows)('index: %s', (_name, given, { host, path, want }) => {
    const found = matchRoute(matchHost(indexRoutes(tableOf(given)), host), path);
    expect(found?.route.id ?? null).toBe(want);
  });

  test.each(rows)('oracle: %s', (_name, given, { host, path, want }) => {
    const table = tableOf(given);
    expect(validateTable(table)).toEqual([]);
    expect(matchRouteNaively(matchHostNaively(table, host), path)?.id ?? null).toBe(want);
  });
});

describe('properties', () => {
  test('the index chooses the host and the route that the oracle chooses', () => {
    const requests = fc.array(fc.tuple(arbitraryRequestHost, arbitraryPath), { minLength: 20, maxLength: 40 });
    fc.assert(
      fc.property(arbitraryTable, requests, (table, asked) => {
        const index = indexRoutes(table);
        for (const [host, path] of asked) {
          const found = matchHost(index, host);
          const wantHost = matchHostNaively(table, host);
          expect(found.name).toBe(wantHost.name);
          expect(matchRoute(found, path)?.route).toBe(matchRouteNaively(wantHost, path) ?? undefined);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('every path of a table is found by itself, and its route carries policy and upstream', () => {
    fc.assert(
      fc.property(arbitraryTable, (table) => {
        const index = indexRoutes(table);
        for (const host of table.virtualHosts.filter(({ name, mode }) => mode === 'path' && !name.startsWith('*'))) {
          for (const route of host.routes) {
            if (route.match.kind === 'regex') continue;
            const found = matchRoute(matchHost(index, host.name), route.match.path || '/');
            expect(found).not.toBeNull();
            expect(found?.policy).toBe(table.policies[found?.route.policy ?? '']);
            const { target } = found?.route ?? route;
            expect(found?.upstreamId).toBe(target.kind === 'upstream' ? target.upstream : null);
          }
        }
      }),
    );
  });
});

test('10,000 prefixes with a long common start are told apart', () => {
  const prefixes = Array.from({ length: 10_000 }, (_, i) => ({ kind: 'prefix', path: `/api/v1/tenant-${i}` }) as const);
  const host = matchHost(indexRoutes(buildTable([buildHost('h', prefixes)])), 'h');
  expect(matchRoute(host, '/api/v1/tenant-9999/orders/1')?.route.match).toEqual(prefixes[9999]);
  expect(matchRoute(host, '/api/v1/tenant-10000/orders')).toBeNull();
});
