import { describe, expect, test } from '@jest/globals';
import { buildHost, buildParts, buildTable } from '../table/testing/build.ts';
import { indexRoutes, updateIndex } from './index.ts';
import { matchPassthrough, matchSni } from './sni.ts';

const withCertificate = (name: string, certificate: string | null) => ({ ...buildHost(name, []), certificate });
const index = indexRoutes(
  buildTable([
    withCertificate('a.foo.com', 'exact'),
    withCertificate('plain.foo.com', null),
    withCertificate('*.foo.com', 'wildcard'),
    withCertificate('_', 'never'),
  ]),
);

describe('matchSni', () => {
  test.each<[string, string, string | null | undefined]>([
    ['exact host', 'a.foo.com', 'exact'],
    ['case does not matter', 'A.Foo.COM', 'exact'],
    ['one trailing dot does not matter', 'a.foo.com.', 'exact'],
    ['wildcard', 'b.foo.com', 'wildcard'],
    ['a wildcard label may hold any character but a dot', 'b$b.foo.com', 'wildcard'],
    ['an exact host without certificate uses the default, not the wildcard', 'plain.foo.com', null],
    ['two labels under a wildcard', 'a.b.foo.com', undefined],
    ['the parent of a wildcard', 'foo.com', undefined],
    ['an empty first label', '.foo.com', undefined],
    ['unknown', 'other.com', undefined],
    ['no server name', '', undefined],
    ['the name of the catch-all', '_', undefined],
    ['a literal wildcard', '*.foo.com', undefined],
    ['an address', '10.0.0.1', undefined],
  ])('%s', (_name, serverName, want) => {
    expect(matchSni(index, serverName)).toBe(want);
  });

  test('follows updates of the index', () => {
    const updated = updateIndex(
      index,
      buildParts({
        virtualHosts: [withCertificate('a.foo.com', 'renewed')],
        removedVirtualHosts: ['*.foo.com'],
      }),
    );
    expect(matchSni(updated, 'a.foo.com')).toBe('renewed');
    expect(matchSni(updated, 'b.foo.com')).toBeUndefined();
  });
});

describe('matchPassthrough', () => {
  const passing = (name: string, passthrough: string | null) => ({ ...buildHost(name, []), passthrough });
  const hosts = [passing('a.foo.com', 'one'), passing('plain.foo.com', null), passing('*.foo.com', 'all')];
  const before = indexRoutes(buildTable(hosts));

  test.each<[string, string, string | null]>([
    ['exact host', 'A.foo.com.', 'one'],
    ['wildcard', 'b.foo.com', 'all'],
    ['an exact host without passthrough hides the wildcard', 'plain.foo.com', null],
    ['unknown', 'other.com', null],
    ['no server name', '', null],
  ])('%s', (_name, serverName, want) => {
    expect(matchPassthrough(before, serverName)).toBe(want);
  });

  test('the index counts such hosts over updates', () => {
    const parts = buildParts({
      virtualHosts: [passing('a.foo.com', null), passing('new.com', 'two')],
      removedVirtualHosts: ['*.foo.com', 'plain.foo.com'],
    });
    const after = updateIndex(before, parts);
    expect([before.passthroughHosts, after.passthroughHosts]).toEqual([2, 1]);
    expect(['a.foo.com', 'b.foo.com', 'new.com'].map((name) => matchPassthrough(after, name))).toEqual([
      null,
      null,
      'two',
    ]);
  });
});
