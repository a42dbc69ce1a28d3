// A worker that begins attempts at the one endpoint of an upstream as fast as it can, for the test of exactness.

import { parentPort, workerData } from 'node:worker_threads';
import type { Upstream } from '../../table/types.ts';
import { FULL } from '../endpoint-room.ts';
import { SharedLoads, type SharedLoadsMemory } from '../shared-loads.ts';
import { UpstreamState } from '../upstream-state.ts';

export interface RoomJob {
  readonly memory: SharedLoadsMemory;
  /** [0]: workers that are ready, [1]: attempts under way now, [2]: most seen. */
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
const words = new Int32Array(board);

Atomics.add(words, 0, 1);
Atomics.notify(words, 0);
for (let ready = Atomics.load(words, 0); ready < workers; ready = Atomics.load(words, 0)) Atomics.wait(words, 0, ready);

let begun = 0;
for (let i = 0; i < rounds; i++) {
  const probe = state.begin(endpoint);
  if (probe === FULL) continue;
  begun++;
  const running = Atomics.add(words, 1, 1) + 1;
  for (let most = Atomics.load(words, 2); running > most; most = Atomics.load(words, 2)) {
    Atomics.compareExchange(words, 2, most, running);
  }
  Atomics.sub(words, 1, 1);
  endpoint.end(probe);
}
parentPort?.postMessage(begun);
