// Watches directories for hints that something in them changed.
//
// In: the directories of a scan. Out: hints without content. What changed is found by scanning: events differ between
// systems, get lost under load, and know nothing of what lies behind a symbolic link.

import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import type { WatchLog } from './log.ts';
import { codeOf } from './scan-folder.ts';

interface Watched {
  readonly identity: string;
  /** null when the system refused: trying again at each scan would only refuse again. */
  watcher: FSWatcher | null;
}

/** One `fs.watch` for each directory. Where the system refuses more (inotify limits), the slow rescan has to do. */
export class DirectoryWatchers {
  readonly #root: string;
  readonly #onHint: () => void;
  readonly #log: WatchLog;
  readonly #watched = new Map<string, Watched>();
  #hasWarned = false;

  constructor(root: string, onHint: () => void, log: WatchLog) {
    this.#root = root;
    this.#onHint = onHint;
    this.#log = log;
  }

  /**
   * Watches exactly these directories (relative path -> identity). Gives a hint when one is new: what happened in it
   * between the scan and the start of its watch would otherwise go unseen.
   */
  sync(directories: ReadonlyMap<string, string>): void {
    for (const [path, { identity }] of this.#watched) {
      // A swapped link leads elsewhere, but the watch stays with the old directory.
      if (directories.get(path) !== identity) this.#unwatch(path);
    }
    for (const [path, identity] of directories) {
      if (!this.#watched.has(path)) this.#watch(path, identity);
    }
  }

  close(): void {
    for (const path of [...this.#watched.keys()]) this.#unwatch(path);
  }

  #watch(path: string, identity: string): void {
    const watched: Watched = { identity, watcher: null };
    this.#watched.set(path, watched);
    try {
      watched.watcher = watch(join(this.#root, path), { persistent: false }, this.#onHint);
    } catch (error) {
      this.#warn(path, error);
      return;
    }
    watched.watcher.on('error', (error) => {
      watched.watcher?.close();
      watched.watcher = null;
      this.#warn(path, error);
    });
    this.#onHint();
  }

  #unwatch(path: string): void {
    this.#watched.get(path)?.watcher?.close();
    this.#watched.delete(path);
  }

  #warn(path: string, error: unknown): void {
    // A directory that was removed since the scan: the next scan knows.
    if (this.#hasWarned || codeOf(error) === 'ENOENT') return;
    this.#hasWarned = true;
    this.#log.warn(
      { directory: path, err: error },
      'cannot watch a manifest directory: changes show a few seconds later',
    );
  }
}
