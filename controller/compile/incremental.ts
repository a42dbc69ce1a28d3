// The compiler while serving: the same table as compile() gives, at the cost of what changed.
//
//   Snapshot -> keys that changed -> Ingresses -> hosts -> certificates -> upstreams -> virtual hosts -> TableVersion
//
// Each stage keeps its results, does again what the one before touched, and says what it touched itself. What they do to
// one Ingress, host, Secret or backend stands in the passes of compile(); a stage only decides when.
// See docs/design/0005-incremental-compile.md.

import type { CertificateMaterial, RoutingTable } from '#proxy/table/types.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import { changesBetween } from './incremental/changes.ts';
import type { DiagnosticGroup } from './incremental/diagnostic-book.ts';
import { type StageResults, Stages } from './incremental/stages.ts';
import type { CompilerView } from './incremental/view.ts';
import { emptyMemory } from './memory.ts';
import type { SortedList } from './sorted-list.ts';
import { materialOf, type TableVersion, tableOf } from './table-version.ts';
import type { CompileMemory, CompileOptions } from './types.ts';

/** What compile() gives, without the memory: that stays in the compiler. */
export interface IncrementalResult {
  readonly version: TableVersion;
  /** The plain table. Made when first asked for, linear in it; the same object each time. */
  readonly table: RoutingTable;
  /** As `CompileResult.material`. Made each time it is asked for. */
  readonly material: ReadonlyMap<string, CertificateMaterial>;
  /** As `CompileResult.diagnostics`. The same array as that of the result before when no diagnostic changed. */
  readonly diagnostics: readonly Diagnostic[];
  /** As `CompileResult.wantedNames`. The same array as that of the result before when no name changed. */
  readonly wantedNames: readonly string[];
}

/**
 * Compiles the snapshots of one store, one after the other. Not pure, unlike compile(): each call builds on the one
 * before. A new version of the settings ConfigMap, which every Ingress depends on, makes it compile everything again.
 */
export class IncrementalCompiler {
  readonly #options: CompileOptions;
  readonly #firstMemory: CompileMemory;
  readonly #lists = new WeakMap<SortedList<DiagnosticGroup>, readonly Diagnostic[]>();
  #stages: Stages | null = null;
  #snapshot: Snapshot | null = null;

  /** `memory` is that of an earlier compile, if there was one. */
  constructor(options: CompileOptions, memory: CompileMemory = emptyMemory) {
    this.#options = options;
    this.#firstMemory = memory;
  }

  /** Gives what compile() gives for the snapshot and the memory of the last call. `nowMs` is Unix time. */
  compile(snapshot: Snapshot, nowMs: number): IncrementalResult {
    let changes = changesBetween(this.#snapshot, snapshot);
    if (this.#stages === null || changes.configMaps.has(this.#options.configMap)) {
      this.#stages = new Stages(snapshot, this.#options, this.memory());
      changes = changesBetween(null, snapshot);
    }
    this.#snapshot = snapshot;
    return this.#resultOf(this.#stages.update(snapshot, changes, nowMs));
  }

  /** The memory after the last call. Linear in Ingresses and Secrets. */
  memory(): CompileMemory {
    return this.#stages?.memory() ?? this.#firstMemory;
  }

  /** For questions about Ingresses that are not in the cluster; null before the first compile. Holds until the next. */
  view(): CompilerView | null {
    return this.#stages === null || this.#snapshot === null ? null : this.#stages.view(this.#snapshot);
  }

  #resultOf({ version, diagnostics, wantedNames }: StageResults): IncrementalResult {
    const listOf = (groups: SortedList<DiagnosticGroup>) => this.#listOf(groups);
    let table: RoutingTable | null = null;
    return {
      version,
      get table() {
        table ??= tableOf(version);
        return table;
      },
      get material() {
        return materialOf(version);
      },
      get diagnostics() {
        return listOf(diagnostics);
      },
      get wantedNames() {
        return wantedNames.toArray();
      },
    };
  }

  #listOf(groups: SortedList<DiagnosticGroup>): readonly Diagnostic[] {
    const known = this.#lists.get(groups) ?? groups.toArray().flatMap((group) => group.diagnostics);
    this.#lists.set(groups, known);
    return known;
  }
}
