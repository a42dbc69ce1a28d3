// A worker through which very many clients ask one limit once each: a test's own context is too slow for a million.

import { parentPort, workerData } from 'node:worker_threads';
import { LimitTable } from '../limit-table.ts';

export interface FloodJob {
  readonly memory: SharedArrayBuffer;
  readonly zone: string;
  readonly intervalMs: number;
  readonly burst: number;
  readonly clients: number;
  /** Time from the first to the last of them, of the limit's clock. */
  readonly durationMs: number;
}

const { memory, zone, intervalMs, burst, clients, durationMs } = workerData as FloodJob;
const table = new LimitTable(memory, 0);
let passed = 0;
for (let at = 0; at < clients; at++) {
  if (table.takeRequest(zone, `2001:db8::${at.toString(16)}`, (at * durationMs) / clients, intervalMs, burst)) passed++;
}
parentPort?.postMessage(passed);
