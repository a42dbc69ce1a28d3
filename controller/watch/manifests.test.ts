import { execFile } from 'node:child_process';
import { rename, rm, symlink, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { openManifestFolder } from './manifests.ts';
import { configMapsOf, configMapText, silentLog, WatchedFolder } from './testing/watched-folder.ts';

const broken = 'kind: [\n';

describe('start', () => {
  test.each([
    ['nowhere', 'does not exist'],
    ['file.yaml', 'is not a directory'],
  ])('rejects %s in one line', async (path, why) => {
    await using folder = await WatchedFolder.create({ 'file.yaml': '' });
    const dir = folder.path(path);
    const start = openManifestFolder(dir, { log: silentLog }).start(() => {});
    await expect(start).rejects.toThrow(`manifest folder ${dir} ${why}`);
  });

  test('applies the whole folder once, in one step', async () => {
    await using folder = await WatchedFolder.start({
      'b.yaml': `${configMapText('b1')}---\n${configMapText('b2')}`,
      'deep/er/c.yml': configMapText('c'),
      'd.json': JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'd' },
        data: { value: 'json' },
      }),
      'list.yaml': 'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: e}\n',
      'typed.yaml': 'apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: f}\n',
      'folder.yaml/g.yaml': configMapText('g'),
      '.hidden.yaml': broken,
      '.git/h.yaml': broken,
      'notes.txt': broken,
      'old.yaml~': broken,
      'empty.yaml': '',
    });
    expect(folder.batches).toHaveLength(1);
    expect(folder.configMaps).toEqual({ b1: 'one', b2: 'one', c: 'one', d: 'json', e: '', f: '', g: 'one' });
    expect(Object.fromEntries(folder.snapshot.sources)).toEqual({
      'ConfigMap/default/b1': { file: 'b.yaml', line: 1 },
      'ConfigMap/default/b2': { file: 'b.yaml', line: 8 },
      'ConfigMap/default/c': { file: 'deep/er/c.yml', line: 1 },
      'ConfigMap/default/d': { file: 'd.json', line: 1 },
      'ConfigMap/default/e': { file: 'list.yaml', line: 4 },
      'ConfigMap/default/f': { file: 'typed.yaml', line: 4 },
      'ConfigMap/default/g': { file: 'folder.yaml/g.yaml', line: 1 },
    });
    expect(folder.diagnostics).toEqual([]);
  });

  test('applies nothing when it is closed before the folder is read', async () => {
    await using folder = await WatchedFolder.create({ 'a.yaml': configMapText('a') });
    const source = openManifestFolder(folder.dir, { log: silentLog });
    const batches: unknown[] = [];
    const start = source.start((changes) => batches.push(changes));
    await source[Symbol.asyncDispose]();
    await start;
    expect(batches).toEqual([]);
  });

  test('applies an empty folder too: the first complete set is known', async () => {
    await using folder = await WatchedFolder.start({});
    expect(folder.batches).toEqual([[]]);
  });

  test('uses the sound documents of a broken file, when there was no version before', async () => {
    await using folder = await WatchedFolder.start({
      'a.yaml': `${configMapText('a')}---\n${broken}---\n${configMapText('b')}`,
    });
    expect(Object.keys(folder.configMaps)).toEqual(['a', 'b']);
    expect(folder.snapshot.sourceDiagnostics.map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /^a\.yaml:\d+: YAML syntax error: .*; this document is not used, other documents of the file are$/,
      ),
    ]);
  });

  test('a diagnostic of a field points at its line', async () => {
    const text =
      'apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports:\n  - {name: w, port: 80}\n  - name: x\n    port: 0\n';
    await using folder = await WatchedFolder.start({ 'a.yaml': text });
    expect(folder.diagnostics).toEqual(['error InvalidField a.yaml:8']);
  });

  test('reads once and no more when it is not to watch', async () => {
    await using folder = await WatchedFolder.create({ 'a.yaml': configMapText('a') });
    await folder.watch({ watch: false });
    expect(folder.configMaps).toEqual({ a: 'one' });
  });
});

describe('changes', () => {
  test.each<[string, (folder: WatchedFolder) => Promise<void>, Record<string, string>]>([
    ['an edit in place', (f) => f.write('a.yaml', configMapText('a', 'two, longer')), { a: 'two, longer', b: 'one' }],
    ['an edit that makes the file shorter', (f) => f.write('a.yaml', configMapText('a', '')), { a: '', b: 'one' }],
    ['an atomic rename', (f) => f.replace('a.yaml', configMapText('a', 'two')), { a: 'two', b: 'one' }],
    ['a new file', (f) => f.write('c.yaml', configMapText('c')), { a: 'one', b: 'one', c: 'one' }],
    [
      'a new file deep in new folders',
      (f) => f.write('x/y/z/c.yaml', configMapText('c')),
      { a: 'one', b: 'one', c: 'one' },
    ],
    ['a deleted file', (f) => unlink(f.path('a.yaml')), { b: 'one' }],
    ['a deleted folder', (f) => rm(f.path('sub'), { recursive: true }), { a: 'one' }],
    ['a renamed folder', (f) => rename(f.path('sub'), f.path('.sub')), { a: 'one' }],
    ['an object that leaves its file', (f) => f.replace('a.yaml', configMapText('other')), { b: 'one', other: 'one' }],
    ['a file of nothing but comments', (f) => f.write('a.yaml', '# nothing here any more\n'.repeat(9)), { b: 'one' }],
  ])('%s', async (_name, change, want) => {
    await using folder = await WatchedFolder.start({ 'a.yaml': configMapText('a'), 'sub/b.yaml': configMapText('b') });
    await change(folder);
    await folder.until(() => JSON.stringify(folder.configMaps) === JSON.stringify(want));
    expect(folder.diagnostics).toEqual([]);
  });

  test('tell only of the file that changed', async () => {
    await using folder = await WatchedFolder.start({
      'a.yaml': `${configMapText('a1')}---\n${configMapText('a2')}`,
      'b.yaml': configMapText('b'),
    });
    await folder.replace('b.yaml', configMapText('b', 'two'));
    await folder.until(() => folder.configMaps['b'] === 'two');
    expect(folder.batches.slice(1).flat()).toEqual([
      expect.objectContaining({ kind: 'upsert', source: { file: 'b.yaml', line: 1 } }),
    ]);
  });

  test('in a folder made after the start are seen', async () => {
    await using folder = await WatchedFolder.start({});
    await folder.write('new/a.yaml', configMapText('a'));
    await folder.until(() => folder.configMaps['a'] === 'one');
    await folder.replace('new/a.yaml', configMapText('a', 'two'));
    await folder.until(() => folder.configMaps['a'] === 'two');
  });

  test('in a folder that is deleted and made again are seen', async () => {
    await using folder = await WatchedFolder.start({ 'sub/a.yaml': configMapText('a') });
    for (const value of ['two', 'three', 'four', 'five']) {
      await rm(folder.path('sub'), { recursive: true });
      await folder.write('sub/a.yaml', configMapText('a', value));
      await folder.until(() => folder.configMaps['a'] === value);
      await folder.replace('sub/a.yaml', configMapText('a', `${value} again`));
      await folder.until(() => folder.configMaps['a'] === `${value} again`);
    }
  });

  test('behind a link out of the folder are seen by the slow rescan', async () => {
    await using outside = await WatchedFolder.create({ 'real.yaml': configMapText('a') });
    await using folder = await WatchedFolder.create();
    await symlink(outside.path('real.yaml'), folder.path('a.yaml'));
    await folder.watch({ rescanMs: 20 });
    await outside.write('real.yaml', configMapText('a', 'two'));
    await folder.until(() => folder.configMaps['a'] === 'two');
  });

  test('with the same size and time are seen', async () => {
    await using folder = await WatchedFolder.start({ 'a.yaml': configMapText('a', 'one') });
    const time = new Date('2026-01-31T09:30:00Z');
    for (const value of ['two', 'six', 'ten', 'one']) {
      await folder.write('a.yaml', configMapText('a', value));
      await utimes(folder.path('a.yaml'), time, time);
      await folder.until(() => folder.configMaps['a'] === value);
    }
  });

  test('a link in a circle ends', async () => {
    await using folder = await WatchedFolder.create({ 'sub/a.yaml': configMapText('a') });
    await symlink('..', folder.path('sub/up'));
    await folder.watch();
    expect(folder.configMaps).toEqual({ a: 'one' });
    expect(folder.diagnostics).toEqual([]);
  });
});

describe('a mounted ConfigMap', () => {
  /** As the kubelet writes it (pkg/volume/util/atomic_writer.go). */
  async function publish(
    folder: WatchedFolder,
    version: string,
    files: Readonly<Record<string, string>>,
  ): Promise<void> {
    for (const [path, text] of Object.entries(files)) await folder.write(`${version}/${path}`, text);
    await symlink(version, folder.path('..data_tmp'));
    await rename(folder.path('..data_tmp'), folder.path('..data'));
  }

  test('is read once, and again at each swap of its link', async () => {
    await using folder = await WatchedFolder.create();
    await publish(folder, '..2026_01', { 'a.yaml': configMapText('a'), 'b.yaml': configMapText('b') });
    await symlink('..data/a.yaml', folder.path('a.yaml'));
    await symlink('..data/b.yaml', folder.path('b.yaml'));
    await folder.watch();
    expect([folder.configMaps, folder.diagnostics]).toEqual([{ a: 'one', b: 'one' }, []]);

    await publish(folder, '..2026_02', { 'a.yaml': configMapText('a', 'two'), 'b.yaml': configMapText('b') });
    await rm(folder.path('..2026_01'), { recursive: true });
    await folder.until(() => folder.configMaps['a'] === 'two');
    await publish(folder, '..2026_03', { 'a.yaml': configMapText('a', 'three') });
    await unlink(folder.path('b.yaml'));
    await folder.until(() => JSON.stringify(folder.configMaps) === '{"a":"three"}');
    expect(folder.history.every((snapshot) => snapshot.sourceDiagnostics.length === 0)).toBe(true);
  });

  test('is followed into folders behind the link', async () => {
    await using folder = await WatchedFolder.create();
    await publish(folder, '..2026_01', { 'sub/a.yaml': configMapText('a') });
    await symlink('..data/sub', folder.path('sub'));
    await folder.watch();
    for (const value of ['two', 'three']) {
      await publish(folder, `..2026_${value}`, { 'sub/a.yaml': configMapText('a', value) });
      await folder.until(() => folder.configMaps['a'] === value);
    }
  });
});

describe('a broken file', () => {
  test('keeps its last good objects and says where it is broken, until it is fixed', async () => {
    await using folder = await WatchedFolder.start({ 'sub/a.yaml': configMapText('a'), 'b.yaml': configMapText('b') });
    await folder.write('sub/a.yaml', `${configMapText('a', 'two')}bad: [\n`);
    await folder.until(() => folder.diagnostics.length > 0);
    expect(folder.configMaps).toEqual({ a: 'one', b: 'one' });
    expect(folder.snapshot.sourceDiagnostics).toEqual([
      {
        severity: 'error',
        reason: 'InvalidManifest',
        object: { kind: 'ManifestFile', namespace: '', name: 'sub/a.yaml' },
        field: '',
        message: expect.stringMatching(
          /^sub\/a\.yaml:8: YAML syntax error: .*; the last good objects of this file stay in use$/,
        ),
        source: { file: 'sub/a.yaml', line: 8 },
      },
    ]);
    await folder.write('sub/a.yaml', configMapText('a', 'three, and it is longer'));
    await folder.until(() => folder.diagnostics.length === 0);
    expect(folder.configMaps['a']).toBe('three, and it is longer');
  });

  test.each<[string, string, string]>([
    ['a syntax error in one document', `${configMapText('a', 'two')}---\n${broken}`, 'InvalidManifest'],
    [
      'an object of an old version',
      `${configMapText('a', 'two')}---\napiVersion: v1beta1\nkind: Secret\n`,
      'UnsupportedApiVersion',
    ],
    ['an object without name', `${configMapText('a', 'two')}---\napiVersion: v1\nkind: Secret\n`, 'MissingField'],
    ['text', 'hello\n', 'NotAnObject'],
    ['nothing', '', 'EmptyManifest'],
    ['blanks', '\n\n', 'EmptyManifest'],
  ])('by %s keeps the whole last good version', async (_name, text, reason) => {
    const good = `${configMapText('a')}---\n${configMapText('b')}`;
    await using folder = await WatchedFolder.start({ 'a.yaml': good });
    await folder.write('a.yaml', text);
    await folder.until(() => folder.snapshot.sourceDiagnostics.some((diagnostic) => diagnostic.reason === reason));
    expect(folder.configMaps).toEqual({ a: 'one', b: 'one' });
    expect(folder.snapshot.sourceDiagnostics[0]?.message).toContain('the last good objects of this file stay in use');
    await folder.write('a.yaml', good);
    await folder.until(() => folder.diagnostics.length === 0);
  });

  test('whose objects lose only parts is not broken', async () => {
    await using folder = await WatchedFolder.start({ 'a.yaml': configMapText('a') });
    await folder.write('a.yaml', `${configMapText('a', 'two')}  bad: []\n`);
    await folder.until(() => folder.configMaps['a'] === 'two');
    expect(folder.diagnostics).toEqual(['error InvalidField a.yaml:7']);
  });

  test('of 100 MB is refused by its size, and its last good objects stay', async () => {
    await using folder = await WatchedFolder.start({ 'a.yaml': configMapText('a') });
    await truncate(folder.path('a.yaml'), 100_000_000);
    await folder.until(() => folder.diagnostics.length > 0);
    expect(folder.configMaps).toEqual({ a: 'one' });
    expect(folder.snapshot.sourceDiagnostics.map(({ reason, message }) => [reason, message])).toEqual([
      [
        'ManifestTooLarge',
        'a.yaml: the file is larger than the limit of 16777216 bytes (--max-manifest-bytes); the last good objects of this file stay in use',
      ],
    ]);
  });

  test('that is too large and grows stays one problem', async () => {
    await using folder = await WatchedFolder.start({ 'a.yaml': configMapText('a') });
    await truncate(folder.path('a.yaml'), 20_000_000);
    await folder.until(() => folder.diagnostics.length > 0);
    const before = folder.snapshot.sourceDiagnostics;
    await truncate(folder.path('a.yaml'), 30_000_000);
    await folder.write('b.yaml', configMapText('b'));
    await folder.until(() => folder.configMaps['b'] === 'one');
    expect(folder.snapshot.sourceDiagnostics).toEqual(before);
  });

  test.each<[string, (path: string) => Promise<unknown>]>([
    ['is not UTF-8', (path) => writeFile(path, Buffer.from([0xff, 0xfe, 0x61, 0x00]))],
    ['is a link to itself', (path) => symlink('a.yaml', path)],
  ])('that %s keeps its last good objects', async (_name, spoil) => {
    await using folder = await WatchedFolder.start({ 'a.yaml': configMapText('a') });
    await unlink(folder.path('a.yaml'));
    await spoil(folder.path('a.yaml'));
    await folder.until(() => folder.diagnostics.length > 0);
    expect(folder.configMaps).toEqual({ a: 'one' });
    expect(folder.diagnostics).toEqual(['error ManifestUnreadable a.yaml:null']);
  });

  test('a pipe is not read', async () => {
    await using folder = await WatchedFolder.create({ 'b.yaml': configMapText('b') });
    await promisify(execFile)('mkfifo', [folder.path('a.yaml')]);
    await folder.watch();
    expect(folder.configMaps).toEqual({ b: 'one' });
  });

  test('no secret of a broken file is told', async () => {
    await using folder = await WatchedFolder.start({
      'a.yaml': 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  key: hunter2: x\n',
    });
    expect(folder.diagnostics).toEqual(['error InvalidManifest a.yaml:5']);
    expect(JSON.stringify(folder.batches)).not.toContain('hunter2');
  });
});

describe('an object in two files', () => {
  test('is taken from the first in path order, whatever was written last', async () => {
    await using folder = await WatchedFolder.start({
      'b.yaml': configMapText('x', 'b'),
      'a/z.yaml': configMapText('x', 'a'),
    });
    expect(folder.configMaps).toEqual({ x: 'a' });
    expect(folder.snapshot.sourceDiagnostics).toEqual([
      {
        severity: 'warning',
        reason: 'DuplicateObject',
        object: { kind: 'ConfigMap', namespace: 'default', name: 'x' },
        field: '',
        message:
          'the object stands in a/z.yaml:1 and in b.yaml:1; the one in a/z.yaml:1 is used, the other has no effect',
        source: { file: 'b.yaml', line: 1 },
      },
    ]);
    await folder.replace('b.yaml', configMapText('x', 'b, later'));
    await unlink(folder.path('a/z.yaml'));
    await folder.until(() => folder.configMaps['x'] === 'b, later');
    await folder.until(() => folder.diagnostics.length === 0);
    await folder.write('a/a.yaml', configMapText('x', 'first'));
    await folder.until(() => folder.configMaps['x'] === 'first');
    expect(folder.diagnostics).toEqual(['warning DuplicateObject b.yaml:1']);
  });

  test('or twice in one file is taken from its first place', async () => {
    await using folder = await WatchedFolder.start({
      'a.yaml': `${configMapText('x', '1')}---\n${configMapText('x', '2')}`,
    });
    expect([folder.configMaps, folder.diagnostics]).toEqual([{ x: '1' }, ['warning DuplicateObject a.yaml:8']]);
  });
});

describe('a large file', () => {
  const largeText = (value: string) =>
    Array.from({ length: 1700 }, (_, i) => configMapText(`m${i}`, value)).join('---\n');

  test('is complete at the start, and holds up no other file later', async () => {
    await using folder = await WatchedFolder.start({
      'large.yaml': largeText('one'),
      'small.yaml': configMapText('s'),
    });
    expect(folder.snapshot.configMaps.size).toBe(1701);
    await folder.replace('large.yaml', largeText('two'));
    await folder.replace('small.yaml', configMapText('s', 'two'));
    await folder.until(() => folder.configMaps['m1699'] === 'two');
    const small = folder.history.findIndex((snapshot) => configMapsOf(snapshot)['s'] === 'two');
    const large = folder.history.findIndex((snapshot) => configMapsOf(snapshot)['m1699'] === 'two');
    expect(small).toBeLessThan(large);
  });

  test('that is broken keeps its last good objects and names the line', async () => {
    await using folder = await WatchedFolder.start({ 'large.yaml': configMapText('a') });
    await folder.replace('large.yaml', `${largeText('two')}bad: [\n`);
    await folder.until(() => folder.diagnostics.length > 0);
    expect([folder.configMaps, folder.diagnostics]).toEqual([{ a: 'one' }, ['error InvalidManifest large.yaml:11901']]);
  });
});
