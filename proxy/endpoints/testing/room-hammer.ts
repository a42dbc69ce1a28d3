// A worker that begins attempts at the one endpoint of an upstream as fast as it can, for the test of exactness.

import { parentPort, workerData } from 'node:worker_threads';
import type { Upstream } from '../../table/types.ts';
import { FULL } from '../endpoint-room.ts';
import { SharedLoads, type SharedLoadsMemory } from '../shared-loads.ts';
import { UpstreamState } from '../upstream-state.ts';
import { Crowd } from './crowd.ts';

export interface RoomJob {
  readonly memory: SharedLoadsMemory;
  /** Of the crowd: [2] is the most attempts that were under way at once. */
  readonly board: SharedArrayBuffer;
  readonly column: number;
  readonly workers: number;
  readonly rounds: number;
  readonly upstream: Upstream;
}

const { memory, board, column, workers, rounds, upstream } = workerData as RoomJob;
const clock = { nowMs: () => 0, wallMs: () => 0 };
const loads = { loads: new SharedLoads(memory), column };
const state = new UpstreamState(upstream.id, { ...clock, random: () => 0, loads, onEjected: () => undefined });
state.apply(upstream);
const [endpoint] = state.endpoints;
if (endpoint === undefined) throw new Error('expected an endpoint');
const crowd = new Crowd(board);

crowd.awaitAll(workers);

let begun = 0;
for (let i = 0; i < rounds; i++) {
  const probe = state.begin(endpoint);
  if (probe === FULL) continue;
  begun++;
  crowd.hold();
  endpoint.end(probe);
}
parentPort?.postMessage(begun);
