// What a killed test run leaves behind: nothing.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { spawnBound } from './bound-process.ts';
import { until } from './wait.ts';

const waiting = 'console.log(process.pid); setInterval(() => {}, 1000);';
const canBind = spawnSync('setpriv', ['--pdeathsig', 'KILL', '--', 'true']).status === 0;

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  const [data] = (await once(stdout as NonNullable<typeof stdout>, 'data')) as [Buffer];
  return String(data).trim();
}

test('the process is the program itself: its pid, its signals, its exit code', async () => {
  const child = spawnBound(process.execPath, ['-e', `process.once('SIGTERM', () => process.exit(7)); ${waiting}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  expect(await firstLine(child)).toBe(String(child.pid));
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([7, null]);
});

test('a program that does not exist is told', async () => {
  const child = spawnBound('/nonexistent/sluice', [], { stdio: 'ignore' });
  const outcome = await Promise.race([once(child, 'exit'), once(child, 'error').catch((error: unknown) => [error])]);
  expect(outcome).not.toEqual([0, null]);
});

(canBind ? test : test.skip)('it ends when the one who started it is killed', async () => {
  const script = `
    import { spawnBound } from ${JSON.stringify(new URL('./bound-process.ts', import.meta.url).href)};
    spawnBound(process.execPath, ['-e', ${JSON.stringify(waiting)}], { stdio: ['ignore', 'inherit', 'inherit'] });`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pid = await firstLine(parent);
  expect(existsSync(`/proc/${pid}`)).toBe(true);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  const isThere = await until(
    'the end of its child',
    () => existsSync(`/proc/${pid}`),
    (there) => !there,
  );
  expect(isThere).toBe(false);
});
