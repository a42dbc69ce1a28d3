// Loaded into a Sluice process before its own code (`NODE_OPTIONS=--import`): on SIGUSR2 its oldest worker thread is ended in
// the middle of whatever it does, as by a bug. Sluice knows nothing of it.

import type { Worker } from 'node:worker_threads';

const workers: Worker[] = [];

process.on('worker', (worker) => {
  workers.push(worker);
  worker.once('exit', () => workers.splice(workers.indexOf(worker), 1));
});
process.on('SIGUSR2', () => void workers[0]?.terminate());
