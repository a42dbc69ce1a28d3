// `npm start`: runs the demo origins in this process and Sluice as a child, on the manifests beside this file. Arguments
// go to Sluice (`npm start -- --http-port=9000`). Ctrl-C stops both; the exit code is Sluice's.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Origin } from './origins/origin.ts';
import { ORIGIN_PORTS, startOrigins } from './origins/start-origins.ts';

const MAIN = join(import.meta.dirname, '../controller/main.ts');
/** Time that running requests get at Ctrl-C. */
const DRAIN_MS = 2000;
const MANIFESTS = join(import.meta.dirname, 'manifests');

interface RunningChild {
  readonly exitCode: Promise<number>;
  /** Calls back at the first stop signal. */
  readonly onStop: (stop: () => void) => void;
}

function runSluice(args: readonly string[]): RunningChild {
  const sluice = spawn(process.execPath, [MAIN, 'serve', '--manifests', MANIFESTS, '--log-format', 'pretty', ...args], {
    stdio: 'inherit',
  });
  const exitCode = new Promise<number>((resolve, reject) => {
    sluice.once('error', reject);
    sluice.once('exit', (code) => resolve(code ?? 1));
  });
  // A terminal already sends Ctrl-C to both processes; Sluice counts the same signal in quick succession as one.
  const onStop = (stop: () => void): void => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        sluice.kill(signal);
        stop();
      });
    }
  };
  return { exitCode, onStop };
}

async function start(): Promise<number> {
  let origins: Origin[];
  try {
    origins = await startOrigins(ORIGIN_PORTS);
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}. Is another demo running?`);
    return 1;
  }
  const close = (): Promise<unknown> => Promise.all(origins.map((origin) => origin.close()));
  const sluice = runSluice(process.argv.slice(2));
  // An open chat would keep Sluice draining for minutes: after a moment the origins go too.
  sluice.onStop(() => setTimeout(() => void close(), DRAIN_MS).unref());
  const code = await sluice.exitCode;
  await close();
  return code;
}

process.exitCode = await start();
