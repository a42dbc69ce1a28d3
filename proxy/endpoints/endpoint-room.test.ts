import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from '@jest/globals';
import { plainEndpoint, plainUpstream } from '../table/defaults.ts';
import { noLimits } from '../table/testing/build.ts';
import { LoadDirectory } from './load-directory.ts';
import { allocateSharedLoads, SharedLoads } from './shared-loads.ts';
import type { RoomJob } from './testing/room-hammer.ts';

test.each([1, 2])('threads that begin at the same moment never exceed an endpoint limit of %i', async (limit) => {
  const workers = limit + 1;
  const memory = allocateSharedLoads(workers, 16);
  const limits = { ...noLimits, maxRequestsPerEndpoint: limit };
  const upstream = { ...plainUpstream('u', [plainEndpoint('10.0.0.1', 80)]), limits };
  new LoadDirectory(new SharedLoads(memory)).apply([upstream], []);
  const board = new SharedArrayBuffer(12);
  const job = { memory, board, workers, rounds: 200_000, upstream };
  const url = new URL('./testing/room-hammer.ts', import.meta.url);
  const threads = Array.from(
    { length: workers },
    (_, column) => new Worker(url, { workerData: { ...job, column } satisfies RoomJob }),
  );
  const begun = await Promise.all(threads.map(async (thread) => (await once(thread, 'message'))[0] as number));
  await Promise.all(threads.map((thread) => thread.terminate()));
  expect(Math.min(...begun)).toBeGreaterThan(0);
  const [, running, most] = new Int32Array(board);
  expect(running).toBe(0);
  expect(most).toBeLessThanOrEqual(limit);
});
