// Runs the real program as a child process, as a user does.

import { spawn } from 'node:child_process';
import { join } from 'node:path';

const CONTROLLER = join(import.meta.dirname, '../..');

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** `main.ts` (default) or the npm bin `sluice.js`. */
  readonly entry?: 'main.ts' | 'sluice.js';
  /** Arguments for Node itself, before the entry. */
  readonly nodeArguments?: readonly string[];
}

/** Starts `sluice <args>` and resolves when it has ended. */
export function runSluice(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const entry = join(CONTROLLER, options.entry ?? 'main.ts');
  const child = spawn(process.execPath, [...(options.nodeArguments ?? []), entry, ...args], {
    env: cleanEnvironment(),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Without what Jest and npm put there: the program must not depend on it. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }) };
}
