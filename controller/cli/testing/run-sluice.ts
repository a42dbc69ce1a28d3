// Runs the real program as a child process, as a user does.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

const CONTROLLER = join(import.meta.dirname, '../..');

export interface Finished {
  /** Of the process that was started. */
  readonly pid: number | undefined;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Makes the running Node look like an old one to the launcher, but not to the child that the launcher starts. */
export const PRETEND_NODE_20: readonly string[] = [
  '--import',
  'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.20.2"}})',
];

export interface RunOptions {
  /** `main.ts` (default) or the npm bin `sluice.js`. */
  readonly entry?: 'main.ts' | 'sluice.js';
  /** Arguments for Node itself, before the entry. */
  readonly nodeArguments?: readonly string[];
  /** Added to a clean environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files (descriptors) in place of the pipes of stdout and stderr, which nothing is read of then. */
  readonly outputs?: { readonly stdout?: number; readonly stderr?: number };
}

/** Starts `sluice <args>` and resolves when it has ended. */
export function runSluice(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = start(args, options);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ pid: child.pid, code, signal, stdout, stderr }));
  });
}

function start(args: readonly string[], { entry = 'main.ts', nodeArguments = [], env = {}, outputs = {} }: RunOptions) {
  return spawn(process.execPath, [...nodeArguments, join(CONTROLLER, entry), ...args], {
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', outputs.stdout ?? 'pipe', outputs.stderr ?? 'pipe'],
  });
}

/** Without what Jest and npm put there: the program must not depend on it. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }) };
}

/** A record of the JSON log. */
export type LogRecord = Readonly<Record<string, unknown>> & { readonly msg: string };

/** What the record `serving` says. */
export interface ServingRecord extends LogRecord {
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly healthPort: number;
  readonly hosts: readonly string[];
}

/** A running `sluice serve` with a JSON log. */
export class RunningSluice implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #records: LogRecord[] = [];
  readonly #waits = new Set<() => void>();
  readonly exited: Promise<Pick<Finished, 'code' | 'signal'>>;
  stdout = '';
  #rest = '';

  constructor(args: readonly string[], options: RunOptions = {}) {
    const child = start(['serve', '--log-format', 'json', ...args], options);
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#readLog(text));
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        resolve({ code, signal });
        this.#wake();
      });
    });
  }

  /** Resolves with the first record that fits, also one that came before. Rejects when the process ends without it. */
  async logged(fits: (record: LogRecord) => boolean): Promise<LogRecord> {
    return await this.#until(() => this.#records.find(fits));
  }

  /** Resolves with the record `serving`: from then on all workers listen. */
  async serving(): Promise<ServingRecord> {
    return (await this.logged(({ msg }) => msg === 'serving')) as ServingRecord;
  }

  /** Resolves when stdout holds the text. */
  async printed(text: string): Promise<string> {
    return await this.#until(() => (this.stdout.includes(text) ? this.stdout : undefined));
  }

  /** Goes away as the reader of stdout: writes fail from then on. */
  closeStdout(): void {
    this.#child.stdout?.destroy();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  async #until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#child.exitCode !== null)
        throw new Error(`sluice ended: ${JSON.stringify(this.#records)} ${this.#rest}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waits.add(resolve);
      await promise;
    }
  }

  #readLog(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      this.#records.push(line.startsWith('{') ? (JSON.parse(line) as LogRecord) : { msg: line });
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waits) wake();
    this.#waits.clear();
  }
}
