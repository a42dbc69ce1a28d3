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
import { Rebuild } from './incremental/rebuild.ts';
import type { StageResults, Stages } from './incremental/stages.ts';
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
 * before. Settings of the ConfigMap that Ingresses depend on make it compile everything again: `compile` does so at once,
 * `update` leaves them as they were until `step` is through.
 */
export class IncrementalCompiler {
  readonly #options: CompileOptions;
  readonly #firstMemory: CompileMemory;
  readonly #lists = new WeakMap<SortedList<DiagnosticGroup>, readonly Diagnostic[]>();
  #stages: Stages | null = null;
  /** Stages that will take the place of the others, for newer settings. */
  #rebuild: Rebuild | null = null;
  #snapshot: Snapshot | null = null;

  /** `memory` is that of an earlier compile, if there was one. */
  constructor(options: CompileOptions, memory: CompileMemory = emptyMemory) {
    this.#options = options;
    this.#firstMemory = memory;
  }

  /** Gives what compile() gives for the snapshot and the memory of the last call. `nowMs` is Unix time. */
  compile(snapshot: Snapshot, nowMs: number): IncrementalResult {
    let result = this.update(snapshot, nowMs);
    while (this.isBehind) result = this.step(Number.POSITIVE_INFINITY, nowMs) ?? result;
    return result;
  }

  /**
   * As `compile`, at the cost of what changed: where that is the meaning of all Ingresses, the result has the settings of
   * before and `isBehind` is true. Only the first call takes the time of a whole compile.
   */
  update(snapshot: Snapshot, nowMs: number): IncrementalResult {
    const changes = changesBetween(this.#snapshot, snapshot);
    this.#snapshot = snapshot;
    const stages = this.#stages;
    if (stages === null) return this.#compileFirst(snapshot, nowMs);
    for (const one of [stages, this.#rebuild?.stages]) one?.adoptSettings(snapshot);
    this.#rebuild?.update(snapshot, changes, nowMs);
    // Before the stages take this snapshot: an Ingress that comes with the settings that refuse it is not to be remembered.
    this.#planRebuild(stages, snapshot);
    return this.#resultOf(stages.update(snapshot, changes, nowMs));
  }

  /** True while results have older settings than the last snapshot: `step` brings them up to it. */
  get isBehind(): boolean {
    return this.#rebuild !== null;
  }

  /** Compiles at most `count` Ingresses for newer settings. Gives a result once they are in force, else null. */
  step(count: number, nowMs: number): IncrementalResult | null {
    const [rebuild, snapshot] = [this.#rebuild, this.#snapshot];
    const results = rebuild?.step(count, nowMs) ?? null;
    if (rebuild === null || snapshot === null || results === null) return null;
    this.#stages = rebuild.stages;
    this.#rebuild = null;
    // Edited again meanwhile: that edit has its turn now, so that edits without end do not keep all of them out.
    this.#planRebuild(rebuild.stages, snapshot);
    return this.#resultOf(results);
  }

  /** The memory after the last call. Linear in Ingresses and Secrets. */
  memory(): CompileMemory {
    return this.#stages?.memory() ?? this.#firstMemory;
  }

  /** For questions about Ingresses that are not in the cluster; null before the first compile. Holds until the next. */
  view(): CompilerView | null {
    return this.#stages === null || this.#snapshot === null ? null : this.#stages.view(this.#snapshot);
  }

  #compileFirst(snapshot: Snapshot, nowMs: number): IncrementalResult {
    const rebuild = new Rebuild(snapshot, this.#options, { memory: this.#firstMemory, version: null });
    const results = rebuild.step(Number.POSITIVE_INFINITY, nowMs);
    if (results === null) throw new Error('a step over all Ingresses left some out');
    this.#stages = rebuild.stages;
    return this.#resultOf(results);
  }

  #planRebuild(stages: Stages, snapshot: Snapshot): void {
    if (stages.hasSettingsOf(snapshot)) this.#rebuild = null;
    else this.#rebuild ??= new Rebuild(snapshot, this.#options, stages.asEarlierLife());
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
