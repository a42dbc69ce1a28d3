// A headless Chromium that opens one page. What the page finds out it has to report by itself, over HTTP.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnBound } from './bound-process.ts';

const PROGRAM = 'chromium';

/** Why no browser can be started; null when one can. */
export function chromiumObstacle(): string | null {
  const { status, error } = spawnSync(PROGRAM, ['--version']);
  if (error !== undefined) return `no ${PROGRAM} is installed`;
  return status === 0 ? null : `${PROGRAM} --version ended with ${status}`;
}

/** Opens `https://<host>:<port>/`, which is looked for on loopback, whatever its certificate. Ends with the disposal. */
export async function openPage(host: string, port: number): Promise<AsyncDisposable> {
  const profile = await mkdtemp(join(tmpdir(), 'sluice-chromium-'));
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-background-networking',
    '--no-first-run',
    '--ignore-certificate-errors',
    `--host-resolver-rules=MAP ${host} 127.0.0.1`,
    `--user-data-dir=${profile}`,
    // Keeps the headless browser running until it is ended.
    '--remote-debugging-port=0',
  ];
  const child = spawnBound(PROGRAM, [...flags, `https://${host}:${port}/`], { stdio: 'ignore', detached: true });
  const exited = once(child, 'exit');
  return {
    async [Symbol.asyncDispose]() {
      // The browser is a family of processes.
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
      await exited;
      await rm(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
