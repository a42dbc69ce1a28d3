// A worker that asks the gate of one upstream for places as fast as it can, for the test of exactness.

import { parentPort, workerData } from 'node:worker_threads';
import type { UpstreamLimits } from '../../table/upstream-settings.ts';
import { SharedLoads, type SharedLoadsMemory } from '../shared-loads.ts';
import { UpstreamGate } from '../upstream-gate.ts';

export interface GateJob {
  readonly memory: SharedLoadsMemory;
  /** [0]: workers that are ready, [1]: requests that hold a place now, [2]: most seen. */
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
const words = new Int32Array(board);

Atomics.add(words, 0, 1);
Atomics.notify(words, 0);
for (let ready = Atomics.load(words, 0); ready < workers; ready = Atomics.load(words, 0)) Atomics.wait(words, 0, ready);

let admitted = 0;
for (let i = 0; i < rounds; i++) {
  if (gate.enter(waiter, 0) !== 'admitted') continue;
  admitted++;
  const running = Atomics.add(words, 1, 1) + 1;
  for (let most = Atomics.load(words, 2); running > most; most = Atomics.load(words, 2)) {
    Atomics.compareExchange(words, 2, most, running);
  }
  Atomics.sub(words, 1, 1);
  gate.leave();
}
parentPort?.postMessage(admitted);
