// Remembers versions of files that are not believed yet, and for how long they have been the same.

import type { FileStamp } from './scan-folder.ts';

/** What was seen at a path: a version, or that nothing is there. */
export type Sighting = FileStamp | 'missing';

/** Tells a version that stays from one on its way to another. */
export class Settling {
  readonly #settleMs: number;
  readonly #seen = new Map<string, { readonly sighting: string; readonly sinceMs: number }>();

  constructor(settleMs: number) {
    this.#settleMs = settleMs;
  }

  /** Notes a sighting and returns for how many ms it must still stay the same to be believed: 0 when it is. */
  leftMs(path: string, sighting: Sighting, nowMs: number): number {
    const text = textOf(sighting);
    const seen = this.#seen.get(path);
    const sinceMs = seen?.sighting === text ? seen.sinceMs : nowMs;
    this.#seen.set(path, { sighting: text, sinceMs });
    return Math.max(0, sinceMs + this.#settleMs - nowMs);
  }

  /** Forgets a path: its present version is believed, or no longer in doubt. */
  clear(path: string): void {
    this.#seen.delete(path);
  }
}

function textOf(sighting: Sighting): string {
  if (sighting === 'missing') return sighting;
  const { dev, ino, size, mtimeNs, ctimeNs } = sighting;
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}
