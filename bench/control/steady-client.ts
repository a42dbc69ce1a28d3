// A process that asks one host every 2 ms over one kept connection and gives the latencies. It is one process for the
// whole benchmark: a new one would compile its code at its first requests, and that is nobody's latency.

import { fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { askHttp } from './probe.ts';
import { machineMs, type Sample } from './standstills.ts';

export interface SteadyOptions {
  readonly port: number;
  readonly host: string;
  readonly durationMs: number;
}

export interface SteadyClient {
  /** The requests of `durationMs`, from now on. Rejects when an answer is not a 200. */
  readonly ask: (options: SteadyOptions) => Promise<readonly Sample[]>;
  readonly stop: () => void;
}

type Answer = { readonly samples: readonly Sample[] } | { readonly error: string };

/** 500 samples a second. */
const INTERVAL_MS = 2;

/** One question at a time. */
export function startSteadyClient(): SteadyClient {
  const child = fork(fileURLToPath(import.meta.url));
  return {
    ask: (options) =>
      new Promise((resolve, reject) => {
        child.once('message', (answer: Answer) => {
          if ('error' in answer) reject(new Error(answer.error));
          else resolve(answer.samples);
        });
        child.send(options);
      }),
    stop: () => child.disconnect(),
  };
}

async function ask({ port, host, durationMs }: SteadyOptions): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const startMs = machineMs();
  for (let dueMs = startMs; dueMs < startMs + durationMs; dueMs += INTERVAL_MS) {
    const waitMs = dueMs - machineMs();
    if (waitMs > 0) await delay(waitMs);
    // A request held up by the one before counts from when it was due, so that a long wait is not hidden by asking less.
    const atMs = waitMs > 0 ? machineMs() : dueMs;
    const answer = await askHttp(port, host, '/app');
    if (!answer.startsWith('200 ')) throw new Error(`answered ${answer}`);
    samples.push({ atMs, tookMs: machineMs() - atMs });
  }
  return samples;
}

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) {
  process.on('message', (options: SteadyOptions) => {
    ask(options).then(
      (samples) => process.send?.({ samples } satisfies Answer),
      (error: Error) => process.send?.({ error: error.message } satisfies Answer),
    );
  });
}
