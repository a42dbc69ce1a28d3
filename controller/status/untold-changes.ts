// Ingresses that changed while another replica led, or nobody: whoever is elected next says `Sync` about the last of them.
//
// ingress-nginx lets every replica write its own Sync Events, so none is lost there, and each is written as often as there
// are replicas. Here only the leader writes; what the one before wrote itself just before its end is said again into the
// same Event. Older changes were told, and everything at once would be a storm at each takeover.

import type { ObjectKey } from '../objects/types.ts';

/** More changes than Events may wait (event-recorder.ts): the oldest are dropped. */
const maxKeys = 1000;

export class UntoldChanges {
  readonly #horizonMs: number;
  readonly #changedAtMs = new Map<ObjectKey, number>();

  /** @param horizonMs how long nobody may have led: a Lease has to run out, and somebody to notice. */
  constructor(horizonMs: number) {
    this.#horizonMs = horizonMs;
  }

  /** Notes a change at a time of the monotonic clock. */
  note(key: ObjectKey, nowMs: number): void {
    // Set anew, so that the order is that of the last changes.
    this.#changedAtMs.delete(key);
    this.#changedAtMs.set(key, nowMs);
    for (const [oldest, atMs] of this.#changedAtMs) {
      if (this.#changedAtMs.size <= maxKeys && nowMs - atMs <= this.#horizonMs) break;
      this.#changedAtMs.delete(oldest);
    }
  }

  /** Gives those within the horizon, in the order of their changes, and forgets all. */
  take(nowMs: number): readonly ObjectKey[] {
    const recent = [...this.#changedAtMs].filter(([, atMs]) => nowMs - atMs <= this.#horizonMs);
    this.#changedAtMs.clear();
    return recent.map(([key]) => key);
  }
}
