// The corpus: one file per message or HTTP/2 conversation that once was a bug, an attack or an interesting edge.
// Messages of HTTP/1.1 in latin1, conversations as one frame in hex per line, with comments behind `#`.

import { readdirSync, readFileSync } from 'node:fs';
import type { Conversation } from './http2-sessions.ts';

const FOLDER = new URL('./corpus/', import.meta.url);

/** Reads `corpus/<kind>-*.txt`: name and bytes, one char per byte. In files `\r\n` stands for itself, real bytes. */
export function readCorpus(kind: 'request' | 'response'): Array<{ name: string; text: string }> {
  return textsOf(kind);
}

/** Reads `corpus/http2-<side>-*.txt`: what this side sends, behind its preface. */
export function readConversations(side: 'client' | 'server'): Array<{ name: string; frames: Conversation }> {
  return textsOf(`http2-${side}`).map(({ name, text }) => {
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return { name, frames: lines.map((line) => Buffer.from(line.replaceAll(' ', ''), 'hex').toString('latin1')) };
  });
}

function textsOf(prefix: string): Array<{ name: string; text: string }> {
  return readdirSync(FOLDER)
    .filter((name) => name.startsWith(`${prefix}-`))
    .sort()
    .map((name) => ({ name, text: readFileSync(new URL(name, FOLDER), 'latin1') }));
}
