// A server started as a child process: noticed when it ends early, ended with its test.

import type { ChildProcess } from 'node:child_process';
import { spawnBound } from '../bound-process.ts';

/** How much of its output is kept for the message when it fails. */
const keptCharacters = 2000;
/** It has nothing to save; then it is killed. */
const stopLimitMs = 5000;

export class ServerProcess implements AsyncDisposable {
  readonly #path: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = '';
  #failure: string | null = null;

  constructor(path: string, args: readonly string[]) {
    this.#path = path;
    this.#child = spawnBound(path, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-keptCharacters);
      });
    }
    this.#child.once('error', (error) => this.#end(error.message, resolve));
    this.#child.once('close', (code, signal) => this.#end(`ended with ${code ?? signal}`, resolve));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Why it does not run, with the end of its output; null while it runs. */
  get failure(): string | null {
    return this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopLimitMs);
    await this.#ended;
    clearTimeout(timer);
  }

  #end(why: string, resolve: () => void): void {
    this.#failure ??= `${this.#path} ${why}: ${this.#output.trim()}`;
    resolve();
  }
}
