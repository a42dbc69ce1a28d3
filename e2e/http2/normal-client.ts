// The parent's side of normal-client-process.ts.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { spawnBound } from '../harness/bound-process.ts';
import type { Begin } from './normal-client-process.ts';

const PROGRAM = fileURLToPath(new URL('./normal-client-process.ts', import.meta.url));

export class NormalClient implements AsyncDisposable {
  readonly originPort: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, originPort: number) {
    this.#child = child;
    this.originPort = originPort;
  }

  /** Starts the program; its origin listens on loopback. */
  static async start(): Promise<NormalClient> {
    const child = spawnBound(process.execPath, [PROGRAM], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const [{ originPort }] = (await once(child, 'message')) as [{ originPort: number }];
    return new NormalClient(child, originPort);
  }

  /** Begins to ask, and resolves when it is warm. */
  async begin(begin: Begin): Promise<void> {
    this.#child.send(begin);
    await this.#answer();
  }

  /** Latencies of the requests since the last call at each port, in milliseconds. Rejects when a request has failed. */
  async take(): Promise<readonly (readonly number[])[]> {
    this.#child.send('take');
    return (await this.#answer()) as readonly (readonly number[])[];
  }

  async #answer(): Promise<unknown> {
    const aborted = new AbortController();
    const { signal } = aborted;
    const ended = once(this.#child, 'exit', { signal }).then(([code]) => {
      throw new Error(`the normal client ended with ${code}: a request of it failed`);
    });
    ended.catch(() => {});
    try {
      const [message] = (await Promise.race([once(this.#child, 'message', { signal }), ended])) as [unknown];
      return message;
    } finally {
      aborted.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
