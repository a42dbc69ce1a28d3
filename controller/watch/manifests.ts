// A folder of Kubernetes manifests as a source of objects.
//
// In: a directory. Out: StoreChanges: the whole folder once, then what changed. Flow of a look:
//
//   hint (fs.watch) or slow timer -> scan stamps -> read what changed -> judge (manifest-files.ts) -> merge -> apply
//
// A version is believed at once, except where it may be half a version: a file that is gone, that became shorter in
// place or that does not parse must stay so for `settleMs`. Editors and shells replace files in exactly these steps.

import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Diagnostic } from '../objects/diagnostic.ts';
import { isSameValue } from '../objects/equal.ts';
import type { ObjectSource, StoreChange } from '../objects/snapshot.ts';
import { keyOf } from '../objects/types.ts';
import { Batch } from './batch.ts';
import { type CancelTimer, type Clock, systemClock } from './clock.ts';
import { DirectoryWatchers } from './directory-watchers.ts';
import type { WatchLog } from './log.ts';
import { type ManifestObject, unreadableFile } from './manifest-content.ts';
import { ManifestFiles } from './manifest-files.ts';
import { type ManifestText, parseManifestText } from './manifest-text.ts';
import { isLargeText, parseApart } from './parse-apart.ts';
import { readManifestFile } from './read-file.ts';
import { codeOf, type FileStamp, isSameFile, isSameStamp, scanFolder } from './scan-folder.ts';
import { Settling, type Sighting } from './settling.ts';

export interface ManifestFolderOptions {
  readonly log: WatchLog;
  /** Files above this are not read. Default 16 MiB. */
  readonly maxFileBytes?: number;
  /** False reads the folder once, for commands that do not serve. Default true. */
  readonly watch?: boolean;
  /** How long a version that may be half written must stay as it is. Default 40 ms. */
  readonly settleMs?: number;
  /** Time between two looks without a hint: for file systems without events, and links to places that are not watched. Default 2 s. */
  readonly rescanMs?: number;
  readonly clock?: Clock;
}

/**
 * Opens a folder of manifests: every .yaml, .yml and .json below it, names that begin with a dot excepted. `start` rejects
 * with one line when the folder is missing or no directory; later faults become diagnostics and keep what was read before.
 */
export function openManifestFolder(dir: string, options: ManifestFolderOptions): ObjectSource {
  return new ManifestFolder(dir, options);
}

const defaultMaxFileBytes = 16 * 1024 * 1024;
/** A file system may give two writes within one clock tick the same stamp: a stamp this young proves nothing yet. */
const stampTickMs = 50;

class ManifestFolder implements ObjectSource {
  readonly #dir: string;
  readonly #log: WatchLog;
  readonly #maxFileBytes: number;
  readonly #rescanMs: number;
  readonly #clock: Clock;
  readonly #files = new ManifestFiles();
  readonly #hints: Batch;
  readonly #watchers: DirectoryWatchers | null;
  readonly #settling: Settling;
  /** Files whose stamp was too young when they were read to tell their next version apart. */
  readonly #young = new Set<string>();
  /** null until the first complete set is read. */
  #apply: ((changes: readonly StoreChange[]) => void) | null = null;
  #applied: ReadonlyMap<string, ManifestObject> = new Map();
  #reported: ReadonlyMap<string, readonly Diagnostic[]> = new Map();
  #look: Promise<void> | null = null;
  #lookAgain = false;
  /** Large files that are being parsed. */
  readonly #parsing = new Set<string>();
  /** Settles when the last of them is parsed. */
  #parses: Promise<void> = Promise.resolve();
  #cancelRescan: CancelTimer | null = null;
  #unreadable: readonly Diagnostic[] = [];
  #hasPublished = false;
  readonly #closing = new AbortController();

  constructor(dir: string, options: ManifestFolderOptions) {
    this.#dir = resolve(dir);
    this.#log = options.log;
    this.#maxFileBytes = options.maxFileBytes ?? defaultMaxFileBytes;
    this.#settling = new Settling(options.settleMs ?? 40);
    this.#rescanMs = options.rescanMs ?? 2000;
    this.#clock = options.clock ?? systemClock;
    // Short: the batch between store and compile waits once more.
    this.#hints = new Batch({ quietMs: 4, ceilingMs: 20, clock: this.#clock, run: () => this.#startLook() });
    this.#watchers =
      options.watch === false ? null : new DirectoryWatchers(this.#dir, () => this.#hints.mark(), options.log);
  }

  async start(apply: (changes: readonly StoreChange[]) => void): Promise<void> {
    await assertDirectory(this.#dir);
    await this.#lookOnce();
    await this.#parses;
    // Closed meanwhile: what was read is not the whole folder.
    if (this.#closing.signal.aborted) return;
    this.#apply = apply;
    this.#publish();
    if (this.#watchers === null) return;
    // Hints that came before there was anybody to tell were dropped.
    this.#hints.mark();
    this.#planRescan();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#hints.close();
    this.#cancelRescan?.();
    await this.#look;
    await this.#parses;
    this.#watchers?.close();
  }

  #planRescan(): void {
    if (this.#closing.signal.aborted) return;
    this.#cancelRescan = this.#clock.after(this.#rescanMs, () => {
      this.#startLook();
      this.#planRescan();
    });
  }

  /** One look at a time; hints that come meanwhile cause one more. */
  #startLook(): void {
    if (this.#apply === null || this.#closing.signal.aborted) return;
    if (this.#look !== null) {
      this.#lookAgain = true;
      return;
    }
    this.#look = this.#lookUntilQuiet();
  }

  async #lookUntilQuiet(): Promise<void> {
    do {
      this.#lookAgain = false;
      await this.#lookOnce();
      if (!this.#closing.signal.aborted) this.#publish();
    } while (this.#lookAgain && !this.#closing.signal.aborted);
    // Here and not in a `finally`: a hint between the last check and the end of the promise would be lost.
    this.#look = null;
  }

  async #lookOnce(): Promise<void> {
    const scan = await scanFolder(this.#dir);
    if (this.#closing.signal.aborted) return;
    this.#watchers?.sync(scan.directories);
    const changed = [...scan.files].filter(([path, stamp]) => this.#hasChanged(path, stamp));
    for (const [path, stamp] of changed) await this.#read(path, stamp);
    for (const path of this.#files.paths) {
      if (!scan.files.has(path) && !isHidden(path, scan.unreadable)) this.#miss(path);
    }
    this.#unreadable = [...scan.unreadable].map(([path, code]) => unreadableFolder(path, code));
  }

  #hasChanged(path: string, stamp: FileStamp): boolean {
    // What it is by then is seen after the parse.
    if (this.#parsing.has(path)) return false;
    const known = this.#files.stampOf(path);
    return known === null || !isSameStamp(known, stamp) || this.#young.has(path);
  }

  async #read(path: string, scanned: FileStamp): Promise<void> {
    if (this.#isShorter(path, scanned) && !this.#isBelieved(path, scanned)) return;
    const read = await readManifestFile(join(this.#dir, path), this.#maxFileBytes);
    // The next look sees that it is gone.
    if (read.kind === 'missing') return;
    if (read.kind === 'refused') {
      this.#settling.clear(path);
      this.#files.refuse(path, read.reason, read.what, scanned);
      return;
    }
    this.#noteAge(path, read.stamp);
    if (this.#files.isKnownText(path, read.text, read.stamp)) {
      this.#settling.clear(path);
      return;
    }
    if (isLargeText(read.text)) this.#parseLater(path, read.text, read.stamp);
    else this.#judge(path, read.text, parseManifestText(read.text), read.stamp);
  }

  /** Parses one large file at a time, so that several cannot take all memory; other files do not wait for them. */
  #parseLater(path: string, text: string, stamp: FileStamp): void {
    this.#parsing.add(path);
    this.#parses = this.#parses.then(async () => {
      const { signal } = this.#closing;
      const parsed = await parseApart(text, { clock: this.#clock, signal });
      this.#parsing.delete(path);
      if (signal.aborted) return;
      this.#judge(path, text, parsed, stamp);
      this.#startLook();
    });
  }

  #judge(path: string, text: string, parsed: ManifestText, stamp: FileStamp): void {
    const verdict = this.#files.judge(path, text, parsed, stamp);
    if (verdict.isBroken && !this.#isBelieved(path, stamp)) return;
    this.#settling.clear(path);
    this.#files.accept(path, verdict);
    this.#log.debug({ file: path, broken: verdict.isBroken }, 'read a manifest');
  }

  /** True when the file was cut in place: what follows may still be on its way. A rename brings a whole file. */
  #isShorter(path: string, stamp: FileStamp): boolean {
    const known = this.#files.stampOf(path);
    return known !== null && isSameFile(known, stamp) && stamp.size < known.size;
  }

  #noteAge(path: string, { ctimeNs }: FileStamp): void {
    // The wall clock, whatever `clock` is: it is compared with the file system's.
    const ageMs = Date.now() - Number(ctimeNs / 1_000_000n);
    if (Math.abs(ageMs) < stampTickMs) this.#young.add(path);
    else this.#young.delete(path);
  }

  /** Keeps the objects of a file that is gone until that is certain. */
  #miss(path: string): void {
    if (!this.#isBelieved(path, 'missing')) {
      this.#files.markMissing(path);
      return;
    }
    this.#settling.clear(path);
    this.#files.forget(path);
  }

  /** True when the sighting has settled; if not, another look is due when it may have. */
  #isBelieved(path: string, sighting: Sighting): boolean {
    // At start there is no older version to protect, and nobody to wait for.
    if (this.#apply === null) return true;
    const leftMs = this.#settling.leftMs(path, sighting, this.#clock.nowMs());
    if (leftMs > 0) this.#clock.after(leftMs, () => this.#startLook());
    return leftMs === 0;
  }

  /** Tells what differs from what was told before; the first time also when that is nothing. */
  #publish(): void {
    const { winners, duplicates } = this.#files.merge();
    const reported = new Map(this.#files.diagnostics());
    reported.set(duplicatesOrigin, duplicates);
    reported.set(folderOrigin, this.#unreadable);
    const changes = [...diffObjects(this.#applied, winners), ...diffDiagnostics(this.#reported, reported)];
    this.#applied = winners;
    this.#reported = reported;
    if (changes.length > 0 || !this.#hasPublished) this.#apply?.(changes);
    this.#hasPublished = true;
  }
}

/** Origins of diagnostics beside the paths of files; no path holds `//`. */
const duplicatesOrigin = 'folder//duplicates';
const folderOrigin = 'folder//unreadable';

/** Rejects with one line when there is no such folder. */
export async function assertDirectory(dir: string): Promise<void> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(dir)).isDirectory();
  } catch (error) {
    const code = codeOf(error);
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new Error(`manifest folder ${dir} ${why}`, { cause: error });
  }
  if (!isDirectory) throw new Error(`manifest folder ${dir} is not a directory`);
}

/** True for a path that may still exist: it, or a directory above it, cannot be looked at. */
function isHidden(path: string, unreadable: ReadonlyMap<string, string>): boolean {
  return [...unreadable.keys()].some((hidden) => hidden === '' || hidden === path || path.startsWith(`${hidden}/`));
}

function unreadableFolder(path: string, code: string): Diagnostic {
  return unreadableFile(
    'ManifestUnreadable',
    path === '' ? '.' : path,
    `cannot be looked at (${code})`,
    'keepsLastGood',
  );
}

function diffObjects(
  before: ReadonlyMap<string, ManifestObject>,
  after: ReadonlyMap<string, ManifestObject>,
): readonly StoreChange[] {
  const changes: StoreChange[] = [];
  for (const [id, { object }] of before) {
    if (!after.has(id)) changes.push({ kind: 'delete', objectKind: object.kind, key: keyOf(object.meta) });
  }
  for (const [id, entry] of after) {
    // Objects of a file that was not read again are the same entries as before.
    if (before.get(id) !== entry) changes.push({ kind: 'upsert', object: entry.object, source: entry.source });
  }
  return changes;
}

function diffDiagnostics(
  before: ReadonlyMap<string, readonly Diagnostic[]>,
  after: ReadonlyMap<string, readonly Diagnostic[]>,
): readonly StoreChange[] {
  const changes: StoreChange[] = [];
  for (const origin of new Set([...before.keys(), ...after.keys()])) {
    const diagnostics = after.get(origin) ?? [];
    if (isSameValue(before.get(origin) ?? [], diagnostics)) continue;
    changes.push({ kind: 'sourceDiagnostics', origin, diagnostics });
  }
  return changes;
}
