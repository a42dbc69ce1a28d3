// One routing table in a form that shares with the table before it everything that did not change: what the incremental
// compiler hands to the publisher. `tableOf` gives the plain table for whoever needs it whole.

import type {
  CertificateMaterial,
  GlobalSettings,
  RoutingTable,
  StreamService,
  Upstream,
  VirtualHost,
} from '#proxy/table/types.ts';
import type { NamedPolicy } from './policies.ts';
import { SortedList } from './sorted-list.ts';
import type { CertificatePair } from './types.ts';

/** Holds what a RoutingTable holds, and beside each certificate its key pair. Lists are sorted as the table's. */
export interface TableVersion {
  readonly global: GlobalSettings;
  readonly policies: SortedList<NamedPolicy>;
  readonly virtualHosts: SortedList<VirtualHost>;
  readonly upstreams: SortedList<Upstream>;
  readonly certificates: SortedList<CertificatePair>;
  readonly streams: readonly StreamService[];
}

export const emptyPolicies = SortedList.of<NamedPolicy>(({ id }) => id);
export const emptyVirtualHosts = SortedList.of<VirtualHost>(({ name }) => name);
export const emptyUpstreams = SortedList.of<Upstream>(({ id }) => id);
export const emptyCertificates = SortedList.of<CertificatePair>(({ info }) => info.id);

/** Gives the plain table. Lists that two versions share are the same arrays in both tables. Linear in the table. */
export function tableOf(version: TableVersion): RoutingTable {
  return {
    format: 1,
    global: version.global,
    policies: Object.fromEntries(version.policies.toArray().map(({ id, policy }) => [id, policy])),
    virtualHosts: version.virtualHosts.toArray(),
    upstreams: version.upstreams.toArray(),
    certificates: version.certificates.toArray().map(({ info }) => info),
    streams: version.streams,
  };
}

/** Gives every pair that the table names, by id. */
export function materialOf({ certificates }: TableVersion): ReadonlyMap<string, CertificateMaterial> {
  return new Map(certificates.toArray().map(({ material }) => [material.id, material]));
}
