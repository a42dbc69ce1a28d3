// All diagnostics of a running compiler, kept by who found them, so that one stage can replace its own without asking
// the others, and grouped by the object they are about, so that only touched objects are sorted again.

import { equalJson } from '#proxy/table/equal.ts';
import type { Diagnostic } from '../../objects/diagnostic.ts';
import type { Snapshot } from '../../objects/snapshot.ts';
import type { ObjectRef } from '../../objects/types.ts';
import { finishDiagnostics } from '../report.ts';
import { SortedList } from '../sorted-list.ts';

/** The finished diagnostics of one object. */
export interface DiagnosticGroup {
  readonly key: string;
  readonly diagnostics: readonly Diagnostic[];
}

export class DiagnosticBook {
  /** What each origin found: a stage, and what it looked at. */
  readonly #byOrigin = new Map<string, readonly Diagnostic[]>();
  /** Which origins speak of an object. */
  readonly #originsOf = new Map<string, Set<string>>();
  readonly #touched = new Set<string>();
  #reported: readonly Diagnostic[] = [];
  #reportedOf = new Map<string, Diagnostic[]>();
  readonly #groupOf = new Map<string, DiagnosticGroup>();
  #groups = SortedList.of<DiagnosticGroup>(({ key }) => key);

  /** Replaces what `origin` found. */
  set(origin: string, diagnostics: readonly Diagnostic[]): void {
    const before = this.#byOrigin.get(origin) ?? [];
    // Found again, as nearly always: no object is touched.
    if (equalJson(before, diagnostics)) return;
    for (const { object } of before) {
      const group = groupKey(object);
      this.#touched.add(group);
      this.#originsOf.get(group)?.delete(origin);
    }
    if (diagnostics.length === 0) this.#byOrigin.delete(origin);
    else this.#byOrigin.set(origin, diagnostics);
    for (const { object } of diagnostics) this.#link(groupKey(object), origin);
  }

  /**
   * Gives the groups of all objects in the order of `compareDiagnostics`. `movedObjects` are the keys of `sources` whose
   * place in the manifest folder changed.
   */
  finish(
    { sourceDiagnostics, sources }: Pick<Snapshot, 'sourceDiagnostics' | 'sources'>,
    movedObjects: Iterable<string>,
  ): SortedList<DiagnosticGroup> {
    this.#replaceReported(sourceDiagnostics);
    for (const moved of movedObjects) this.#touched.add(groupKeyOfSource(moved));
    const changes = new Map<string, DiagnosticGroup | null>();
    for (const key of this.#touched) {
      const found = [...(this.#originsOf.get(key) ?? [])].flatMap((origin) => this.#about(origin, key));
      const diagnostics = finishDiagnostics(this.#reportedOf.get(key) ?? [], found, sources);
      if (found.length === 0) this.#originsOf.delete(key);
      // A list that is equal stays the same list, so that nobody has to look at it again.
      if (equalJson(this.#groupOf.get(key)?.diagnostics ?? [], diagnostics)) continue;
      const group = diagnostics.length === 0 ? null : { key, diagnostics };
      if (group === null) this.#groupOf.delete(key);
      else this.#groupOf.set(key, group);
      changes.set(key, group);
    }
    this.#touched.clear();
    this.#groups = this.#groups.with(changes);
    return this.#groups;
  }

  #link(group: string, origin: string): void {
    this.#touched.add(group);
    const origins = this.#originsOf.get(group);
    if (origins === undefined) this.#originsOf.set(group, new Set([origin]));
    else origins.add(origin);
  }

  #about(origin: string, group: string): readonly Diagnostic[] {
    return (this.#byOrigin.get(origin) ?? []).filter(({ object }) => groupKey(object) === group);
  }

  #replaceReported(reported: readonly Diagnostic[]): void {
    if (reported === this.#reported) return;
    for (const key of this.#reportedOf.keys()) this.#touched.add(key);
    this.#reported = reported;
    this.#reportedOf = Map.groupBy(reported, ({ object }) => groupKey(object));
    for (const key of this.#reportedOf.keys()) this.#touched.add(key);
  }
}

/** Sorts as `compareDiagnostics` sorts objects: NUL stands in no name and comes before every other character. */
function groupKey({ kind, namespace, name }: ObjectRef): string {
  return `${kind}\0${namespace}\0${name}`;
}

/** Keys of `Snapshot.sources` are `Kind/namespace/name` or `Kind/name`. */
function groupKeyOfSource(source: string): string {
  const [kind = '', first = '', second] = source.split('/');
  return groupKey(
    second === undefined ? { kind, namespace: '', name: first } : { kind, namespace: first, name: second },
  );
}
