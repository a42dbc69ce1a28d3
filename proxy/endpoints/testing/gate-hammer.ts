// A worker that asks the gate of one upstream for places as fast as it can, for the test of exactness.

import { parentPort, workerData } from 'node:worker_threads';
import type { UpstreamLimits } from '../../table/upstream-settings.ts';
import { SharedLoads, type SharedLoadsMemory } from '../shared-loads.ts';
import { UpstreamGate } from '../upstream-gate.ts';
import { Crowd } from './crowd.ts';

export interface GateJob {
  readonly memory: SharedLoadsMemory;
  /** Of the crowd: [2] is the most requests that held a place at once. */
  readonly board: SharedArrayBuffer;
  readonly column: number;
  readonly workers: number;
  readonly rounds: number;
  /** Nobody may wait. */
  readonly limits: UpstreamLimits;
}

const { memory, board, column, workers, rounds, limits } = workerData as GateJob;
const loads = { loads: new SharedLoads(memory), column };
const gate = new UpstreamGate(limits, { upstreamId: 'u', loads, nowMs: () => 0, hasRoom: () => true });
const waiter = { onAdmitted: () => undefined, onTimedOut: () => undefined };
const crowd = new Crowd(board);

crowd.awaitAll(workers);

let admitted = 0;
for (let i = 0; i < rounds; i++) {
  if (gate.enter(waiter, 0) !== 'admitted') continue;
  admitted++;
  crowd.hold();
  gate.leave();
}
parentPort?.postMessage(admitted);
