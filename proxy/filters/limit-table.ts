// Counters of rate and connection limits in shared memory: exact over all workers of a process.
//
// A hash table of fixed size. A bucket of eight entries is changed under its lock, so a limit of n lets exactly n pass
// however many workers ask. Memory is bounded: in a full bucket the rate entry that is nearest to being at rest is given
// up, as nginx gives up its oldest node; a bucket full of connections lets further clients pass uncounted, or refuses them,
// by setting. Connections are counted in one column per worker, so that those of a worker that died can be taken off.
// Client addresses are not stored, only a keyed hash of them.

/** Entries that share a lock. */
const WAYS = 8;
/** Words of the header: bucket count, columns, seed, entries given up, whether a full bucket refuses. */
const HEADER_WORDS = 5;
/** Words of an entry before its columns: two of the hash. */
const ENTRY_WORDS = 2;
/** States of a lock; `AWAITED` is held, and a thread sleeps for it. */
const FREE = 0;
const HELD = 1;
const AWAITED = 2;
/** Looks at a lock before the thread sleeps for `LOCK_SLEEP_MS`. */
const SPINS = 200;
const LOCK_SLEEP_MS = 1;
/** Sleeps after which the owner counts as dead: it holds a lock for less than a microsecond. */
const MAX_SLEEPS = 200;
/** Instead of a place: the limit is reached. */
export const REFUSED = -1;
/** Instead of a place: all entries of the bucket count connections. */
export const UNCOUNTED = -2;
/** Zones whose hash is remembered; all are forgotten when there are more. */
const MAX_ZONES = 4096;

export interface LimitTableSize {
  /** Entries; rounded up to a power of two, at least 8. One is a client of one limit. Default setting: 65,536. */
  readonly entries: number;
  /** Workers that count connections, at least 1. */
  readonly columns: number;
  /** Who finds no entry is refused, as by nginx. Default false: it passes uncounted. */
  readonly isClosedWhenFull?: boolean;
}

/** Makes the shared memory, on the main thread. `seed` must be unpredictable: clients choose part of what is hashed. */
export function createLimitMemory(size: LimitTableSize, seed: number): SharedArrayBuffer {
  const { entries, columns, isClosedWhenFull = false } = size;
  const buckets = 2 ** Math.max(0, Math.ceil(Math.log2(entries / WAYS)));
  const words = HEADER_WORDS + buckets + buckets * WAYS * (ENTRY_WORDS + columns);
  // Times stand behind the words, at a multiple of eight bytes.
  const memory = new SharedArrayBuffer((words + (words % 2)) * 4 + buckets * WAYS * 8);
  const header = new Int32Array(memory, 0, HEADER_WORDS);
  header[0] = buckets;
  header[1] = columns;
  header[2] = seed;
  header[4] = isClosedWhenFull ? 1 : 0;
  return memory;
}

/** The hash after the text of a zone. */
interface ZoneHash {
  readonly high: number;
  readonly low: number;
}

/** One thread's view of the shared counters. */
export class LimitTable {
  readonly #words: Int32Array;
  /** By entry: when its bucket has leaked empty, ms. */
  readonly #emptyAtMs: Float64Array;
  readonly #buckets: number;
  readonly #columns: number;
  readonly #column: number;
  readonly #seed: number;
  readonly #isClosedWhenFull: boolean;
  /** Entries in use that this thread gave up for others, and requests for which there was no entry. */
  ownGivenUp = 0;
  #high = 0;
  #low = 0;
  readonly #zones = new Map<string, ZoneHash>();

  /** `column` is this worker's own, from 0. */
  constructor(memory: SharedArrayBuffer, column: number) {
    const [buckets = 0, columns = 0, seed = 0, , isClosed = 0] = new Int32Array(memory, 0, HEADER_WORDS);
    const words = HEADER_WORDS + buckets + buckets * WAYS * (ENTRY_WORDS + columns);
    if (column < 0 || column >= columns) throw new Error(`limit table has no column ${column}`);
    this.#words = new Int32Array(memory, 0, words);
    this.#emptyAtMs = new Float64Array(memory, (words + (words % 2)) * 4);
    this.#buckets = buckets;
    this.#columns = columns;
    this.#column = column;
    this.#seed = seed;
    this.#isClosedWhenFull = isClosed === 1;
  }

  /** `ownGivenUp` of all threads since the start: the table is too small. */
  get givenUp(): number {
    return Atomics.load(this.#words, 3);
  }

  /**
   * Counts a request of `client` in `zone`; false: it is beyond rate and burst, and was not counted, or there is no entry
   * for it and the table refuses such. nginx's leaky bucket without delay: `burst` requests may come at once beyond the
   * first, and one more every `intervalMs`. `nowMs` is a clock that all workers share (monotonic time of the machine).
   */
  takeRequest(zone: string, client: string, nowMs: number, intervalMs: number, burst: number): boolean {
    const bucket = this.#lock(zone, client);
    const entry = this.#find(bucket, nowMs);
    let isTaken = !this.#isClosedWhenFull;
    if (entry !== -1) {
      const burstMs = burst * intervalMs;
      // Further ahead than the burst: the limit was lowered, and counts as just used up.
      const before = Math.min(this.#emptyAtMs[entry] as number, nowMs + burstMs);
      const emptyAtMs = Math.max(nowMs, before + intervalMs);
      // Half a nanosecond against rounding: sums of thirds must not turn the last request away.
      isTaken = emptyAtMs - nowMs <= burstMs + 5e-7;
      this.#emptyAtMs[entry] = isTaken ? emptyAtMs : before;
    }
    this.#unlock(bucket);
    return isTaken;
  }

  /** Takes a counted request back, since another limit turned it away. */
  returnRequest(zone: string, client: string, intervalMs: number): void {
    const bucket = this.#lock(zone, client);
    const entry = this.#seek(bucket);
    if (entry !== -1) this.#emptyAtMs[entry] = (this.#emptyAtMs[entry] as number) - intervalMs;
    this.#unlock(bucket);
  }

  /**
   * Counts one more request in progress and gives the place where it is counted, for `closeConnection`; `REFUSED`: there
   * are `max` already, or the table has no entry and refuses such. `UNCOUNTED`: it has none, so the request passes and
   * nothing is to be taken off.
   */
  openConnection(zone: string, client: string, nowMs: number, max: number): number {
    const bucket = this.#lock(zone, client);
    const entry = this.#find(bucket, nowMs);
    let place = this.#isClosedWhenFull ? REFUSED : UNCOUNTED;
    if (entry !== -1) place = this.#connectionsOf(entry) < max ? this.#columnAt(entry, this.#column) : REFUSED;
    if (place >= 0) this.#words[place] = (this.#words[place] as number) + 1;
    this.#unlock(bucket);
    return place;
  }

  /**
   * Takes off what `openConnection` has counted. Without the lock: an entry that counts connections is nobody else's, and
   * only this worker writes its column.
   */
  closeConnection(place: number): void {
    const count = this.#words[place] as number;
    if (place >= 0 && count > 0) this.#words[place] = count - 1;
  }

  /** Requests in progress of a client, over all workers. */
  connectionCount(zone: string, client: string): number {
    const bucket = this.#lock(zone, client);
    const entry = this.#seek(bucket);
    const count = entry === -1 ? 0 : this.#connectionsOf(entry);
    this.#unlock(bucket);
    return count;
  }

  /** Takes off the connections of a worker that has died, before another one gets its column. Linear in the table. */
  clearColumn(column: number): void {
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      this.#lockBucket(bucket);
      for (let way = 0; way < WAYS; way++) this.#words[this.#columnAt(bucket * WAYS + way, column)] = 0;
      this.#unlock(bucket);
    }
  }

  #lock(zone: string, client: string): number {
    this.#hash(zone, client);
    const bucket = this.#low & (this.#buckets - 1);
    this.#lockBucket(bucket);
    return bucket;
  }

  #lockBucket(bucket: number): void {
    const at = HEADER_WORDS + bucket;
    if (Atomics.compareExchange(this.#words, at, FREE, HELD) !== FREE) this.#waitForLock(at);
  }

  #waitForLock(at: number): void {
    for (let tries = 0; tries < SPINS; tries++) {
      if (Atomics.compareExchange(this.#words, at, FREE, HELD) === FREE) return;
    }
    // Whoever has it now will wake one that waits; so will we, since others may be waiting as well.
    for (let sleeps = 0; sleeps <= MAX_SLEEPS; sleeps++) {
      if (Atomics.exchange(this.#words, at, AWAITED) === FREE) return;
      Atomics.wait(this.#words, at, AWAITED, LOCK_SLEEP_MS);
    }
    // A worker that was ended in the middle never unlocks; its entry is at worst one request off.
  }

  /** Waking nobody is a call into the runtime all the same. */
  #unlock(bucket: number): void {
    const at = HEADER_WORDS + bucket;
    if (Atomics.exchange(this.#words, at, FREE) === AWAITED) Atomics.notify(this.#words, at, 1);
  }

  /** FNV-1a with two seeds, over both texts and a mark behind each. */
  #hash(zone: string, client: string): void {
    const zoneHash = this.#zones.get(zone) ?? this.#hashZone(zone);
    this.#high = zoneHash.high;
    this.#low = zoneHash.low;
    this.#hashText(client);
    this.#low ^= this.#low >>> 15;
    // 0 is an empty entry.
    this.#high = (this.#high ^ (this.#high >>> 16)) | 1;
  }

  /** Zones are few and long, and asked with each request: what their text does to the hash is remembered. */
  #hashZone(zone: string): ZoneHash {
    this.#high = this.#seed ^ 0x811c9dc5;
    this.#low = (this.#seed * 31) ^ 0x01000193;
    this.#hashText(zone);
    const zoneHash = { high: this.#high, low: this.#low };
    if (this.#zones.size >= MAX_ZONES) this.#zones.clear();
    this.#zones.set(zone, zoneHash);
    return zoneHash;
  }

  #hashText(text: string): void {
    let high = this.#high;
    let low = this.#low;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      high = Math.imul(high ^ code, 0x01000193);
      low = Math.imul(low ^ code, 0x5bd1e995);
      low ^= low >>> 13;
    }
    this.#high = Math.imul(high ^ 0xffff, 0x01000193);
    this.#low = Math.imul(low ^ 0xffff, 0x5bd1e995);
  }

  #wordAt(entry: number): number {
    return HEADER_WORDS + this.#buckets + entry * (ENTRY_WORDS + this.#columns);
  }

  #columnAt(entry: number, column: number): number {
    return this.#wordAt(entry) + ENTRY_WORDS + column;
  }

  /** The entry of the hashed client, -1 when there is none. */
  #seek(bucket: number): number {
    for (let entry = bucket * WAYS; entry < (bucket + 1) * WAYS; entry++) {
      const at = this.#wordAt(entry);
      if (this.#words[at] === this.#high && this.#words[at + 1] === this.#low) return entry;
    }
    return -1;
  }

  /** The entry of the hashed client, a new one if need be; -1 when all places count connections. */
  #find(bucket: number, nowMs: number): number {
    const known = this.#seek(bucket);
    if (known !== -1) return known;
    let chosen = -1;
    for (let entry = bucket * WAYS; entry < (bucket + 1) * WAYS; entry++) {
      if (this.#words[this.#wordAt(entry)] === 0) {
        chosen = entry;
        break;
      }
      if (this.#connectionsOf(entry) > 0) continue;
      if (chosen === -1 || (this.#emptyAtMs[entry] as number) < (this.#emptyAtMs[chosen] as number)) chosen = entry;
    }
    if (chosen === -1) {
      this.#countGivenUp();
      return -1;
    }
    const at = this.#wordAt(chosen);
    // An entry at rest can be forgotten without loss; another one is given up.
    if (this.#words[at] !== 0 && (this.#emptyAtMs[chosen] as number) > nowMs) this.#countGivenUp();
    this.#words[at] = this.#high;
    this.#words[at + 1] = this.#low;
    this.#emptyAtMs[chosen] = Number.NEGATIVE_INFINITY;
    return chosen;
  }

  #countGivenUp(): void {
    Atomics.add(this.#words, 3, 1);
    this.ownGivenUp++;
  }

  #connectionsOf(entry: number): number {
    let count = 0;
    for (let column = 0; column < this.#columns; column++)
      count += this.#words[this.#columnAt(entry, column)] as number;
    return count;
  }
}
