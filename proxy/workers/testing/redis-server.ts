// A real redis-server for tests, on a free loopback port, which keeps nothing. Debian: apt-get install redis-server.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** True when tests can start one. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

class RedisServer {
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

/** Starts one and waits until it answers; 0 takes a free port. `more` are further settings, each `--name value`. */
export async function startRedis(port = 0, more: readonly string[] = []): Promise<RedisServer> {
  const chosen = port === 0 ? await freePort() : port;
  return await started(new RedisServer(chosen, run(['--port', String(chosen), ...more])));
}

/** Starts one that speaks TLS only, with this certificate and key (PEM). */
export async function startTlsRedis(cert: string, key: string): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-redis-'));
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  await writeFile(certFile, cert);
  await writeFile(keyFile, key);
  const port = await freePort();
  const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', certFile];
  const flags = ['--port', '0', '--tls-port', String(port), ...files, '--tls-auth-clients', 'no'];
  try {
    return await started(new RedisServer(port, run(flags)), false);
  } finally {
    // It has read them by now.
    await rm(folder, { recursive: true });
  }
}

function run(flags: readonly string[]): ChildProcess {
  const fixed = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  return spawn('redis-server', [...fixed, ...flags], { stdio: 'ignore' });
}

async function started(server: RedisServer, isPlain = true): Promise<RedisServer> {
  const deadlineMs = performance.now() + 10_000;
  while (!(await answers(server.port, isPlain))) {
    if (performance.now() > deadlineMs) {
      await server[Symbol.asyncDispose]();
      throw new Error('redis-server does not answer');
    }
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

/** Any answer will do: one that asks for a password is there as well. One that speaks TLS has to take a connection. */
function answers(port: number, isPlain: boolean): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createConnection({ port, host: '127.0.0.1' }, () => {
    if (isPlain) socket.write('PING\r\n');
    else resolve(true);
  });
  socket.on('data', () => resolve(true));
  socket.on('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}
