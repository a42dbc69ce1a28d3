// Which keys of a snapshot have to be looked at again.

import type { Snapshot, SnapshotChanges } from '../../objects/snapshot.ts';

/**
 * Gives the keys under which `after` may differ from `before`. Where the store has noted the changes since exactly that
 * snapshot, this costs nothing; else all maps are compared by identity. Both must come from one store; null: everything.
 */
export function changesBetween(before: Snapshot | null, after: Snapshot): SnapshotChanges {
  if (before !== null && after.changes.since === before.revision) return after.changes;
  const compare = <V>(mapOf: (snapshot: Snapshot) => ReadonlyMap<string, V>) =>
    differingKeys(before === null ? new Map() : mapOf(before), mapOf(after));
  return {
    since: before?.revision ?? 0,
    ingresses: compare((snapshot) => snapshot.ingresses),
    ingressClasses: compare((snapshot) => snapshot.ingressClasses),
    services: compare((snapshot) => snapshot.services),
    slicesByService: compare((snapshot) => snapshot.slicesByService),
    secrets: compare((snapshot) => snapshot.secrets),
    configMaps: compare((snapshot) => snapshot.configMaps),
    namespaces: compare((snapshot) => snapshot.namespaces),
    resolvedNames: compare((snapshot) => snapshot.resolvedNames),
    sources: compare((snapshot) => snapshot.sources),
  };
}

function differingKeys<V>(before: ReadonlyMap<string, V>, after: ReadonlyMap<string, V>): Set<string> {
  const keys = new Set<string>();
  if (before === after) return keys;
  for (const [key, value] of after) if (before.get(key) !== value) keys.add(key);
  for (const key of before.keys()) if (!after.has(key)) keys.add(key);
  return keys;
}
