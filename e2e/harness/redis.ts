// A real redis-server that keeps nothing, on a free loopback port. Debian: apt-get install redis-server.

import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { spawnBound } from './bound-process.ts';
import { freePort } from './free-port.ts';
import { until } from './wait.ts';

/** True where tests can start one. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

export class Redis implements AsyncDisposable {
  readonly port: number;
  readonly #flags: readonly string[];
  #child: ChildProcess;

  private constructor(port: number, flags: readonly string[]) {
    this.port = port;
    this.#flags = flags;
    this.#child = this.#spawn();
  }

  /** Starts one; `password` is that of every client. */
  static async start({ password = '' } = {}): Promise<Redis> {
    const redis = new Redis(await freePort(), password === '' ? [] : ['--requirepass', password]);
    await redis.#answers();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** It stands still; connections stay. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** kill -9. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  /** Starts it again on its port, with nothing in it. */
  async restart(): Promise<void> {
    await this.kill();
    this.#child = this.#spawn();
    await this.#answers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #spawn(): ChildProcess {
    const fixed = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    return spawnBound('redis-server', [...fixed, ...this.#flags], { stdio: 'ignore' });
  }

  async #answers(): Promise<void> {
    await until(
      'redis-server',
      () => hasAnswer(this.port),
      (isThere) => isThere,
    );
  }
}

/** Any answer will do: one that asks for a password is there as well. */
function hasAnswer(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'));
  socket.on('data', () => resolve(true));
  socket.on('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}
