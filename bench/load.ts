// Runs the C load generator once and reads its line of JSON.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { LOAD_CORE } from './pinned-process.ts';

/** One run. Latencies are those of the 1 KB requests where a scenario mixes sizes. */
export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** CPU time of the proxy's process tree within the measured window. */
  readonly cpuNs: number;
  /** Body bytes of the 10 MB downloads that ran beside the measured requests. */
  readonly bulkBytes: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly handshakes: number;
  readonly resumptions: number;
  /** TLS version and cipher of the last handshake, '' without TLS. */
  readonly cipher: string;
  /** Responses that were wrong and connections that were lost. More than 0 makes the run worthless. */
  readonly errors: number;
  readonly firstError: string;
}

export interface LoadOptions {
  readonly program: string;
  readonly port: number;
  readonly isTls: boolean;
  readonly originPort: number;
  /** Whose CPU time is measured. */
  readonly pids: readonly number[];
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly flags: readonly string[];
}

/** Rejects when the generator itself fails; wrong responses are in the result. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const child = startLoad(options);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await exitOf(child);
  return parseResult(output);
}

/** Connections held open, each after one request. */
export interface IdleConnections {
  /** Closes them; resolves with what went wrong in the meantime. */
  readonly close: () => Promise<LoadResult>;
}

/** Opens idle connections; resolves when all have been served once. */
export async function holdIdle(options: LoadOptions): Promise<IdleConnections> {
  const child = startLoad({ ...options, flags: ['--mode', 'idle', ...options.flags] });
  const exit = exitOf(child);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.value !== 'ready') await exit;
  const close = async (): Promise<LoadResult> => {
    child.stdin.end();
    const last = await lines.next();
    await exit;
    return parseResult(String(last.value));
  };
  return { close };
}

function startLoad(options: LoadOptions): ChildProcessWithoutNullStreams {
  // biome-ignore format: one flag and its value per line
  const args = [
    '-c', String(LOAD_CORE), options.program,
    '--port', String(options.port),
    '--origin-port', String(options.originPort),
    '--pids', options.pids.join(','),
    '--warmup', String(options.warmupSeconds),
    '--seconds', String(options.seconds),
    ...(options.isTls ? ['--tls'] : []),
    ...options.flags,
  ];
  return spawn('taskset', args);
}

/** Exit code 1 comes with a result whose `errors` tell why; without one, standard error does. */
function exitOf(child: ChildProcessWithoutNullStreams): Promise<void> {
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => {
      if (errors === '') resolve();
      else reject(new Error(`load generator: ${errors.trim()}`));
    });
  });
}

function parseResult(text: string): LoadResult {
  return JSON.parse(text) as LoadResult;
}
