// Files that are read while somebody writes, moves or removes them: nothing is lost, and nothing stays that is gone.

import { mkdir, open, readFile, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { type Clock, systemClock } from './clock.ts';
import { configMapsOf, configMapText, WatchedFolder } from './testing/watched-folder.ts';

describe('nothing is lost on the way', () => {
  /** Time stands still, so that nothing settles however slow the machine is; timers run as ever. */
  const standing: Clock = { nowMs: () => 0, after: systemClock.after };

  /** Objects that were there before and after must be there in every state between. */
  function expectNeverWithout(folder: WatchedFolder, ...names: string[]): void {
    const gaps = folder.history.map(configMapsOf).filter((maps) => names.some((name) => !(name in maps)));
    expect(gaps).toEqual([]);
  }

  test('while a file is written in pieces', async () => {
    const text = (value: string) => ['a', 'b', 'c'].map((name) => configMapText(name, value)).join('---\n');
    await using folder = await WatchedFolder.start({ 'a.yaml': text('one') }, { clock: standing });
    const looks = folder.batches.length;
    await using file = await open(folder.path('a.yaml'), 'w');
    // Three sound YAML files on the way: empty, one object, two objects. A new file proves that each was looked at.
    for (const [i, piece] of text('two')
      .split(/(?<=---\n)/)
      .entries()) {
      await folder.write(`probe-${i}.yaml`, configMapText(`probe-${i}`));
      await folder.until(() => `probe-${i}` in folder.configMaps);
      await file.write(piece);
    }
    await folder.until(() => folder.configMaps['c'] === 'two');
    expect(folder.batches.length).toBeGreaterThan(looks + 3);
    expectNeverWithout(folder, 'a', 'b', 'c');
    expect(folder.history.flatMap((snapshot) => snapshot.sourceDiagnostics)).toEqual([]);
  });

  test('while an editor moves the old version away before it writes the new one', async () => {
    await using folder = await WatchedFolder.start({ 'a.yaml': configMapText('a') }, { clock: standing });
    await rename(folder.path('a.yaml'), folder.path('a.yaml~'));
    await folder.write('probe.yaml', configMapText('probe'));
    await folder.until(() => 'probe' in folder.configMaps);
    await folder.write('a.yaml', configMapText('a', 'two'));
    await folder.until(() => folder.configMaps['a'] === 'two');
    expectNeverWithout(folder, 'a');
  });

  test('while a file is renamed', async () => {
    await using folder = await WatchedFolder.start({ 'm.yaml': configMapText('a') });
    for (const [from, to] of [
      ['m.yaml', 'z.yaml'],
      ['z.yaml', 'b.yaml'],
    ] as const) {
      await rename(folder.path(from), folder.path(to));
      await folder.until(() => folder.snapshot.sources.get('ConfigMap/default/a')?.file === to);
    }
    expectNeverWithout(folder, 'a');
    expect(folder.history.flatMap((snapshot) => snapshot.sourceDiagnostics)).toEqual([]);
  });

  test('while the folder itself is gone', async () => {
    await using parent = await WatchedFolder.create({ 'in/a.yaml': configMapText('a') });
    await using folder = await WatchedFolder.create();
    await symlink(parent.path('in'), folder.path('sub'));
    await folder.watch({ rescanMs: 20, settleMs: 0 });
    await rename(folder.dir, `${folder.dir}-away`);
    await folder.until(() => folder.diagnostics.length > 0);
    expect([folder.configMaps, folder.diagnostics]).toEqual([{ a: 'one' }, ['error ManifestUnreadable .:null']]);
    await rename(`${folder.dir}-away`, folder.dir);
    await folder.until(() => folder.diagnostics.length === 0);
    expectNeverWithout(folder, 'a');
  });

  test('a file that comes and goes several times is waited for each time', async () => {
    let passedMs = 0;
    const clock: Clock = { nowMs: () => passedMs, after: systemClock.after };
    await using folder = await WatchedFolder.start({ 'a.yaml': configMapText('a') }, { settleMs: 1000, clock });
    for (const round of [1, 2, 3]) {
      await rename(folder.path('a.yaml'), folder.path('a.away'));
      await folder.write(`probe-${round}.yaml`, configMapText(`probe-${round}`));
      await folder.until(() => `probe-${round}` in folder.configMaps);
      await rename(folder.path('a.away'), folder.path('a.yaml'));
      await folder.write(`back-${round}.yaml`, configMapText(`back-${round}`));
      await folder.until(() => `back-${round}` in folder.configMaps);
      passedMs += 2000;
    }
    expectNeverWithout(folder, 'a');
  });

  test('a file that is broken only while it is written is not reported', async () => {
    await using folder = await WatchedFolder.start({ 'a.yaml': configMapText('a') }, { clock: standing });
    await using file = await open(folder.path('a.yaml'), 'a');
    await file.write('bad: [\n');
    await folder.write('probe.yaml', configMapText('probe'));
    await folder.until(() => 'probe' in folder.configMaps);
    await file.write(`]\n---\n${configMapText('b')}`);
    await folder.until(() => 'b' in folder.configMaps);
    expect(folder.history.flatMap((snapshot) => snapshot.sourceDiagnostics)).toEqual([]);
  });
});

test('after many random changes the folder holds what a fresh reader finds', async () => {
  await using folder = await WatchedFolder.start({}, { settleMs: 10 });
  // A fixed linear congruence: the order is random enough, and the same in each run.
  let state = 7;
  const next = (bound: number) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor(state / 65536) % bound;
  };
  const paths = ['a.yaml', 'b.yaml', 'sub/a.yaml', 'sub/b.yaml', 'sub/deep/c.yaml'];
  for (let i = 0; i < 120; i++) {
    const path = paths[next(paths.length)] ?? '';
    const text = Array.from({ length: 1 + next(3) }, () => configMapText(`m${next(6)}`, `${i}`)).join('---\n');
    const action = next(5);
    await mkdir(join(folder.path(path), '..'), { recursive: true });
    if (action === 0) await rm(folder.path(path), { force: true });
    else if (action === 1) await rm(folder.path('sub'), { recursive: true, force: true });
    else if (action === 2) await folder.replace(path, text);
    else await folder.write(path, text);
    // Lets the watcher in now and then, at a different point in each round.
    if (next(3) === 0) await readFile(folder.path('b.yaml')).catch(() => null);
  }
  await using fresh = await WatchedFolder.create();
  await symlink(folder.dir, fresh.path('all'));
  await fresh.watch({ watch: false });
  const want = JSON.stringify(fresh.configMaps);
  await folder.until(() => JSON.stringify(folder.configMaps) === want);
  expect(folder.diagnostics.map((text) => text.replace('all/', ''))).toEqual(
    fresh.diagnostics.map((text) => text.replace('all/', '')),
  );
});
