// A worker that asks one limit as fast as it can, for the tests of exactness.

import { parentPort, workerData } from 'node:worker_threads';
import { Crowd } from '../../endpoints/testing/crowd.ts';
import { LimitTable, REFUSED } from '../limit-table.ts';

export interface HammerJob {
  readonly memory: SharedArrayBuffer;
  /** Of the crowd: [2] is the most connections that were open at once. */
  readonly board: SharedArrayBuffer;
  readonly column: number;
  readonly workers: number;
  readonly rounds: number;
  readonly burst: number;
  readonly max: number;
}

const { memory, board, column, workers, rounds, burst, max } = workerData as HammerJob;
const table = new LimitTable(memory, column);
const crowd = new Crowd(board);

crowd.awaitAll(workers);

let taken = 0;
for (let i = 0; i < rounds; i++) if (table.takeRequest('rate', 'client', 1000, 100, burst)) taken++;
for (let i = 0; i < rounds; i++) {
  const place = table.openConnection('connections', 'client', 1000, max);
  if (place === REFUSED) continue;
  crowd.hold();
  table.closeConnection(place);
}
parentPort?.postMessage(taken);
