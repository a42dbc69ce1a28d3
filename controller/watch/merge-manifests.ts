// Decides which file an object is taken from when several hold it. No I/O.
//
// In: the files of a folder in path order. Out: one place for each object, and a diagnostic for each place that lost. A
// folder has no "last write" as an API server has, so the first in path order wins, whatever the order of edits.

import type { Diagnostic, SourceLocation } from '../objects/diagnostic.ts';
import type { ManifestObject } from './manifest-content.ts';

export interface MergedManifests {
  /** By `Kind/key`. */
  readonly winners: ReadonlyMap<string, ManifestObject>;
  readonly duplicates: readonly Diagnostic[];
}

/**
 * Merges the objects of all files.
 * @param present Objects of the files that are there, in path order.
 * @param vanishing Objects of files that are missing, but not yet for long enough to believe it. They count only where
 *   nobody else holds them, so that a renamed file neither loses objects nor reports duplicates.
 */
export function mergeManifests(
  present: readonly (readonly ManifestObject[])[],
  vanishing: readonly (readonly ManifestObject[])[],
): MergedManifests {
  const winners = new Map<string, ManifestObject>();
  const duplicates: Diagnostic[] = [];
  for (const entry of present.flat()) {
    const winner = winners.get(entry.id);
    if (winner === undefined) winners.set(entry.id, entry);
    else duplicates.push(duplicateOf(winner, entry));
  }
  for (const entry of vanishing.flat()) {
    if (!winners.has(entry.id)) winners.set(entry.id, entry);
  }
  return { winners, duplicates };
}

function duplicateOf(winner: ManifestObject, loser: ManifestObject): Diagnostic {
  const { kind, meta } = loser.object;
  const places = `${place(winner.source)} and in ${place(loser.source)}`;
  return {
    severity: 'warning',
    reason: 'DuplicateObject',
    object: { kind, namespace: meta.namespace, name: meta.name },
    field: '',
    message: `the object stands in ${places}; the one in ${place(winner.source)} is used, the other has no effect`,
    source: loser.source,
  };
}

function place({ file, line }: SourceLocation): string {
  return `${file}:${line ?? '?'}`;
}
