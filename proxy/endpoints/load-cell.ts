// One worker's view of the shared counters of one row: it writes its own count and reads the sum of all workers.

import { cellsPerScore, LatencyScore } from '../balance/latency-score.ts';
import { LoadNumbers } from '../balance/load-numbers.ts';
import { rowKey, type SharedLoads } from './shared-loads.ts';

/** The shared counters as a worker has them: `column` is its own, from 0. */
export interface WorkerLoads {
  readonly loads: SharedLoads;
  readonly column: number;
}

export class LoadCell {
  readonly #loads: SharedLoads;
  /** This worker's own. */
  readonly column: number;
  readonly row: number;
  /** The count is held to a limit: see `SharedLoads.set`. */
  isExact = true;

  constructor({ loads, column }: WorkerLoads, row: number) {
    this.#loads = loads;
    this.column = column;
    this.row = row;
  }

  /** How many workers there are. */
  get columns(): number {
    return this.#loads.columns;
  }

  sum(): number {
    return this.#loads.sum(this.row);
  }

  set(count: number): void {
    if (this.isExact) this.#loads.set(this.column, this.row, count);
    else this.#loads.setLoosely(this.column, this.row, count);
  }

  /** What one worker has set. */
  of(column: number): number {
    return this.#loads.get(column, this.row);
  }

  /** Calls back the `onWoken` of another worker. */
  wake(column: number): void {
    this.#loads.wake(column, this.row);
  }

  /** Calls `listener` once, in a turn of its own, when another worker wakes this one. */
  onWoken(listener: () => void): void {
    this.#loads.whenWoken(this.column, this.row, listener);
  }

  score(): LatencyScore {
    return new LatencyScore(this.#loads.scores, this.row * cellsPerScore);
  }

  /** The same two cells, for a row that has no score. */
  numbers(): LoadNumbers {
    return new LoadNumbers(this.#loads.scores, this.row * cellsPerScore);
  }
}

/** Requests under way to a whole upstream; in shared memory where its settings ask for that. */
export class LoadTotal {
  #inFlight = 0;
  #cell: LoadCell | null = null;

  get cell(): LoadCell | null {
    return this.#cell;
  }

  /** Over all workers, or of this one without a cell. */
  get load(): number {
    return this.#cell === null ? this.#inFlight : this.#cell.sum();
  }

  /** This worker's part. */
  get own(): number {
    return this.#inFlight;
  }

  add(change: number): void {
    this.#inFlight += change;
    this.#cell?.set(this.#inFlight);
  }

  countIn(cell: LoadCell | null): void {
    this.#cell?.set(0);
    this.#cell = cell;
    cell?.set(this.#inFlight);
  }
}

/** The cell of an endpoint (`address:port`) or, with '', of a whole upstream; null when it has no row. */
export function findCell(loads: WorkerLoads | null, upstreamId: string, endpoint: string): LoadCell | null {
  if (loads === null) return null;
  const row = loads.loads.find(rowKey(upstreamId, endpoint));
  return row === -1 ? null : new LoadCell(loads, row);
}
