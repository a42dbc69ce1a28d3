// Computes what changes between two revisions of the routing table, as the TableUpdate that is sent to the workers.
//
// In: the last published table and the next one, key pairs included. Out: null (nothing changed), the parts that changed,
// or the full table where parts would save nothing. Pure: compares values, sends nothing.

import { equalJson } from '#proxy/table/equal.ts';
import type { Upstream, VirtualHost } from '#proxy/table/types.ts';
import type { FullUpdate, PartsUpdate, TableUpdate } from '#proxy/table/update.ts';
import type { SortedList } from '../compile/sorted-list.ts';
import { materialOf, type TableVersion, tableOf } from '../compile/table-version.ts';

/** A table and the number it is published under. */
export interface NumberedTable {
  readonly revision: number;
  readonly version: TableVersion;
}

/** Parts lighter than this are sent as parts even when the whole table is hardly larger. Bytes, estimated. */
const alwaysPartsBelowBytes = 64 * 1024;

/**
 * Gives the update that leads from `previous` to `next`, or null when both tables are equal. It is a full update when
 * `previous` is null, or when the parts would be larger than half of the table. Linear in what the two do not share; two
 * tables of one compiler share nearly everything.
 */
export function diffTables(previous: NumberedTable | null, next: NumberedTable): TableUpdate | null {
  if (previous === null) return fullUpdateOf(next);
  const parts = diffParts(previous, next);
  if (isEmpty(parts)) return null;
  const partsBytes = estimatePartsBytes(parts);
  if (partsBytes > alwaysPartsBelowBytes && partsBytes * 2 > estimateTableBytes(next.version)) {
    return fullUpdateOf(next);
  }
  return parts;
}

/** Gives the update for somebody who knows no revision. Linear in the table. */
export function fullUpdateOf({ revision, version }: NumberedTable): FullUpdate {
  return { kind: 'full', revision, table: tableOf(version), material: [...materialOf(version).values()] };
}

/**
 * Tells whether the update changes how requests are routed or answered. false: only endpoints or certificates, which
 * ingress-nginx applies without a reload and does not count as one. `previous` is what the update was made from.
 */
export function changesConfiguration(update: TableUpdate, previous: NumberedTable | null): boolean {
  if (update.kind === 'full' || previous === null) return true;
  return (
    update.global !== null ||
    update.virtualHosts.some((host) => !differsInCertificateOnly(host, previous.version)) ||
    update.removedVirtualHosts.length > 0 ||
    update.removedPolicies.length > 0 ||
    Object.keys(update.policies).length > 0
  );
}

function differsInCertificateOnly(host: VirtualHost, { virtualHosts }: TableVersion): boolean {
  const before = virtualHosts.get(host.name);
  return before !== undefined && equalJson({ ...before, certificate: host.certificate }, host);
}

function diffParts(previous: NumberedTable, next: NumberedTable): PartsUpdate {
  const [before, after] = [previous.version, next.version];
  const policies = diffLists(before.policies, after.policies, ({ id }) => id);
  const hosts = diffLists(before.virtualHosts, after.virtualHosts, ({ name }) => name);
  const upstreams = diffLists(before.upstreams, after.upstreams, ({ id }) => id);
  const pairs = diffLists(before.certificates, after.certificates, ({ info }) => info.id);
  return {
    kind: 'parts',
    revision: next.revision,
    baseRevision: previous.revision,
    global: equalJson(before.global, after.global) ? null : after.global,
    policies: Object.fromEntries(policies.changed.map(({ id, policy }) => [id, policy])),
    removedPolicies: policies.removed,
    virtualHosts: hosts.changed,
    removedVirtualHosts: hosts.removed,
    upstreams: upstreams.changed,
    removedUpstreams: upstreams.removed,
    certificates: pairs.changed.map(({ info }) => info),
    removedCertificates: pairs.removed,
    streams: equalJson(before.streams, after.streams) ? null : after.streams,
    material: pairs.added.map(({ material }) => material),
  };
}

interface ListDiff<T> {
  /** New or different entries, in the order of the next list. */
  readonly changed: readonly T[];
  /** Those of `changed` that did not exist before. */
  readonly added: readonly T[];
  /** Keys. */
  readonly removed: readonly string[];
}

function diffLists<T>(before: SortedList<T>, after: SortedList<T>, keyOf: (entry: T) => string): ListDiff<T> {
  const left = new Map(before.notSharedWith(after).map((entry) => [keyOf(entry), entry]));
  const changed: T[] = [];
  const added: T[] = [];
  for (const entry of after.notSharedWith(before)) {
    const key = keyOf(entry);
    const old = left.get(key);
    left.delete(key);
    if (old === undefined) added.push(entry);
    if (old === undefined || !equalJson(old, entry)) changed.push(entry);
  }
  return { changed, added, removed: [...left.keys()] };
}

function isEmpty(parts: PartsUpdate): boolean {
  return (
    parts.global === null &&
    parts.streams === null &&
    parts.virtualHosts.length === 0 &&
    parts.removedVirtualHosts.length === 0 &&
    parts.removedPolicies.length === 0 &&
    Object.keys(parts.policies).length === 0 &&
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

function estimateTableBytes({ virtualHosts, upstreams, policies, certificates }: TableVersion): number {
  return (
    estimateEntries(virtualHosts.toArray(), upstreams.toArray()) +
    policies.toArray().length * policyBytes +
    certificates.toArray().length * certificateBytes
  );
}

function estimateEntries(hosts: readonly VirtualHost[], upstreams: readonly Upstream[]): number {
  let bytes = 0;
  for (const host of hosts) bytes += hostBytes + host.routes.length * routeBytes;
  for (const upstream of upstreams) bytes += upstreamBytes + upstream.endpoints.length * endpointBytes;
  return bytes;
}
