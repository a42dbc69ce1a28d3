// Computes what changes between two revisions of the routing table, as the TableUpdate that is sent to the workers.
//
// In: the last published table, the next one, and the key pairs of the next one. Out: null (nothing changed), the parts
// that changed, or the full table where parts would save nothing. Pure: compares values, sends nothing.

import { equalJson } from '#proxy/table/equal.ts';
import type { CertificateMaterial, RoutePolicy, RoutingTable, Upstream, VirtualHost } from '#proxy/table/types.ts';
import type { FullUpdate, PartsUpdate, TableUpdate } from '#proxy/table/update.ts';

/** A table and the number it is published under. */
export interface NumberedTable {
  readonly revision: number;
  readonly table: RoutingTable;
}

/** Parts lighter than this are sent as parts even when the whole table is hardly larger. Bytes, estimated. */
const alwaysPartsBelowBytes = 64 * 1024;

/**
 * Gives the update that leads from `previous` to `next`, or null when both tables are equal. It is a full update when
 * `previous` is null, or when the parts would be larger than half of the table. Linear in both tables.
 *
 * `material` must hold a pair for every certificate of `next`; a missing one throws, because that is a bug in compile.
 */
export function diffTables(
  previous: NumberedTable | null,
  next: NumberedTable,
  material: ReadonlyMap<string, CertificateMaterial>,
): TableUpdate | null {
  if (previous === null) return fullUpdateOf(next, material);
  const parts = diffParts(previous, next, material);
  if (isEmpty(parts)) return null;
  const partsBytes = estimatePartsBytes(parts);
  if (partsBytes > alwaysPartsBelowBytes && partsBytes * 2 > estimateTableBytes(next.table)) {
    return fullUpdateOf(next, material);
  }
  return parts;
}

/** Gives the update for somebody who knows no revision. Throws as `diffTables` does. */
export function fullUpdateOf(next: NumberedTable, material: ReadonlyMap<string, CertificateMaterial>): FullUpdate {
  const ids = next.table.certificates.map((info) => info.id);
  return { kind: 'full', revision: next.revision, table: next.table, material: pairsOf(ids, material) };
}

/**
 * Tells whether the update changes how requests are routed or answered. false: only endpoints or certificates, which
 * ingress-nginx applies without a reload and does not count as one.
 */
export function changesConfiguration(update: TableUpdate): boolean {
  if (update.kind === 'full') return true;
  return (
    update.global !== null ||
    update.virtualHosts.length > 0 ||
    update.removedVirtualHosts.length > 0 ||
    update.removedPolicies.length > 0 ||
    Object.keys(update.policies).length > 0
  );
}

function diffParts(
  previous: NumberedTable,
  next: NumberedTable,
  material: ReadonlyMap<string, CertificateMaterial>,
): PartsUpdate {
  const [before, after] = [previous.table, next.table];
  const hosts = diffSorted(before.virtualHosts, after.virtualHosts, (host) => host.name);
  const upstreams = diffSorted(before.upstreams, after.upstreams, (upstream) => upstream.id);
  const certificates = diffSorted(before.certificates, after.certificates, (info) => info.id);
  const policies = diffPolicies(before.policies, after.policies);
  return {
    kind: 'parts',
    revision: next.revision,
    baseRevision: previous.revision,
    global: equalJson(before.global, after.global) ? null : after.global,
    policies: policies.changed,
    removedPolicies: policies.removed,
    virtualHosts: hosts.changed,
    removedVirtualHosts: hosts.removed,
    upstreams: upstreams.changed,
    removedUpstreams: upstreams.removed,
    certificates: certificates.changed,
    removedCertificates: certificates.removed,
    material: pairsOf(certificates.added, material),
  };
}

interface ListDiff<T> {
  /** New or different entries, in the order of the next list. */
  readonly changed: readonly T[];
  /** Keys of the entries in `changed` that did not exist before. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

function diffSorted<T>(before: readonly T[], after: readonly T[], keyOf: (entry: T) => string): ListDiff<T> {
  const left = new Map(before.map((entry) => [keyOf(entry), entry]));
  const changed: T[] = [];
  const added: string[] = [];
  for (const entry of after) {
    const key = keyOf(entry);
    const old = left.get(key);
    left.delete(key);
    if (old === undefined) added.push(key);
    if (old === undefined || !equalJson(old, entry)) changed.push(entry);
  }
  return { changed, added, removed: [...left.keys()] };
}

function diffPolicies(
  before: Readonly<Record<string, RoutePolicy>>,
  after: Readonly<Record<string, RoutePolicy>>,
): { readonly changed: Readonly<Record<string, RoutePolicy>>; readonly removed: readonly string[] } {
  // Ids are content hashes, but comparing contents costs little and does not depend on that promise.
  const { changed, removed } = diffSorted(Object.entries(before), Object.entries(after), ([id]) => id);
  return { changed: Object.fromEntries(changed), removed };
}

function pairsOf(
  ids: readonly string[],
  material: ReadonlyMap<string, CertificateMaterial>,
): readonly CertificateMaterial[] {
  return ids.map((id) => {
    const pair = material.get(id);
    if (pair === undefined) throw new Error(`the table names certificate ${id}, but its key pair was not given`);
    return pair;
  });
}

function isEmpty(parts: PartsUpdate): boolean {
  return (
    !changesConfiguration(parts) &&
    parts.upstreams.length === 0 &&
    parts.removedUpstreams.length === 0 &&
    parts.certificates.length === 0 &&
    parts.removedCertificates.length === 0
  );
}

// Encoded sizes of typical entries, measured on generated tables. Only the ratio matters, and encoding both forms to
// find the smaller one would cost more than it saves.
const routeBytes = 320;
const hostBytes = 90;
const endpointBytes = 38;
const upstreamBytes = 90;
const policyBytes = 280;
const certificateBytes = 4000;
const removedBytes = 50;

function estimatePartsBytes(parts: PartsUpdate): number {
  const removed =
    parts.removedPolicies.length +
    parts.removedVirtualHosts.length +
    parts.removedUpstreams.length +
    parts.removedCertificates.length;
  return (
    removed * removedBytes +
    estimateEntries(parts.virtualHosts, parts.upstreams) +
    Object.keys(parts.policies).length * policyBytes +
    parts.certificates.length * certificateBytes
  );
}

function estimateTableBytes(table: RoutingTable): number {
  return (
    estimateEntries(table.virtualHosts, table.upstreams) +
    Object.keys(table.policies).length * policyBytes +
    table.certificates.length * certificateBytes
  );
}

function estimateEntries(hosts: readonly VirtualHost[], upstreams: readonly Upstream[]): number {
  let bytes = 0;
  for (const host of hosts) bytes += hostBytes + host.routes.length * routeBytes;
  for (const upstream of upstreams) bytes += upstreamBytes + upstream.endpoints.length * endpointBytes;
  return bytes;
}
