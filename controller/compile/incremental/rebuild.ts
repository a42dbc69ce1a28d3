// Stages that are made anew, for other settings, a few Ingresses at a time: with 10,000 of them it takes most of a second,
// and meanwhile the stages before must follow endpoints and certificates as if nothing happened.
//
// To the stages it is a cluster whose Ingresses arrive in groups. Changes of the real cluster reach them in between.

import type { Snapshot, SnapshotChanges } from '../../objects/snapshot.ts';
import type { ObjectKey } from '../../objects/types.ts';
import type { CompileOptions } from '../types.ts';
import { type EarlierLife, type StageResults, Stages } from './stages.ts';

export class Rebuild {
  readonly stages: Stages;
  readonly #pending: Set<ObjectKey>;
  #snapshot: Snapshot;

  constructor(snapshot: Snapshot, options: CompileOptions, earlier: EarlierLife) {
    this.stages = new Stages(snapshot, options, earlier);
    this.#pending = new Set(snapshot.ingresses.keys());
    this.#snapshot = snapshot;
  }

  /** Follows the cluster. `changes` are the differences from the snapshot before. */
  update(snapshot: Snapshot, changes: SnapshotChanges, nowMs: number): void {
    // An edit that will be rejected leaves the version before in force, so that one has to have been looked at.
    const edited = [...changes.ingresses].filter((key) => this.#pending.delete(key));
    if (edited.length > 0) this.stages.update(this.#snapshot, onlyIngresses(edited), nowMs);
    this.stages.update(snapshot, changes, nowMs);
    this.#snapshot = snapshot;
  }

  /** Takes at most `count` Ingresses more; gives the results once all are in, else null. */
  step(count: number, nowMs: number): StageResults | null {
    const keys = this.#pending.values().take(count).toArray();
    for (const key of keys) this.#pending.delete(key);
    const results = this.stages.update(this.#snapshot, onlyIngresses(keys), nowMs);
    if (this.#pending.size > 0) return null;
    this.stages.forgetEarlierLife();
    return results;
  }
}

function onlyIngresses(keys: readonly ObjectKey[]): SnapshotChanges {
  return { ...noChanges, ingresses: new Set(keys) };
}

const none: ReadonlySet<string> = new Set();

const noChanges: SnapshotChanges = {
  since: 0,
  ingresses: none,
  ingressClasses: none,
  services: none,
  slicesByService: none,
  secrets: none,
  configMaps: none,
  namespaces: none,
  resolvedNames: none,
  sources: none,
};
