// The corpus: one file per message, in latin1, that once was a bug, an attack or an interesting edge.

import { readdirSync, readFileSync } from 'node:fs';

/** Reads `corpus/<kind>-*.txt`: name and bytes, one char per byte. In files `\r\n` stands for itself, real bytes. */
export function readCorpus(kind: 'request' | 'response'): Array<{ name: string; text: string }> {
  const folder = new URL('./corpus/', import.meta.url);
  return readdirSync(folder)
    .filter((name) => name.startsWith(`${kind}-`))
    .sort()
    .map((name) => ({ name, text: readFileSync(new URL(name, folder), 'latin1') }));
}
