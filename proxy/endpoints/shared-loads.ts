// Requests under way to each endpoint over all workers of the process, in shared memory.
//
// Each worker adds in a column of its own and reads the sum over all of them. So no two threads write one cell, a pick
// waits for nobody, and when a worker dies the pool clears its column and with it all that the worker had counted.
//
// Rows are places in a hash table with linear probing, keyed by upstream and endpoint: a worker finds the row of an
// endpoint by itself, and nothing about rows travels with a table update. Only the main thread claims and releases rows
// (load-directory.ts), before an update is sent and after all workers have acknowledged it. Each row also holds the
// endpoint's latency score, which all workers write.

import { createHash } from 'node:crypto';
import { cellsPerScore } from '../balance/latency-score.ts';

/** What is given to a worker at its start. */
export interface SharedLoadsMemory {
  readonly buffer: SharedArrayBuffer;
  readonly columns: number;
  readonly rows: number;
}

/** Row keys: two numbers per row. The second is never 0 for a used row; 0, 0 is free; 1, 0 was released. */
const cellsPerKey = 2;
const released = 1;

/**
 * Allocates memory for `capacity` endpoints and upstreams together and `columns` workers:
 * capacity x 2 x (24 + 4 x columns) bytes. Twice the rows, so that probing stays short.
 */
export function allocateSharedLoads(columns: number, capacity: number): SharedLoadsMemory {
  const rows = capacity * 2;
  return { buffer: new SharedArrayBuffer(rows * (cellsPerScore * 8 + cellsPerKey * 4 + columns * 4)), columns, rows };
}

export class SharedLoads {
  readonly rows: number;
  readonly columns: number;
  /** Latency scores, `cellsPerScore` per row. */
  readonly scores: Float64Array;
  readonly #keys: Int32Array;
  /** Column after column, so that workers do not write into each other's cache lines. */
  readonly #counts: Int32Array;

  constructor({ buffer, columns, rows }: SharedLoadsMemory) {
    this.rows = rows;
    this.columns = columns;
    this.scores = new Float64Array(buffer, 0, rows * cellsPerScore);
    this.#keys = new Int32Array(buffer, this.scores.byteLength, rows * cellsPerKey);
    const countsAt = this.scores.byteLength + this.#keys.byteLength;
    this.#counts = new Int32Array(buffer, countsAt, rows * columns);
  }

  /** Requests under way in all workers. */
  sum(row: number): number {
    const counts = this.#counts;
    const { columns, rows } = this;
    let sum = 0;
    for (let column = 0, at = row; column < columns; column++, at += rows) sum += Atomics.load(counts, at);
    return sum;
  }

  /**
   * Writes one worker's count; only that worker may. What it reads of the others afterwards is no older: two that each
   * count one more and then read the sum cannot both miss the other's.
   */
  set(column: number, row: number, count: number): void {
    Atomics.store(this.#counts, column * this.rows + row, count);
  }

  /**
   * The same as a plain store, for counts that are compared and not held to a limit: the others see it a few nanoseconds
   * later. An ordered one is a call, and waits until this core has written everything.
   */
  setLoosely(column: number, row: number, count: number): void {
    this.#counts[column * this.rows + row] = count;
  }

  /** What one worker has written. */
  get(column: number, row: number): number {
    return Atomics.load(this.#counts, column * this.rows + row);
  }

  /** Calls back what `whenWoken` was given for this cell, in whichever thread that was. */
  wake(column: number, row: number): void {
    Atomics.notify(this.#counts, column * this.rows + row);
  }

  /** Calls `listener` once, in a turn of its own, when another thread wakes this cell. It keeps no process alive. */
  whenWoken(column: number, row: number, listener: () => void): void {
    const at = column * this.rows + row;
    // Only this thread writes the cell, so that it still holds what was just read.
    const { value } = Atomics.waitAsync(this.#counts, at, Atomics.load(this.#counts, at));
    if (typeof value !== 'string') void value.then(listener);
  }

  /** For the main thread, when a worker has died and before it is replaced. */
  clearColumn(column: number): void {
    this.#counts.fill(0, column * this.rows, (column + 1) * this.rows);
  }

  /** The row of a key; -1 when it has none. */
  find(key: RowKey): number {
    for (let step = 0, row = this.#firstRow(key); step < this.rows; step++, row = this.#nextRow(row)) {
      const high = Atomics.load(this.#keys, row * cellsPerKey + 1);
      const low = Atomics.load(this.#keys, row * cellsPerKey);
      if (high === key.high && low === key.low) return row;
      if (high === 0 && low !== released) return -1;
    }
    return -1;
  }

  /** For the main thread: gives the key a row with everything at zero; -1 when none is free. */
  claim(key: RowKey): number {
    for (let step = 0, row = this.#firstRow(key); step < this.rows; step++, row = this.#nextRow(row)) {
      if (Atomics.load(this.#keys, row * cellsPerKey + 1) !== 0) continue;
      for (let column = 0; column < this.columns; column++) this.set(column, row, 0);
      this.scores.fill(0, row * cellsPerScore, (row + 1) * cellsPerScore);
      // In this order a worker that probes past the row meanwhile never takes it for a free one.
      Atomics.store(this.#keys, row * cellsPerKey + 1, key.high);
      Atomics.store(this.#keys, row * cellsPerKey, key.low);
      return row;
    }
    return -1;
  }

  /** For the main thread, when no worker uses the row any more. */
  release(row: number): void {
    Atomics.store(this.#keys, row * cellsPerKey, released);
    Atomics.store(this.#keys, row * cellsPerKey + 1, 0);
    if (!this.#isFree(this.#nextRow(row))) return;
    // Nothing is found behind the end of a run: this row and those released before it are free again.
    for (let back = row; this.#isReleased(back); back = this.#previousRow(back)) {
      Atomics.store(this.#keys, back * cellsPerKey, 0);
    }
  }

  #firstRow({ low }: RowKey): number {
    return (low >>> 0) % this.rows;
  }

  #nextRow(row: number): number {
    return row + 1 === this.rows ? 0 : row + 1;
  }

  #previousRow(row: number): number {
    return row === 0 ? this.rows - 1 : row - 1;
  }

  #isFree(row: number): boolean {
    return Atomics.load(this.#keys, row * cellsPerKey + 1) === 0 && !this.#isReleased(row);
  }

  #isReleased(row: number): boolean {
    const high = Atomics.load(this.#keys, row * cellsPerKey + 1);
    return high === 0 && Atomics.load(this.#keys, row * cellsPerKey) === released;
  }
}

/** 64 bits that stand for an upstream, or for one endpoint of it. */
export interface RowKey {
  readonly low: number;
  /** Never 0. */
  readonly high: number;
}

/**
 * The key of an endpoint (`address:port`), or of the whole upstream when `endpoint` is ''. A cryptographic hash: names
 * are written by users, and two endpoints with one row would share their counts.
 */
export function rowKey(upstreamId: string, endpoint: string): RowKey {
  const hash = createHash('sha256').update(`${upstreamId}\0${endpoint}`).digest();
  return { low: hash.readInt32LE(0), high: hash.readInt32LE(4) || 1 };
}
