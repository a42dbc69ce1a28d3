// Processes of a benchmark: started on one core, watched through /proc, ended by their process id.
//
// Linux only. A process tree is read when it is asked for, because nginx forks its worker and Sluice starts threads.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Proxies have a core to themselves; origin, load generator and this program share the other one. */
export const PROXY_CORE = 1;
export const LOAD_CORE = 0;

/** How long a process may take to end after SIGTERM before it is killed. */
const STOP_MS = 5000;

export interface PinnedOptions {
  readonly core: number;
  readonly command: string;
  readonly args: readonly string[];
  /** Gets standard output and error. */
  readonly logFile: string;
}

export class PinnedProcess {
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #ended: Promise<void>;

  constructor({ core, command, args, logFile }: PinnedOptions) {
    const log = openSync(logFile, 'w');
    // taskset replaces itself by the command, so the child's id is the command's.
    this.#child = spawn('taskset', ['-c', String(core), command, ...args], { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#logFile = logFile;
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.once('error', () => resolve());
    });
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('taskset could not be started: run bench/setup');
    return pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The process and its descendants, as they are now. */
  tree(): number[] {
    return processTree(this.pid);
  }

  /** Throws with the last lines of its output when the process has ended. */
  assertRunning(): void {
    if (this.isRunning) return;
    const output = readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-12).join('\n');
    throw new Error(`process ${this.pid} has ended:\n${output}`);
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const pids = this.tree();
    this.#child.kill('SIGTERM');
    const isStopped = await Promise.race([this.#ended.then(() => true), sleep(STOP_MS, false, { ref: false })]);
    if (isStopped) return;
    for (const pid of pids) killIfThere(pid);
    await this.#ended;
  }
}

/** Proportional set size of a process tree in bytes: shared pages are counted once. One that has ended holds nothing. */
export function pssBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + pssOf(pid), 0);
}

function pssOf(pid: number): number {
  try {
    return parsePss(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  } catch (error) {
    // ENOENT before the file is opened, ESRCH while it is read.
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return 0;
    throw error;
  }
}

/** The `Pss:` line of smaps_rollup (proc(5)), in bytes. */
export function parsePss(rollup: string): number {
  const kib = /^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1];
  if (kib === undefined) throw new Error('smaps_rollup has no Pss line');
  return Number(kib) * 1024;
}

/** CPU time of all threads of all processes, in nanoseconds: first field of schedstat (Documentation/scheduler). */
export function cpuNs(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ', 1)[0]);
    }
  }
  return sum;
}

/** The process and all its descendants, as of now (proc(5), `task/TID/children`). */
export function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(processTree)];
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself in the meantime.
  }
}
