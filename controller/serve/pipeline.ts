// From changes to compile results: every change goes into the store, a burst of changes is compiled once, and each new
// result is handed on. Publishing, logging and resolving names are the receiver's business.

import type { CompilerView } from '../compile/incremental/view.ts';
import { IncrementalCompiler, type IncrementalResult } from '../compile/incremental.ts';
import type { CompileOptions } from '../compile/types.ts';
import type { StoreChange } from '../objects/snapshot.ts';
import { Batch } from '../watch/batch.ts';
import { type CancelTimer, type Clock, systemClock } from '../watch/clock.ts';
import { ObjectStore } from '../watch/store.ts';

export interface PipelineOptions {
  readonly compileOptions: CompileOptions;
  /** Gets each result with the time compile took. Called only after `open`. */
  readonly onResult: (result: IncrementalResult, tookMs: number) => void;
  /** Unix time in milliseconds, for certificate validity. */
  readonly wallMs: () => number;
  /** Default: the real clock. */
  readonly clock?: Clock;
}

/** Enough for the objects of one `kubectl apply` that come together; a change alone is in force so much sooner. */
const firstQuietMs = 3;

/**
 * Ingresses that are compiled for newer settings before others have their turn on this thread: about 10 ms, and as long
 * as a change of one endpoint takes from the API server to the workers.
 */
const ingressesAtOnce = 100;

export class Pipeline {
  readonly #store = new ObjectStore();
  readonly #options: PipelineOptions;
  readonly #clock: Clock;
  readonly #batch: Batch;
  /** null before `open`. */
  #compiler: IncrementalCompiler | null = null;
  #compiledRevision = 0;
  #cancelStep: CancelTimer | null = null;
  /** Time that steps have taken since the last result of one. */
  #steppedMs = 0;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const run = () => this.#compileIfChanged();
    this.#batch = new Batch({ run, firstQuietMs, clock: this.#clock });
  }

  /** Takes changes from a source. Before `open` they are only collected. */
  apply(changes: readonly StoreChange[]): void {
    if (this.#store.apply(changes) && this.#compiler !== null) this.#batch.mark();
  }

  /**
   * Compiles what is there now, at once; from here on changes follow. Call it when the source is complete. `learned` takes
   * the place of what flags say, default nothing.
   */
  open(learned: Partial<Pick<CompileOptions, 'nodeZone'>> = {}): void {
    this.#compiler = new IncrementalCompiler({ ...this.#options.compileOptions, ...learned });
    this.#compileIfChanged();
  }

  /** For questions about Ingresses that are not in the cluster; null before `open`. Holds until the next result. */
  view(): CompilerView | null {
    return this.#compiler?.view() ?? null;
  }

  /** Drops changes that are not compiled yet and ignores later ones. */
  close(): void {
    this.#batch.close();
    this.#cancelStep?.();
    this.#cancelStep = null;
  }

  #compileIfChanged(): void {
    const compiler = this.#compiler;
    if (compiler === null) return;
    const snapshot = this.#store.snapshot();
    if (snapshot.revision === this.#compiledRevision) return;
    this.#compiledRevision = snapshot.revision;
    const startedAtMs = this.#clock.nowMs();
    const { wallMs, onResult } = this.#options;
    const result = compiler.update(snapshot, wallMs());
    onResult(result, this.#clock.nowMs() - startedAtMs);
    this.#stepLater(compiler);
  }

  #stepLater(compiler: IncrementalCompiler): void {
    if (!compiler.isBehind || this.#cancelStep !== null) return;
    this.#cancelStep = this.#clock.after(0, () => {
      this.#cancelStep = null;
      this.#step(compiler);
      this.#stepLater(compiler);
    });
  }

  #step(compiler: IncrementalCompiler): void {
    const startedAtMs = this.#clock.nowMs();
    const { wallMs, onResult } = this.#options;
    const result = compiler.step(ingressesAtOnce, wallMs());
    this.#steppedMs += this.#clock.nowMs() - startedAtMs;
    if (result === null) return;
    onResult(result, this.#steppedMs);
    this.#steppedMs = 0;
  }
}
