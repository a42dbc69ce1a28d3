// Jest's global setup: every Node that a test starts, process or worker thread, begins with compiled code, as one that
// `controller/sluice.js` starts does. Without that each strips and compiles all of Sluice again, which takes more processor
// time than most tests do. Only an orderly end writes the cache (Node docs, module.enableCompileCache) and most tests kill
// what they start, so a process for each source of objects is started and ended here, once for a checkout and a Node.

import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { renderKubeconfig } from './backends/backend.ts';
import { SluiceProcess } from './sluice-process.ts';
import { until } from './wait.ts';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url));
/** Nothing listens there. */
const NOWHERE = 'https://127.0.0.1:1';
/** Jest sets no limit to this file: a Sluice that does not end is to fail its own tests, not to hold up all. */
const END_LIMIT_MS = 30_000;

/** Sets NODE_COMPILE_CACHE for all tests, unless it is set, and fills that folder when it is new. */
export default async function setUp(): Promise<void> {
  process.env['NODE_COMPILE_CACHE'] ??= CACHE;
  const folder = process.env['NODE_COMPILE_CACHE'];
  const mark = join(folder, `warm-${process.version}`);
  if ((await stat(mark).catch(() => null)) !== null) return;
  try {
    await fillCache();
    await mkdir(folder, { recursive: true });
    await writeFile(mark, '');
  } catch (error) {
    // Tests of Sluice as a process will say more; the others need none.
    console.warn('no compile cache for the processes of tests:', error);
  }
}

async function fillCache(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'sluice-warm-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, renderKubeconfig(NOWHERE, undefined, { token: 'none' }));
  const [fromFolder, fromApi] = [[`--manifests=${folder}`], [`--kubeconfig=${kubeconfig}`]].map((source) => {
    const started = new SluiceProcess(source);
    stack.defer(() => started.kill());
    return started;
  }) as [SluiceProcess, SluiceProcess];
  await fromFolder.serving();
  await until(
    'a first failure to connect',
    () => fromApi.find('ingresses'),
    (record) => record !== undefined,
  );
  const ends = Promise.all([fromFolder.stop(), fromApi.stop()]);
  const late = delay(END_LIMIT_MS, null, { ref: false });
  if ((await Promise.race([ends, late])) === null) throw new Error('a Sluice that was told to end has not');
}
