// Starts a program that does not outlive this process. A test run that is killed (a time limit, an impatient Ctrl-C) runs
// no `finally`, and a Sluice that is left behind keeps ports, leads an election and takes CPU from the next run.

import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';

/** util-linux; sets what the kernel sends when the parent dies (PR_SET_PDEATHSIG) and becomes the program: same pid. */
const binder = ['setpriv', '--pdeathsig', 'KILL', '--'] as const;

let hasBinder: boolean | null = null;

/**
 * As `spawn`. Where `setpriv` is missing (not Linux) it is no more than that. The kernel watches the thread that calls:
 * call it from the main thread, which lives as long as the process.
 */
export function spawnBound(program: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  hasBinder ??= spawnSync(binder[0], [...binder.slice(1), 'true']).status === 0;
  if (!hasBinder) return spawn(program, args, options);
  const [command, ...before] = binder;
  return spawn(command, [...before, program, ...args], options);
}
