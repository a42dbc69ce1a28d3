// A real nginx before an endpoint, on a free loopback port: what it answers is what ingress-nginx answers. Debian:
// apt-get install nginx-light.

import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnBound } from './bound-process.ts';
import { freePort } from './free-port.ts';
import { until } from './wait.ts';

/** Debian's path is not in everybody's PATH. */
const program = ['nginx', '/usr/sbin/nginx'].find((name) => spawnSync(name, ['-v']).status === 0);

/** True where tests can start one. */
export const hasNginx = program !== undefined;

export interface NginxParts {
  /** Directives of the `http` block. */
  readonly http: string;
  /** Directives of the one location. */
  readonly location: string;
  /** `address:port` of the endpoint, and the Host that it is asked for. */
  readonly upstream: string;
  readonly host: string;
}

export class Nginx implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(port: number, child: ChildProcess, folder: string) {
    this.port = port;
    this.#child = child;
    this.#folder = folder;
  }

  static async start(parts: NginxParts): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-nginx-'));
    const port = await freePort();
    await writeFile(join(folder, 'nginx.conf'), configuration(parts, port, folder));
    const flags = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')];
    const child = spawnBound(program ?? 'nginx', flags, { stdio: 'ignore' });
    const nginx = new Nginx(port, child, folder);
    await using starting = new AsyncDisposableStack();
    starting.use(nginx);
    await until(
      'nginx',
      () => takesConnections(port),
      (isThere) => isThere,
    );
    starting.move();
    return nginx;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await exited;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function configuration({ http, location, upstream, host }: NginxParts, port: number, folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  ${http}
  server {
    listen 127.0.0.1:${port};
    location / {
      ${location}
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host ${host};
      proxy_pass http://${upstream};
    }
  }
}
`;
}

function takesConnections(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createConnection({ port, host: '127.0.0.1' }, () => resolve(true));
  socket.on('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}
