// A real redis-server for tests, on a free loopback port, without files. Debian: apt-get install redis-server.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** True when tests can start one. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

export class RedisServer {
  readonly port: number;
  readonly process: ChildProcess;

  constructor(port: number, process: ChildProcess) {
    this.port = port;
    this.process = process;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await exited;
  }
}

/** Starts one and waits until it answers; 0 takes a free port. */
export async function startRedis(port = 0): Promise<RedisServer> {
  const chosen = port === 0 ? await freePort() : port;
  const flags = ['--port', String(chosen), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const server = new RedisServer(chosen, spawn('redis-server', flags, { stdio: 'ignore' }));
  const deadlineMs = performance.now() + 10_000;
  while (!(await answers(chosen))) {
    if (performance.now() > deadlineMs) throw new Error('redis-server does not answer');
    await wait(20);
  }
  return server;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

function answers(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'));
  socket.on('data', (bytes) => resolve(bytes.toString().startsWith('+PONG')));
  socket.on('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}
