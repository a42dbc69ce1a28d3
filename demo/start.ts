// `npm start`: runs the demo origins in this process and Sluice as a child, on the manifests beside this file. Arguments
// go to Sluice (`npm start -- --http-port=9000`). Ctrl-C stops both; the exit code is Sluice's.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Origin } from './origins/origin.ts';
import { ORIGIN_PORTS, startOrigins } from './origins/start-origins.ts';

const MAIN = join(import.meta.dirname, '../controller/main.ts');
const MANIFESTS = join(import.meta.dirname, 'manifests');

function runSluice(args: readonly string[]): Promise<number> {
  const sluice = spawn(process.execPath, [MAIN, 'serve', '--manifests', MANIFESTS, '--log-format', 'pretty', ...args], {
    stdio: 'inherit',
  });
  // A terminal already sends Ctrl-C to both processes; Sluice counts two SIGINT in quick succession as one.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => sluice.kill(signal));
  return new Promise((resolve, reject) => {
    sluice.once('error', reject);
    sluice.once('exit', (code) => resolve(code ?? 1));
  });
}

async function start(): Promise<number> {
  let origins: Origin[];
  try {
    origins = await startOrigins(ORIGIN_PORTS);
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}. Is another demo running?`);
    return 1;
  }
  const code = await runSluice(process.argv.slice(2));
  await Promise.all(origins.map((origin) => origin.close()));
  return code;
}

process.exitCode = await start();
