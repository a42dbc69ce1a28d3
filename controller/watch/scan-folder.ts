// Looks at a folder of manifests: which files are there, and which have changed since they were read.
//
// In: a directory. Out: a stamp for each manifest below it. Symbolic links are followed, names that begin with a dot are
// not looked at: a mounted ConfigMap shows `a.yaml -> ..data/a.yaml` and `..data -> ..2026_01_31`, and only the first is
// a manifest. Errors become data, because a file that cannot be looked at must not count as deleted.

import type { BigIntStats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** What tells one version of a file from the next. ctime covers what mtime hides: `cp -p`, `touch -r`, chmod. */
export interface FileStamp {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

export interface FolderScan {
  /** Manifests by path relative to the folder, with `/`. */
  readonly files: ReadonlyMap<string, FileStamp>;
  /** Directories by relative path ('' is the folder itself) -> identity, which changes when a link is swapped. */
  readonly directories: ReadonlyMap<string, string>;
  /** Relative paths of files and directories that exist but cannot be looked at -> error code. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/** Scans a folder and all directories below it. Never rejects: a folder that is gone is `unreadable` at ''. */
export async function scanFolder(root: string): Promise<FolderScan> {
  const scan = {
    files: new Map<string, FileStamp>(),
    directories: new Map<string, string>(),
    unreadable: new Map<string, string>(),
  };
  await scanDirectory(root, '', [], scan);
  return scan;
}

function isManifestName(name: string): boolean {
  return /\.(?:yaml|yml|json)$/.test(name);
}

export function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): FileStamp {
  return { dev, ino, size, mtimeNs, ctimeNs };
}

export function isSameStamp(a: FileStamp, b: FileStamp): boolean {
  return a.ctimeNs === b.ctimeNs && a.mtimeNs === b.mtimeNs && a.size === b.size && isSameFile(a, b);
}

/** True when both are versions of one inode: it was written in place, and may be half written. */
export function isSameFile(a: FileStamp, b: FileStamp): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

interface OpenScan {
  readonly files: Map<string, FileStamp>;
  readonly directories: Map<string, string>;
  readonly unreadable: Map<string, string>;
}

/** @param ancestors Identities of the directories above: a link to one of them would never end. */
async function scanDirectory(root: string, path: string, ancestors: readonly string[], scan: OpenScan): Promise<void> {
  const absolute = join(root, path);
  let identity: string;
  let names: string[];
  try {
    const { dev, ino, birthtimeNs } = await stat(absolute, { bigint: true });
    // With the time of birth, since a directory made again often gets the number of the one that was deleted.
    identity = `${dev}:${ino}:${birthtimeNs}`;
    if (ancestors.includes(identity)) return;
    names = await readdir(absolute);
  } catch (error) {
    // The folder itself must be there; a directory below it may have been removed since its parent was read.
    if (path === '' || !isMissing(error)) scan.unreadable.set(path, codeOf(error));
    return;
  }
  scan.directories.set(path, identity);
  const visible = names.filter((name) => !name.startsWith('.'));
  const below = [...ancestors, identity];
  await Promise.all(visible.map((name) => scanEntry(root, path === '' ? name : `${path}/${name}`, name, below, scan)));
}

async function scanEntry(
  root: string,
  path: string,
  name: string,
  ancestors: readonly string[],
  scan: OpenScan,
): Promise<void> {
  let stats: BigIntStats;
  try {
    stats = await stat(join(root, path), { bigint: true });
  } catch (error) {
    if (!isMissing(error) && isManifestName(name)) scan.unreadable.set(path, codeOf(error));
    return;
  }
  if (stats.isDirectory()) await scanDirectory(root, path, ancestors, scan);
  // Only regular files: opening a pipe named x.yaml would wait for ever.
  else if (stats.isFile() && isManifestName(name)) scan.files.set(path, stampOf(stats));
}

/** ENOENT also for a link whose target is gone, ENOTDIR for a directory that became a file on the way. */
function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** The system's word for an I/O error, e.g. `EACCES`. Anything but an I/O error is a bug, and is thrown again. */
export function codeOf(error: unknown): string {
  // By its field and not by its class: Jest gives the tests another Error than Node's own modules throw.
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null;
  if (typeof code === 'string') return code;
  throw error;
}
