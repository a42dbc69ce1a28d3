// A plain table as the incremental compiler would give it, for tests that begin with tables.

import { equalJson } from '#proxy/table/equal.ts';
import { materialOf } from '#proxy/table/testing/arbitrary.ts';
import type { RoutingTable } from '#proxy/table/types.ts';
import type { SortedList } from '../../compile/sorted-list.ts';
import {
  emptyCertificates,
  emptyPolicies,
  emptyUpstreams,
  emptyVirtualHosts,
  type TableVersion,
} from '../../compile/table-version.ts';

/** Gives `table` with made-up key pairs (see `materialOf`). What equals its like in `base` is shared with it. */
export function versionOf(table: RoutingTable, base: Omit<TableVersion, 'global'> = noTable): TableVersion {
  const material = materialOf(table);
  const policies = Object.entries(table.policies).map(([id, policy]) => ({ id, policy }));
  const pairs = table.certificates.flatMap((info) => {
    const pair = material.get(info.id);
    return pair === undefined ? [] : [{ info, material: pair }];
  });
  return {
    global: table.global,
    policies: overlay(base.policies, policies, ({ id }) => id),
    virtualHosts: overlay(base.virtualHosts, table.virtualHosts, ({ name }) => name),
    upstreams: overlay(base.upstreams, table.upstreams, ({ id }) => id),
    certificates: overlay(base.certificates, pairs, ({ info }) => info.id),
    streams: table.streams,
  };
}

const noTable: Omit<TableVersion, 'global'> = {
  policies: emptyPolicies,
  virtualHosts: emptyVirtualHosts,
  upstreams: emptyUpstreams,
  certificates: emptyCertificates,
  streams: [],
};

function overlay<T>(base: SortedList<T>, entries: readonly T[], keyOf: (entry: T) => string): SortedList<T> {
  const before = new Map(base.toArray().map((entry) => [keyOf(entry), entry]));
  const changes = new Map<string, T | null>();
  for (const entry of entries) {
    if (!equalJson(before.get(keyOf(entry)) ?? null, entry)) changes.set(keyOf(entry), entry);
    before.delete(keyOf(entry));
  }
  for (const key of before.keys()) changes.set(key, null);
  return base.with(changes);
}
