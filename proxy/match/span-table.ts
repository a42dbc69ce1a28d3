// A read-only hash table keyed by text that is looked up by a span of a longer text, without cutting the span out.
//
// Host lookup needs `rest` of `label.rest`, path lookup every prefix of a path that ends at a slash. A Map would need a
// new string for each; here one running hash over the characters serves all prefixes in a single pass.
// Buckets are chains, so that keys made to collide slow down only requests for those keys.

/** Start value of `hashStep`: the hash of the empty text. */
export const emptyHash = 0x811c9dc5 | 0;

/** Extends a hash by one UTF-16 code unit (FNV-1a, 32 bits). */
export function hashStep(hash: number, code: number): number {
  return Math.imul(hash ^ code, 0x01000193);
}

/** Hashes `text[start, end)`. */
export function hashSpan(text: string, start: number, end: number): number {
  let hash = emptyHash;
  for (let i = start; i < end; i++) hash = hashStep(hash, text.charCodeAt(i));
  return hash;
}

export class SpanTable<V> {
  readonly #keys: readonly string[];
  readonly #values: readonly V[];
  /**
   * Bucket -> first entry, then for each entry its hash and the next entry of its bucket; -1 ends a chain. One array: a
   * table has thousands of hosts, each with a span table of a few entries, and an empty array takes 200 bytes.
   */
  readonly #cells: Int32Array;
  readonly #buckets: number;

  /** Builds the table; linear in the entries. Keys come from a Map, so they are distinct. */
  constructor(entries: ReadonlyMap<string, V>) {
    this.#keys = [...entries.keys()];
    this.#values = [...entries.values()];
    const buckets = bucketCountFor(entries.size);
    this.#buckets = buckets;
    const cells = new Int32Array(buckets + 2 * entries.size).fill(-1, 0, buckets);
    this.#cells = cells;
    for (let i = 0; i < this.#keys.length; i++) {
      const key = this.#keys[i] as string;
      const hash = hashSpan(key, 0, key.length);
      const bucket = this.#bucketOf(hash);
      cells[buckets + 2 * i] = hash;
      cells[buckets + 2 * i + 1] = cells[bucket] as number;
      cells[bucket] = i;
    }
  }

  get size(): number {
    return this.#keys.length;
  }

  /**
   * Finds the value of the key that equals `text[start, end)`, whose hash the caller already has. `undefined` when there
   * is none. Allocates nothing; constant time plus the length of the span.
   */
  find(hash: number, text: string, start: number, end: number): V | undefined {
    const cells = this.#cells;
    let entry = cells[this.#bucketOf(hash)] as number;
    while (entry !== -1) {
      const at = this.#buckets + 2 * entry;
      if (cells[at] === hash && equalsSpan(this.#keys[entry] as string, text, start, end)) return this.#values[entry];
      entry = cells[at + 1] as number;
    }
    return undefined;
  }

  *entries(): Generator<readonly [string, V]> {
    for (let i = 0; i < this.#keys.length; i++) yield [this.#keys[i] as string, this.#values[i] as V];
  }

  #bucketOf(hash: number): number {
    // FNV's low bits are its weakest; the fold lets the high ones take part.
    return (hash ^ (hash >>> 15)) & (this.#buckets - 1);
  }
}

/** The power of two that keeps chains at about one entry or less. */
function bucketCountFor(size: number): number {
  let buckets = 4;
  while (buckets < size) buckets *= 2;
  return buckets;
}

function equalsSpan(key: string, text: string, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  // Short keys that span the whole text are the common case for hosts; the engine compares those faster.
  if (key.length === text.length) return key === text;
  for (let i = 0; i < key.length; i++) {
    if (key.charCodeAt(i) !== text.charCodeAt(start + i)) return false;
  }
  return true;
}
