import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { applyUpdate } from '#proxy/table/apply.ts';
import { decodeUpdate, encodeUpdate, renderCanonical } from '#proxy/table/codec.ts';
import { plainEndpoint } from '#proxy/table/defaults.ts';
import { arbitraryTable, arbitraryTablePair } from '#proxy/table/testing/arbitrary.ts';
import { buildHost, buildParts, buildTable, deepFreeze, testGlobal } from '#proxy/table/testing/build.ts';
import type { CertificateInfo, RoutingTable } from '#proxy/table/types.ts';
import { changesConfiguration, diffTables } from './diff.ts';
import { versionOf } from './testing/version-of.ts';

function diff(before: RoutingTable, after: RoutingTable) {
  return diffTables({ revision: 1, version: versionOf(before) }, { revision: 2, version: versionOf(after) });
}

/** As `diff`, of versions that share what is equal, as those of one compiler do. */
function diffSharing(before: RoutingTable, after: RoutingTable) {
  const base = versionOf(before);
  return diffTables({ revision: 1, version: base }, { revision: 2, version: versionOf(after, base) });
}

describe('properties', () => {
  test('applying the difference to the previous table gives the next one, byte for byte', () => {
    fc.assert(
      fc.property(arbitraryTablePair, ([before, after]) => {
        const update = diff(deepFreeze(before), deepFreeze(after));
        const applied = update === null ? before : applyUpdate(before, decodeUpdate(encodeUpdate(update)));
        expect(applied).toEqual(after);
        expect(renderCanonical(applied)).toBe(renderCanonical(after));
      }),
    );
  });

  test('what two versions share makes no difference', () => {
    fc.assert(
      fc.property(arbitraryTablePair, ([before, after]) => {
        expect(diffSharing(before, after)).toEqual(diff(before, after));
      }),
    );
    const hosts = (changed: string) =>
      buildTable(
        Array.from({ length: 1000 }, (_, i) => buildHost(`h${i}.test`, [{ kind: 'prefix', path: '' }])).map((host) =>
          host.name === changed ? buildHost(changed, []) : host,
        ),
      );
    expect(diffSharing(hosts(''), hosts('h500.test'))).toMatchObject({
      virtualHosts: [buildHost('h500.test', [])],
      removedVirtualHosts: [],
    });
  });

  test('equal tables give no update', () => {
    fc.assert(
      fc.property(arbitraryTable, (table) => {
        expect(diff(table, structuredClone(table))).toBeNull();
      }),
    );
  });

  test('key pairs are sent for new certificates only', () => {
    fc.assert(
      fc.property(arbitraryTable, fc.subarray(['c0', 'c1', 'c2']), (table, kept) => {
        const before = { ...table, certificates: table.certificates.filter((info) => kept.includes(info.id)) };
        const update = diff(before, table);
        const sent = update === null ? [] : update.material.map((pair) => pair.id);
        expect(sent).toEqual(['c0', 'c1', 'c2'].filter((id) => !kept.includes(id)));
      }),
    );
  });
});

const small = buildTable([buildHost('a.test', [{ kind: 'prefix', path: '' }])]);
const moved: RoutingTable = {
  ...small,
  upstreams: small.upstreams.map((upstream) => ({ ...upstream, endpoints: [plainEndpoint('10.0.0.9', 8080)] })),
};
const certificate: CertificateInfo = {
  id: 'c0',
  secret: 'ns/tls',
  commonName: 'a.test',
  dnsNames: ['a.test'],
  notBeforeMs: 0,
  notAfterMs: 1,
  serialNumber: '1',
  issuerCommonName: 'ca',
  issuerOrganization: '',
  publicKeyAlgorithm: 'RSA',
};

describe('form of the update', () => {
  test('without a previous table it is full', () => {
    expect(diffTables(null, { revision: 1, version: versionOf(small) })).toEqual({
      kind: 'full',
      revision: 1,
      table: small,
      material: [],
    });
  });

  test('an endpoint change carries the upstream and nothing else, even in a tiny table', () => {
    expect(diff(small, moved)).toEqual(
      buildParts({
        upstreams: moved.upstreams,
      }),
    );
  });

  test('it is full when most of a large table changed, and parts when little did', () => {
    const hosts = (pathOf: (i: number) => string) =>
      buildTable(
        Array.from({ length: 1000 }, (_, i) => buildHost(`h${i}.test`, [{ kind: 'prefix', path: pathOf(i) }])),
      );
    const before = hosts(() => '');
    expect(
      diff(
        before,
        hosts(() => '/new'),
      )?.kind,
    ).toBe('full');
    expect(
      diff(
        before,
        hosts((i) => (i < 100 ? '/new' : '')),
      ),
    ).toMatchObject({ kind: 'parts' });
  });
});

test.each<[string, RoutingTable, boolean]>([
  ['endpoints only', moved, false],
  ['certificates only', { ...small, certificates: [certificate] }, false],
  [
    'a certificate of a host',
    {
      ...small,
      certificates: [certificate],
      virtualHosts: small.virtualHosts.map((host) => ({ ...host, certificate: 'c0' })),
    },
    false,
  ],
  ['a route', buildTable([buildHost('a.test', [])]), true],
  ['a host gone', buildTable([]), true],
  ['a global setting', { ...small, global: { ...testGlobal, serverTokens: true } }, true],
])('changesConfiguration: %s', (_name, after, want) => {
  const update = diff(small, after);
  expect(update !== null && changesConfiguration(update, { revision: 1, version: versionOf(small) })).toBe(want);
});
