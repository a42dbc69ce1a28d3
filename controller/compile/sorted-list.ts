// A sorted list that can be changed without copying it: entries stand in chunks, and a changed list shares with the one
// before every chunk that holds no change.
//
// Each list is a value and stays as it is. One change in n entries copies one chunk and the row of chunks, and comparing
// two lists of one descent looks only at the chunks they do not share.

import { compareText } from '../objects/diagnostic.ts';

/** Entries of a new chunk. With 10,000 entries a change copies 64 of them and 160 references to chunks. */
const chunkSize = 64;

type Chunk<T> = readonly T[];

/** Entries sorted by a text key in code-unit order, no key twice. */
export class SortedList<T> {
  readonly #keyOf: (entry: T) => string;
  readonly #chunks: readonly Chunk<T>[];
  #array: readonly T[] | null = null;

  private constructor(keyOf: (entry: T) => string, chunks: readonly Chunk<T>[]) {
    this.#keyOf = keyOf;
    this.#chunks = chunks;
  }

  /** Makes a list of entries in any order. Of entries with one key the last one counts. */
  static of<T>(keyOf: (entry: T) => string, entries: Iterable<T> = []): SortedList<T> {
    return new SortedList<T>(keyOf, []).with(new Map([...entries].map((entry) => [keyOf(entry), entry])));
  }

  /** Gives a list with `changes` laid over this one, by key; null removes a key, also one that is not there. */
  with(changes: ReadonlyMap<string, T | null>): SortedList<T> {
    if (changes.size === 0) return this;
    const keys = [...changes.keys()].sort(compareText);
    const chunks: Chunk<T>[] = [];
    let at = 0;
    // An empty list still has one place to put things.
    const before = this.#chunks.length === 0 ? [[]] : this.#chunks;
    for (const [i, chunk] of before.entries()) {
      const end = i + 1 < before.length ? this.#firstNotBelow(keys, before[i + 1], at) : keys.length;
      if (end === at) chunks.push(chunk);
      else chunks.push(...cut(this.#merge(chunk, keys.slice(at, end), changes)));
      at = end;
    }
    return new SortedList(this.#keyOf, isThin(chunks) ? cut(chunks.flat()) : chunks);
  }

  /** All entries in order: the same array each time. Linear the first time. */
  toArray(): readonly T[] {
    this.#array ??= this.#chunks.flat();
    return this.#array;
  }

  /** The entries of this list that may differ from those of `other`, in order: all that are in no shared chunk. */
  notSharedWith(other: SortedList<T>): T[] {
    if (other.#chunks === this.#chunks) return [];
    const shared = new Set(other.#chunks);
    return this.#chunks.flatMap((chunk) => (shared.has(chunk) ? [] : chunk));
  }

  /** Index of the first of `keys`, from `from` on, that belongs into `chunk` or behind it. */
  #firstNotBelow(keys: readonly string[], chunk: Chunk<T> | undefined, from: number): number {
    const [first] = chunk ?? [];
    let at = from;
    while (at < keys.length && first !== undefined && (keys[at] as string) < this.#keyOf(first)) at++;
    return at;
  }

  #merge(chunk: Chunk<T>, keys: readonly string[], changes: ReadonlyMap<string, T | null>): T[] {
    const merged: T[] = [];
    let at = 0;
    const take = (key: string) => {
      const entry = changes.get(key) ?? null;
      if (entry !== null) merged.push(entry);
    };
    for (const entry of chunk) {
      const key = this.#keyOf(entry);
      while (at < keys.length && (keys[at] as string) < key) take(keys[at++] as string);
      if (keys[at] === key) take(keys[at++] as string);
      else merged.push(entry);
    }
    while (at < keys.length) take(keys[at++] as string);
    return merged;
  }
}

/** Cuts entries into chunks; none for no entries. Up to twice the size stays whole, so that a chunk may grow for a while. */
function cut<T>(entries: readonly T[]): Chunk<T>[] {
  if (entries.length === 0) return [];
  if (entries.length <= 2 * chunkSize) return [entries];
  const chunks: Chunk<T>[] = [];
  for (let at = 0; at < entries.length; at += chunkSize) chunks.push(entries.slice(at, at + chunkSize));
  return chunks;
}

/** True when removals have left so many small chunks that the row of chunks costs more than they do. */
function isThin(chunks: readonly Chunk<unknown>[]): boolean {
  if (chunks.length < 16) return false;
  const entries = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return entries < (chunks.length * chunkSize) / 4;
}
