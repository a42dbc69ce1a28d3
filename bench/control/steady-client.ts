// A thread that asks one host every 2 ms over one kept connection and posts the latencies. It warms up first: a new
// thread compiles its code at its first requests, and that is nobody's latency.

import { setTimeout as delay } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { askHttp } from './probe.ts';

export interface SteadyOptions {
  readonly port: number;
  readonly host: string;
  readonly durationMs: number;
}

/** 5,000 samples in 10 s. */
const INTERVAL_MS = 2;
const WARM_UP_MS = 1000;

/**
 * Latencies over `durationMs`; `onWarm` is called when that time begins. Rejects when an answer is not a 200.
 */
export function askSteadily(options: SteadyOptions, onWarm: () => void = () => {}): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: options });
    worker.on('message', (message: 'warm' | readonly number[]) => {
      if (message === 'warm') onWarm();
      else resolve(message);
    });
    worker.once('error', reject);
  });
}

async function ask({ port, host, durationMs }: SteadyOptions): Promise<readonly number[]> {
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
  return latenciesMs;
}

async function run(options: SteadyOptions): Promise<void> {
  await ask({ ...options, durationMs: WARM_UP_MS });
  parentPort?.postMessage('warm');
  parentPort?.postMessage(await ask(options));
}

if (!isMainThread) await run(workerData as SteadyOptions);
