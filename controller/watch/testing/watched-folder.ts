// A real manifest folder in a temporary directory, read into a real store. Tests wait for what the source applies.

import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Snapshot, StoreChange } from '../../objects/snapshot.ts';
import type { WatchLog } from '../log.ts';
import { type ManifestFolderOptions, openManifestFolder } from '../manifests.ts';
import { ObjectStore } from '../store.ts';

export const silentLog: WatchLog = { debug: () => {}, warn: () => {} };

/** Text of a ConfigMap in namespace `default`: the plainest object, whose `value` tells its version. */
export function configMapText(name: string, value = 'one'): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata:\n  value: ${JSON.stringify(value)}\n`;
}

/** Names and values of all ConfigMaps of a snapshot, e.g. `{ a: 'one' }`. */
export function configMapsOf(snapshot: Snapshot): Record<string, string> {
  const entries = [...snapshot.configMaps.values()].map((map) => [map.meta.name, map.data['value'] ?? ''] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Diagnostics as `severity reason file:line`. */
export function diagnosticsOf(snapshot: Snapshot): string[] {
  return snapshot.sourceDiagnostics.map(
    ({ severity, reason, source }) => `${severity} ${reason} ${source?.file}:${source?.line}`,
  );
}

export class WatchedFolder implements AsyncDisposable {
  readonly dir: string;
  /** A snapshot for each apply, in order: to prove that nothing was missing even for a moment. */
  readonly history: Snapshot[] = [];
  readonly batches: (readonly StoreChange[])[] = [];
  readonly #store = new ObjectStore();
  readonly #stack = new AsyncDisposableStack();
  #waiting: (() => void)[] = [];

  private constructor(dir: string) {
    this.dir = dir;
    this.#stack.defer(() => rm(dir, { recursive: true, force: true }));
  }

  /** Makes a folder with these files; nothing reads it yet. */
  static async create(files: Readonly<Record<string, string>> = {}): Promise<WatchedFolder> {
    const folder = new WatchedFolder(await mkdtemp(join(tmpdir(), 'sluice-manifests-')));
    for (const [path, text] of Object.entries(files)) await folder.write(path, text);
    return folder;
  }

  /** Makes a folder and starts to watch it. Only hints cause a look, unless `rescanMs` is given. */
  static async start(
    files: Readonly<Record<string, string>>,
    options: Partial<ManifestFolderOptions> = {},
  ): Promise<WatchedFolder> {
    const folder = await WatchedFolder.create(files);
    await folder.watch(options);
    return folder;
  }

  async watch(options: Partial<ManifestFolderOptions> = {}): Promise<void> {
    const source = openManifestFolder(this.dir, { log: silentLog, rescanMs: 3_600_000, ...options });
    this.#stack.use(source);
    await source.start((changes) => {
      this.#store.apply(changes);
      this.batches.push(changes);
      this.history.push(this.snapshot);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  get snapshot(): Snapshot {
    return this.#store.snapshot();
  }

  get configMaps(): Record<string, string> {
    return configMapsOf(this.snapshot);
  }

  get diagnostics(): string[] {
    return diagnosticsOf(this.snapshot);
  }

  path(path: string): string {
    return join(this.dir, path);
  }

  /** Writes in place, as `cp` and most editors without a backup do. */
  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(this.path(path)), { recursive: true });
    await writeFile(this.path(path), text);
  }

  /** Writes beside and renames over, as editors and deployment tools do. */
  async replace(path: string, text: string): Promise<void> {
    const draft = join(dirname(this.path(path)), `.draft-${randomBytes(4).toString('hex')}`);
    await writeFile(draft, text);
    await rename(draft, this.path(path));
  }

  /** Waits until an apply made this true, or it is true already. The test's own timeout is the limit. */
  async until(isReached: () => boolean): Promise<void> {
    while (!isReached()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
