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
  readonly size: number;
  #array: readonly T[] | null = null;

  private constructor(keyOf: (entry: T) => string, chunks: readonly Chunk<T>[], size: number) {
    this.#keyOf = keyOf;
    this.#chunks = chunks;
    this.size = size;
  }

  /** Makes a list of entries in any order. Of entries with one key the last one counts. */
  static of<T>(keyOf: (entry: T) => string, entries: Iterable<T> = []): SortedList<T> {
    return new SortedList<T>(keyOf, [], 0).with(new Map([...entries].map((entry) => [keyOf(entry), entry])));
  }

  /** Gives a list with `changes` laid over this one, by key; null removes a key, also one that is not there. */
  with(changes: ReadonlyMap<string, T | null>): SortedList<T> {
    if (changes.size === 0) return this;
    const keys = [...changes.keys()].sort(compareText);
    const chunks: Chunk<T>[] = [];
    let { size } = this;
    let done = 0;
    for (let at = 0; at < keys.length; ) {
      const i = this.#chunkFor(keys[at] as string);
      const chunk = this.#chunks[i] ?? [];
      const end = this.#endOfChunk(i, keys, at);
      const merged = this.#merge(chunk, keys.slice(at, end), changes);
      size += merged.length - chunk.length;
      chunks.push(...this.#chunks.slice(done, i), ...cut(merged));
      done = i + 1;
      at = end;
    }
    chunks.push(...this.#chunks.slice(done));
    return new SortedList(this.#keyOf, isThin(chunks.length, size) ? cut(chunks.flat()) : chunks, size);
  }

  /** The entry of a key; undefined when there is none. Logarithmic in the list. */
  get(key: string): T | undefined {
    return this.#chunks[this.#chunkFor(key)]?.find((entry) => this.#keyOf(entry) === key);
  }

  /** All entries in order: the same array each time. Linear the first time. */
  toArray(): readonly T[] {
    this.#array ??= this.#chunks.flat();
    return this.#array;
  }

  /** All entries in order, in pieces. A piece that a list shares with one before is the same array in both. */
  get chunks(): readonly (readonly T[])[] {
    return this.#chunks;
  }

  /** The entries of this list that may differ from those of `other`, in order: all that are in no shared chunk. */
  notSharedWith(other: SortedList<T>): T[] {
    const [mine, theirs] = [this.#chunks, other.#chunks];
    // After few changes both rows begin and end alike: what is between them is short.
    let start = 0;
    while (start < mine.length && mine[start] === theirs[start]) start++;
    let tail = 0;
    while (tail < mine.length - start && mine.at(-1 - tail) === theirs.at(-1 - tail)) tail++;
    const shared = new Set(theirs.slice(start, theirs.length - tail));
    return mine.slice(start, mine.length - tail).flatMap((chunk) => (shared.has(chunk) ? [] : chunk));
  }

  /** Index of the chunk that a key belongs into: the last one that does not begin behind it, else the first. */
  #chunkFor(key: string): number {
    let [low, high] = [0, this.#chunks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#firstKey(middle) <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Index of the first of the sorted `keys`, from `from` on, that belongs into a later chunk than `i`. */
  #endOfChunk(i: number, keys: readonly string[], from: number): number {
    if (i + 1 >= this.#chunks.length) return keys.length;
    const next = this.#firstKey(i + 1);
    let end = from;
    while (end < keys.length && (keys[end] as string) < next) end++;
    return end;
  }

  #firstKey(i: number): string {
    // Chunks are never empty.
    return this.#keyOf(this.#chunks[i]?.[0] as T);
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
function isThin(chunks: number, entries: number): boolean {
  return chunks >= 16 && entries < (chunks * chunkSize) / 4;
}
