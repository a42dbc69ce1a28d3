import { describe, expect, test } from '@jest/globals';
import { applyUpdate, canApply } from './apply.ts';
import { buildHost, buildParts, buildTable, deepFreeze, testGlobal, testPolicy } from './testing/build.ts';

const nothing = buildParts();

const base = deepFreeze(buildTable([buildHost('a.test', []), buildHost('c.test', []), buildHost('e.test', [])]));
const names = (table: { virtualHosts: readonly { name: string }[] }) => table.virtualHosts.map((host) => host.name);

describe('applyUpdate', () => {
  test('a full update is the table', () => {
    expect(applyUpdate(null, { kind: 'full', revision: 1, table: base, material: [] })).toBe(base);
  });

  test('parts without a table is a bug', () => {
    expect(() => applyUpdate(null, nothing)).toThrow('based on');
  });

  test('untouched parts are shared', () => {
    const next = applyUpdate(base, { ...nothing, global: { ...testGlobal, serverTokens: true } });
    expect(next.global.serverTokens).toBe(true);
    expect(next.virtualHosts).toBe(base.virtualHosts);
    expect(next.upstreams).toBe(base.upstreams);
    expect(next.policies).toBe(base.policies);
  });

  test('hosts are added before, between and after, replaced and removed, and stay sorted', () => {
    const changed = buildHost('c.test', [{ kind: 'prefix', path: '' }]);
    const next = applyUpdate(base, {
      ...nothing,
      virtualHosts: [buildHost('A.test', []), buildHost('b.test', []), changed, buildHost('z.test', [])],
      removedVirtualHosts: ['e.test'],
    });
    expect(names(next)).toEqual(['A.test', '_', 'a.test', 'b.test', 'c.test', 'z.test']);
    expect(next.virtualHosts[4]).toBe(changed);
    expect(next.virtualHosts[2]).toBe(base.virtualHosts[1]);
  });

  test('policies are added and removed', () => {
    const next = applyUpdate(base, { ...nothing, policies: { q: testPolicy }, removedPolicies: ['p'] });
    expect(next.policies).toEqual({ q: testPolicy });
  });
});

test.each([
  ['full always', { kind: 'full', revision: 5, table: base, material: [] } as const, null, true],
  ['parts on its base', nothing, 1, true],
  ['parts on another revision', nothing, 2, false],
  ['parts on nothing', nothing, null, false],
])('canApply: %s', (_name, update, revision, want) => {
  expect(canApply(update, revision)).toBe(want);
});
