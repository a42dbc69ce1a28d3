// An origin in a process of its own, which can be killed. Counts what was delivered to it.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

const ENTRY = join(import.meta.dirname, 'counting-origin.ts');

export class OriginProcess implements AsyncDisposable {
  readonly port: number;
  /** `METHOD path` of every request that arrived, in order. Complete once `kill` has resolved. */
  readonly deliveries: readonly string[];
  readonly #child: ChildProcessByStdio<null, Readable, null>;
  readonly #closed: Promise<unknown>;
  readonly #waiting: Set<() => void>;

  private constructor(
    child: ChildProcessByStdio<null, Readable, null>,
    port: number,
    deliveries: readonly string[],
    waiting: Set<() => void>,
  ) {
    this.#child = child;
    this.#closed = once(child, 'close');
    this.port = port;
    this.deliveries = deliveries;
    this.#waiting = waiting;
  }

  static async start(): Promise<OriginProcess> {
    const child = spawn(process.execPath, [ENTRY], { stdio: ['ignore', 'pipe', 'inherit'] });
    const deliveries: string[] = [];
    const waiting = new Set<() => void>();
    const port = Promise.withResolvers<number>();
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('port ')) port.resolve(Number(line.slice('port '.length)));
      else deliveries.push(line);
      for (const wake of waiting) wake();
    });
    child.once('exit', () => port.reject(new Error('the origin ended before it listened')));
    return new OriginProcess(child, await port.promise, deliveries, waiting);
  }

  /** Waits for so many deliveries in all, and then for one that begins with `start`: it is under way when this resolves. */
  async delivered(count: number, start = ''): Promise<void> {
    while (this.deliveries.length < count || !this.deliveries.at(-1)?.startsWith(start)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await promise;
      this.#waiting.delete(resolve);
    }
  }

  /** `kill -9`. Resolves when the process is gone and all it had written is read. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
