// A worker that asks one limit as fast as it can, for the tests of exactness.

import { parentPort, workerData } from 'node:worker_threads';
import { LimitTable, REFUSED } from '../limit-table.ts';

export interface HammerJob {
  readonly memory: SharedArrayBuffer;
  /** [0]: workers that are ready, [1]: connections open now, [2]: most seen open. */
  readonly board: SharedArrayBuffer;
  readonly column: number;
  readonly workers: number;
  readonly rounds: number;
  readonly burst: number;
  readonly max: number;
}

const { memory, board, column, workers, rounds, burst, max } = workerData as HammerJob;
const table = new LimitTable(memory, column);
const words = new Int32Array(board);

Atomics.add(words, 0, 1);
Atomics.notify(words, 0);
for (let ready = Atomics.load(words, 0); ready < workers; ready = Atomics.load(words, 0)) Atomics.wait(words, 0, ready);

let taken = 0;
for (let i = 0; i < rounds; i++) if (table.takeRequest('rate', 'client', 1000, 100, burst)) taken++;
for (let i = 0; i < rounds; i++) {
  const place = table.openConnection('connections', 'client', 1000, max);
  if (place === REFUSED) continue;
  const open = Atomics.add(words, 1, 1) + 1;
  for (let most = Atomics.load(words, 2); open > most; most = Atomics.load(words, 2)) {
    Atomics.compareExchange(words, 2, most, open);
  }
  Atomics.sub(words, 1, 1);
  table.closeConnection(place);
}
parentPort?.postMessage(taken);
