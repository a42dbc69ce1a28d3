// One process in a namespace of the lab. It is known by its pid and ended by it; when this process dies, so does it.

import { type ChildProcess, spawn } from 'node:child_process';
import { inside } from './commands.ts';

export interface ProcessOptions {
  readonly namespace: string;
  /** Arguments of node, the script first. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Gets each whole line of stdout or stderr. */
  readonly onLine?: (line: string) => void;
}

const KEPT_LINES = 30;

export class LabProcess {
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #lastLines: string[] = [];
  #isEnded = false;

  constructor({ namespace, args, env = {}, onLine }: ProcessOptions) {
    const [program, ...before] = inside(namespace);
    this.#child = spawn(program, [...before, process.execPath, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], ...env },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      let rest = '';
      stream?.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          this.#lastLines.push(line);
          if (this.#lastLines.length > KEPT_LINES) this.#lastLines.shift();
          onLine?.(line);
        }
      });
    }
    this.ended = new Promise((resolve) => {
      const end = () => {
        this.#isEnded = true;
        resolve();
      };
      // Not `exit`: what it said last would not be read yet.
      this.#child.once('close', end);
      this.#child.once('error', end);
    });
  }

  /** False as soon as the process is known to have ended. */
  get isRunning(): boolean {
    return !this.#isEnded;
  }

  /** The last lines it has written, for messages. */
  get lastLines(): string {
    return this.#lastLines.join('\n');
  }

  signal(name: 'SIGTERM' | 'SIGKILL'): void {
    this.#child.kill(name);
  }

  /** SIGTERM; SIGKILL if it is still there after the time. Resolves when it has ended. */
  async stop(graceMs: number, beforeKill: () => void = () => {}): Promise<void> {
    if (this.#isEnded) return;
    this.signal('SIGTERM');
    const timer = setTimeout(() => {
      beforeKill();
      this.signal('SIGKILL');
    }, graceMs);
    await this.ended;
    clearTimeout(timer);
  }
}
