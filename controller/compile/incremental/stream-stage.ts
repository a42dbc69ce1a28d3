// Incremental half of stream-services.ts: all stream services are resolved again when an object that one of them depends on
// changes. They are few: a port number bounds them.

import type { StreamService } from '#proxy/table/types.ts';
import type { Snapshot, SnapshotChanges } from '../../objects/snapshot.ts';
import { resolveStreams, type StreamsPass } from '../stream-services.ts';
import type { CompileOptions } from '../types.ts';
import type { DiagnosticBook } from './diagnostic-book.ts';

export class StreamStage {
  readonly #options: CompileOptions;
  readonly #book: DiagnosticBook;
  #last: StreamsPass | null = null;
  #names: ReadonlySet<string> = new Set();

  constructor(options: CompileOptions, book: DiagnosticBook) {
    this.#options = options;
    this.#book = book;
  }

  get streams(): readonly StreamService[] {
    return this.#last?.streams ?? [];
  }

  /** As `StreamsPass.wantedNames`; the same set until it is another one. */
  get wantedNames(): ReadonlySet<string> {
    return this.#names;
  }

  update(snapshot: Snapshot, changes: SnapshotChanges): void {
    if (this.#last !== null && !isTouched(this.#last, this.#options, changes)) return;
    this.#last = resolveStreams(snapshot, this.#options);
    const { wantedNames } = this.#last;
    if (wantedNames.symmetricDifference(this.#names).size > 0) this.#names = wantedNames;
    this.#book.set('streams', this.#last.diagnostics);
  }
}

function isTouched(
  { services, wantedNames }: StreamsPass,
  { tcpServicesConfigMap, udpServicesConfigMap }: CompileOptions,
  changes: SnapshotChanges,
): boolean {
  return (
    changes.configMaps.has(tcpServicesConfigMap) ||
    changes.configMaps.has(udpServicesConfigMap) ||
    !services.isDisjointFrom(changes.services) ||
    !services.isDisjointFrom(changes.slicesByService) ||
    !wantedNames.isDisjointFrom(changes.resolvedNames)
  );
}
