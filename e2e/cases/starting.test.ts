// How a Sluice process starts when there is nothing to read from, or not yet.

import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ask } from '../harness/ask.ts';
import { renderKubeconfig } from '../harness/backends/backend.ts';
import { Scene } from '../harness/scene.ts';
import { SLUICE_MAIN, SluiceProcess } from '../harness/sluice-process.ts';
import { until } from '../harness/wait.ts';

test('not before the first full sync: a server that is late is waited for', async () => {
  await using scene = await Scene.open({ flags: ['--disable-leader-election'] });
  const kubeconfig = join(scene.folder, 'late.kubeconfig');
  const token = await scene.admin.token(scene.edge, 'sluice');
  await writeFile(kubeconfig, renderKubeconfig(scene.gate.url, scene.gate.caPem, { token }));
  await scene.gate.close();
  const sluice = new SluiceProcess([`--kubeconfig=${kubeconfig}`, '--disable-leader-election']);
  try {
    await until(
      'a first failure',
      () => sluice.find('ingresses'),
      (record) => record !== undefined,
    );
    expect(sluice.isServing).toBe(false);
    await scene.gate.open();
    const { healthPort } = await sluice.serving();
    expect((await ask(healthPort, 'localhost', '/healthz')).status).toBe(200);
  } finally {
    await sluice.kill();
  }
}, 60_000);

test.each([
  [
    'a kubeconfig that does not exist',
    ['--kubeconfig', '/nonexistent'],
    /kubeconfig \/nonexistent cannot be used: ENOENT/,
  ],
  ['no place to read from', [], /where do objects come from\?/],
])('%s: one line, exit code 2', async (_, args, line) => {
  const child = spawn(process.execPath, [SLUICE_MAIN, 'serve', '--healthz-port=0', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '' },
  });
  const text = child.stderr.setEncoding('utf8').toArray();
  const code = await new Promise((resolve) => child.once('exit', resolve));
  const stderr = (await text).join('');
  expect(code).toBe(2);
  expect(stderr).toMatch(line);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
});
