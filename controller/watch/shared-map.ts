// A map that hands out immutable views of itself: copy on write, so that an unchanged map keeps its identity from
// snapshot to snapshot, and a changed one is copied once for each snapshot at most.

/** Mutable for its owner, frozen for everybody who got a `share()`. */
export class SharedMap<K, V> {
  #map = new Map<K, V>();
  #isShared = false;
  #touched = new Set<K>();

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  set(key: K, value: V): void {
    this.#own().set(key, value);
    this.#touched.add(key);
  }

  /** Removes the key; false when it was not there. */
  delete(key: K): boolean {
    if (!this.#map.has(key)) return false;
    this.#touched.add(key);
    return this.#own().delete(key);
  }

  /** Gives the map as it is now. Later changes do not show in it. Constant time. */
  share(): ReadonlyMap<K, V> {
    this.#isShared = true;
    return this.#map;
  }

  /** Gives the keys that were set or deleted since the last call. */
  takeTouched(): ReadonlySet<K> {
    const touched = this.#touched;
    if (touched.size > 0) this.#touched = new Set();
    return touched.size > 0 ? touched : none;
  }

  #own(): Map<K, V> {
    if (this.#isShared) {
      this.#map = new Map(this.#map);
      this.#isShared = false;
    }
    return this.#map;
  }
}

const none: ReadonlySet<never> = new Set();
