// Parses a large manifest in a worker thread of its own.
//
// Measured: 10,000 Ingress paths (1.5 MB of YAML) take 0.9 s, 15 MB take 14 s and 1.2 GB of memory. On the main thread
// that would stop health checks and every other change, or end the process; a worker only ends itself.

import { Worker } from 'node:worker_threads';
import type { Clock } from './clock.ts';
import type { ManifestText, TextFault } from './manifest-text.ts';

/** What the worker sends: ManifestText as plain values. */
export interface ParsedElsewhere {
  readonly objects: readonly {
    readonly value: unknown;
    readonly line: number;
    /** Lines of the fields that have diagnostics. */
    readonly fieldLines: ReadonlyMap<string, number>;
  }[];
  readonly faults: readonly TextFault[];
}

export interface ParseLimits {
  readonly clock: Clock;
  /** Ends a parse that is not wanted any more. */
  readonly signal: AbortSignal;
  /** Longest time the worker may take. Default 60 s. */
  readonly timeoutMs?: number;
  /** Largest heap of the worker, MiB. Default: half of the available memory, at most 1536. */
  readonly maxHeapMiB?: number;
}

/** Characters from which on a text is better parsed apart: about 80 ms of parsing, as long as a worker takes to start. */
const largeTextLength = 128 * 1024;

/** True when parsing the text here would hold up everything else. */
export function isLargeText(text: string): boolean {
  return text.length >= largeTextLength;
}

/**
 * Parses a text in a worker, to what `parseManifestText` gives; lines are known for the fields that are wrong. Rejects
 * only for a bug: a text that takes too much time or memory is a fault of the text.
 */
export async function parseApart(text: string, limits: ParseLimits): Promise<ManifestText> {
  const { objects, faults } = await parseInWorker(text, limits);
  return {
    objects: objects.map(({ value, line, fieldLines }) => ({
      value,
      line,
      lineOf: (field) => fieldLines.get(field) ?? line,
    })),
    faults,
  };
}

async function parseInWorker(text: string, limits: ParseLimits): Promise<ParsedElsewhere> {
  const worker = new Worker(new URL('./parse-worker.ts', import.meta.url), {
    workerData: text,
    resourceLimits: { maxOldGenerationSizeMb: limits.maxHeapMiB ?? defaultHeapMiB() },
  });
  try {
    return await answerOf(worker, limits);
  } finally {
    await worker.terminate();
  }
}

function defaultHeapMiB(): number {
  const halfMiB = Math.floor(process.availableMemory() / 2 / 1024 / 1024);
  return Math.max(64, Math.min(1536, halfMiB));
}

function answerOf(worker: Worker, { clock, signal, timeoutMs = 60_000 }: ParseLimits): Promise<ParsedElsewhere> {
  return new Promise((resolve, reject) => {
    const giveUp = (what: string) => resolve({ objects: [], faults: [{ line: 1, what }] });
    const stop = () => giveUp('reading was stopped');
    const cancelTimer = clock.after(timeoutMs, () => giveUp(`it takes more than ${timeoutMs} ms to parse`));
    signal.addEventListener('abort', stop);
    worker.once('message', (answer: ParsedElsewhere) => resolve(answer));
    worker.once('error', (error: unknown) => {
      if (isOutOfMemory(error)) giveUp('it takes too much memory to parse');
      else reject(error);
    });
    worker.once('exit', () => {
      cancelTimer();
      signal.removeEventListener('abort', stop);
    });
    if (signal.aborted) stop();
  });
}

function isOutOfMemory(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
}
