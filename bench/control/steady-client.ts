// A thread that asks one host every 5 ms over one kept connection and posts each latency: beside the API server, whose
// work would otherwise be part of what is measured.

import { setTimeout as delay } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { askHttp, type Quantiles, quantilesOf } from './probe.ts';

interface SteadyOptions {
  readonly port: number;
  readonly host: string;
  readonly durationMs: number;
}

const INTERVAL_MS = 5;

/** Latencies over `durationMs`. Rejects when an answer is not a 200. */
export function askSteadily(options: SteadyOptions): Promise<Quantiles> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: options });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

async function run({ port, host, durationMs }: SteadyOptions): Promise<Quantiles> {
  const latenciesMs: number[] = [];
  const startMs = performance.now();
  for (let dueMs = startMs; dueMs < startMs + durationMs; dueMs += INTERVAL_MS) {
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await delay(waitMs);
    // A request held up by the one before counts from when it was due, so that a long wait is not hidden by asking less.
    const fromMs = waitMs > 0 ? performance.now() : dueMs;
    const answer = await askHttp(port, host, '/app');
    if (!answer.startsWith('200 ')) throw new Error(`answered ${answer}`);
    latenciesMs.push(performance.now() - fromMs);
  }
  return quantilesOf(latenciesMs);
}

if (!isMainThread) parentPort?.postMessage(await run(workerData as SteadyOptions));
