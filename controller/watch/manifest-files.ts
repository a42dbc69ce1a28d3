// What is known of each file of a manifest folder: its last good content, and what is wrong with it now.
//
// In: what a look at the folder found. Out: the objects in use and their diagnostics. No I/O and no clock: the folder
// (manifests.ts) reads and waits, this file judges. Life of a file:
//
//   read -> sound: in use | broken: last good stays in use, with a diagnostic | missing: vanishing, then forgotten

import { createHash } from 'node:crypto';
import { compareText, type Diagnostic } from '../objects/diagnostic.ts';
import {
  type BrokenEffect,
  decodeManifest,
  type ManifestContent,
  type ManifestObject,
  unreadableFile,
} from './manifest-content.ts';
import type { ManifestText } from './manifest-text.ts';
import { type MergedManifests, mergeManifests } from './merge-manifests.ts';
import type { FileStamp } from './scan-folder.ts';

/** What is known of one file. */
interface KnownFile {
  /** Of the version that was judged last, sound or not; null when that version could not be opened. */
  readonly stamp: FileStamp | null;
  /** Of the text that was judged last; null when there was none. */
  readonly digest: string | null;
  /** The objects in use, with the diagnostics of their decoding. */
  readonly objects: readonly ManifestObject[];
  readonly objectDiagnostics: readonly Diagnostic[];
  /** Why the present version is not in use; empty when it is. */
  readonly faults: readonly Diagnostic[];
  readonly isMissing: boolean;
}

const unknownFile: KnownFile = {
  stamp: null,
  digest: null,
  objects: [],
  objectDiagnostics: [],
  faults: [],
  isMissing: false,
};

/** Judgement of a text: not yet taken over, so that the folder may wait for a half-written file. */
export interface TextVerdict {
  readonly next: KnownFile;
  readonly isBroken: boolean;
}

/** The files of one folder, by path relative to it. */
export class ManifestFiles {
  readonly #files = new Map<string, KnownFile>();

  /** Paths of all files in use, missing ones included. */
  get paths(): readonly string[] {
    return [...this.#files.keys()];
  }

  /** Stamp of the version judged last; null when the file is unknown. */
  stampOf(path: string): FileStamp | null {
    return this.#files.get(path)?.stamp ?? null;
  }

  /** True when this is the text judged last, so that a touched file costs no parsing. Notes that the file is there. */
  isKnownText(path: string, text: string, stamp: FileStamp): boolean {
    const known = this.#files.get(path);
    if (known === undefined || known.digest !== digestOf(text)) return false;
    this.#files.set(path, { ...known, stamp, isMissing: false });
    return true;
  }

  /** Judges a text that was parsed. Takes nothing over. */
  judge(path: string, text: string, parsed: ManifestText, stamp: FileStamp): TextVerdict {
    const known = this.#files.get(path) ?? unknownFile;
    const digest = digestOf(text);
    // Shells empty a file long before the program behind `>` writes to it.
    if (text.trim() === '' && known.objects.length > 0) {
      const what = 'the file is empty (delete it to remove its objects)';
      const faults = [unreadableFile('EmptyManifest', path, what, 'keepsLastGood')];
      return { next: { ...known, stamp, digest, faults, isMissing: false }, isBroken: true };
    }
    const content = decodeManifest(parsed, path, brokenEffect(known));
    return { next: { ...takeOver(known, content), stamp, digest }, isBroken: content.isBroken };
  }

  /** Takes a judgement over. */
  accept(path: string, { next }: TextVerdict): void {
    this.#files.set(path, next);
  }

  /** Notes that the present version cannot be read. Its last good objects stay. */
  refuse(path: string, reason: string, what: string, stamp: FileStamp | null): void {
    const known = this.#files.get(path) ?? unknownFile;
    const faults = [unreadableFile(reason, path, what, brokenEffect(known))];
    this.#files.set(path, { ...known, stamp, digest: null, faults, isMissing: false });
  }

  /** Notes that the file is not there. Its objects stay in use where no other file holds them. */
  markMissing(path: string): void {
    const known = this.#files.get(path);
    // Without a stamp, so that whatever appears under this name is read.
    if (known !== undefined) this.#files.set(path, { ...known, stamp: null, isMissing: true });
  }

  /** Forgets a file and its objects. */
  forget(path: string): void {
    this.#files.delete(path);
  }

  /** Merges the objects of all files, in path order. */
  merge(): MergedManifests {
    const inOrder = [...this.#files].sort(([a], [b]) => compareText(a, b)).map(([, file]) => file);
    const objectsOf = (isMissing: boolean) =>
      inOrder.filter((file) => file.isMissing === isMissing).map((file) => file.objects);
    return mergeManifests(objectsOf(false), objectsOf(true));
  }

  /** The diagnostics of each file. */
  diagnostics(): ReadonlyMap<string, readonly Diagnostic[]> {
    return new Map([...this.#files].map(([path, file]) => [path, [...file.faults, ...file.objectDiagnostics]]));
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

function brokenEffect(known: KnownFile): BrokenEffect {
  return known.objects.length > 0 ? 'keepsLastGood' : 'isNotUsed';
}

function takeOver(known: KnownFile, content: ManifestContent): KnownFile {
  if (content.isBroken && known.objects.length > 0) return { ...known, faults: content.diagnostics, isMissing: false };
  return { ...unknownFile, objects: content.objects, objectDiagnostics: content.diagnostics };
}
