// The test's end of mortal-workers.mjs: ends worker threads of a Sluice process, and asks what its threads keep in memory.

import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const preload = new URL('mortal-workers.mjs', import.meta.url);

export class ThreadControl implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Control of one process: the one that is started with `env`. */
  static async create(): Promise<ThreadControl> {
    return new ThreadControl(await mkdtemp(join(tmpdir(), 'sluice-threads-')));
  }

  /** Variables that the process has to be started with. */
  get env(): Readonly<Record<string, string>> {
    return { NODE_OPTIONS: `--import=${preload.href}`, E2E_CONTROL_SOCKET: this.#path };
  }

  get #path(): string {
    return join(this.#folder, 'control');
  }

  /** Ends a worker thread at once. */
  async kill(worker: number): Promise<void> {
    await this.#say(`kill sluice-worker-${worker}`, false);
  }

  /** Bytes in use behind a garbage collection, over the main thread and so many workers. */
  async usedBytes(workers: number): Promise<number> {
    const answer = await this.#say(`memory ${workers}`, true);
    return (JSON.parse(answer) as readonly number[]).reduce((sum, bytes) => sum + bytes, 0);
  }

  #say(line: string, isAnswered: boolean): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connect(this.#path, () => {
      if (isAnswered) socket.write(`${line}\n`);
      else socket.end(`${line}\n`);
    });
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
