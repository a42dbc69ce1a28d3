// A span table that can be changed without copying it: a large base and a small overlay of what changed since.
//
// Each change makes a new value and leaves the old one usable, as requests that run need it. The overlay is merged into
// a new base when it outgrows the square root of the base, so one change in n entries costs about sqrt(n), not n.

import { SpanTable } from './span-table.ts';

/** Below this size merging costs nothing worth avoiding. */
const smallestOverlay = 16;

export class PersistentTable<V> {
  readonly #base: SpanTable<V>;
  /** null is a removed key. */
  readonly #overlay: SpanTable<V | null>;

  private constructor(base: SpanTable<V>, overlay: SpanTable<V | null>) {
    this.#base = base;
    this.#overlay = overlay;
  }

  static of<V>(entries: ReadonlyMap<string, V>): PersistentTable<V> {
    return new PersistentTable(new SpanTable(entries), new SpanTable<V | null>(new Map()));
  }

  /** Finds the value of `text[start, end)` as `SpanTable.find` does: `hash` is the hash of that span. */
  find(hash: number, text: string, start: number, end: number): V | undefined {
    if (this.#overlay.size > 0) {
      const changed = this.#overlay.find(hash, text, start, end);
      if (changed !== undefined) return changed ?? undefined;
    }
    return this.#base.find(hash, text, start, end);
  }

  /** Gives a table with `changes` laid over this one; null removes a key. This table stays as it is. */
  with(changes: ReadonlyMap<string, V | null>): PersistentTable<V> {
    if (changes.size === 0) return this;
    const overlay = new Map<string, V | null>([...this.#overlay.entries(), ...changes]);
    if (overlay.size > Math.max(smallestOverlay, Math.sqrt(this.#base.size))) return this.#merge(overlay);
    return new PersistentTable(this.#base, new SpanTable(overlay));
  }

  *entries(): Generator<readonly [string, V]> {
    const changed = new Map(this.#overlay.entries());
    for (const entry of this.#base.entries()) if (!changed.has(entry[0])) yield entry;
    for (const [key, value] of changed) if (value !== null) yield [key, value];
  }

  #merge(overlay: ReadonlyMap<string, V | null>): PersistentTable<V> {
    const merged = new Map<string, V>(this.#base.entries());
    for (const [key, value] of overlay) {
      if (value === null) merged.delete(key);
      else merged.set(key, value);
    }
    return PersistentTable.of(merged);
  }
}
