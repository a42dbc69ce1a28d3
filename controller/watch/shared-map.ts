// A map that hands out immutable views of itself. An unchanged map keeps its identity from snapshot to snapshot; a
// changed one shares with the view before it what did not change, so that one change in n entries costs about sqrt(n).

import { gone, LayeredMap } from './layered-map.ts';

/** Smaller maps are copied whole: that costs microseconds, and plain maps are read faster. */
const LAYERED_FROM = 256;

/** Mutable for its owner, frozen for everybody who got a `share()`. Values are never undefined. */
export class SharedMap<K, V extends NonNullable<unknown>> {
  #base = new Map<K, V>();
  /** Changes over `#base`; null: `#base` is written to itself, until it is shared. */
  #overlay: Map<K, V | typeof gone> | null = null;
  /** The view given out last; null when something changed since. */
  #view: ReadonlyMap<K, V> | null = null;
  #touched = new Set<K>();

  get(key: K): V | undefined {
    const changed = this.#overlay?.get(key);
    if (changed === undefined) return this.#base.get(key);
    return changed === gone ? undefined : changed;
  }

  set(key: K, value: V): void {
    this.#beginChange();
    this.#touched.add(key);
    if (this.#overlay === null) this.#base.set(key, value);
    else this.#overlay.set(key, value);
  }

  /** Removes the key; false when it was not there. */
  delete(key: K): boolean {
    if (this.get(key) === undefined) return false;
    this.#beginChange();
    this.#touched.add(key);
    if (this.#overlay === null) this.#base.delete(key);
    else this.#overlay.set(key, gone);
    return true;
  }

  /** Gives the map as it is now. Later changes do not show in it. */
  share(): ReadonlyMap<K, V> {
    this.#view ??= this.#overlay === null ? this.#base : new LayeredMap(this.#base, this.#overlay);
    return this.#view;
  }

  /** Gives the keys that were set or deleted since the last call. */
  takeTouched(): ReadonlySet<K> {
    if (this.#touched.size === 0) return none;
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  /** Makes sure that what is written to next belongs to no view. */
  #beginChange(): void {
    if (this.#view === null) return;
    const view = this.#view;
    this.#view = null;
    const changes = this.#overlay?.size ?? 0;
    // Copying the overlay at each change and merging it at times cost the same when it holds the square root of 2n.
    if (this.#base.size < LAYERED_FROM || changes > Math.sqrt(2 * this.#base.size)) {
      this.#base = new Map(view);
      this.#overlay = null;
    } else {
      this.#overlay = new Map(this.#overlay);
    }
  }
}

const none: ReadonlySet<never> = new Set();
