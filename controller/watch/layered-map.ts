// A large map with a few changes laid over it: an immutable view that costs as much as its changes.

/** What the overlay holds for a key that the base has and the view has not. */
export const gone: unique symbol = Symbol('gone');

export type Overlay<K, V> = ReadonlyMap<K, V | typeof gone>;

/** Reads as `base` with `overlay` over it. Neither may be written to while a view of them is in use. */
export class LayeredMap<K, V> implements ReadonlyMap<K, V> {
  readonly #base: ReadonlyMap<K, V>;
  readonly #overlay: Overlay<K, V>;
  readonly size: number;

  constructor(base: ReadonlyMap<K, V>, overlay: Overlay<K, V>) {
    this.#base = base;
    this.#overlay = overlay;
    this.size = sizeOf(base, overlay);
  }

  get(key: K): V | undefined {
    const changed = this.#overlay.get(key);
    if (changed === undefined) return this.#base.get(key);
    return changed === gone ? undefined : changed;
  }

  has(key: K): boolean {
    const changed = this.#overlay.get(key);
    return changed === undefined ? this.#base.has(key) : changed !== gone;
  }

  /** In no particular order. */
  *entries(): MapIterator<[K, V]> {
    for (const entry of this.#base) if (!this.#overlay.has(entry[0])) yield entry;
    for (const [key, value] of this.#overlay) if (value !== gone) yield [key, value];
  }

  *keys(): MapIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }

  forEach(callback: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.entries()) callback(value, key, this);
  }
}

function sizeOf<K, V>(base: ReadonlyMap<K, V>, overlay: Overlay<K, V>): number {
  let size = base.size;
  for (const [key, value] of overlay) {
    if (base.has(key)) size -= value === gone ? 1 : 0;
    else size += value === gone ? 0 : 1;
  }
  return size;
}
