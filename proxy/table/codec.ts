// Encodes an update of the routing table into shared memory and back: canonical JSON (sorted keys, no spaces) in UTF-8.
//
// Encoding happens once per revision on the main thread; every worker reads the same bytes. Canonical means: equal
// values give equal bytes, whatever order their keys were written in, so bytes can be compared and hashed.
// The long lists of an update stand in lines of their own (update-lines.ts), so that both sides can take a large one in
// pieces and serve others in between.

import type { TableUpdate } from './update.ts';
import { joinLine, readHeadLine, updateLines } from './update-lines.ts';

/**
 * Encodes an update, key pairs included: the bytes are secret. Throws TypeError when it holds something that is not JSON, which
 * is a bug in the compiler.
 */
export function encodeUpdate(update: TableUpdate): SharedArrayBuffer {
  return joinParts([...updateLines(update)].map(encodeLine));
}

/** Decodes what `encodeUpdate` made. Throws SyntaxError on other bytes. */
export function decodeUpdate(bytes: SharedArrayBuffer): TableUpdate {
  const [head, ...rest] = linesOf(bytes);
  const update = readHeadLine(parseLine(head));
  for (const line of rest) joinLine(update, parseLine(line));
  return update;
}

/** Gives the bytes of `encodeUpdate`, and lets others have their turn after each line: `turn` resolves when they had it. */
export async function encodeUpdateInTurns(update: TableUpdate, turn: () => Promise<void>): Promise<SharedArrayBuffer> {
  const parts: Buffer[] = [];
  for (const line of updateLines(update)) {
    if (parts.length > 0) await turn();
    parts.push(encodeLine(line));
  }
  return joinParts(parts);
}

/** Decodes as `decodeUpdate` does, with turns as in `encodeUpdateInTurns`: an update of one line takes none. */
export async function decodeUpdateInTurns(bytes: SharedArrayBuffer, turn: () => Promise<void>): Promise<TableUpdate> {
  const [head, ...rest] = linesOf(bytes);
  const update = readHeadLine(parseLine(head));
  for (const line of rest) {
    await turn();
    joinLine(update, parseLine(line));
  }
  return update;
}

const lineFeed = 0x0a;

/** One line with its end. JSON text holds no line feed of its own. */
function encodeLine(line: unknown): Buffer {
  return Buffer.from(`${renderCanonical(line)}\n`, 'utf8');
}

function parseLine(line: Buffer | undefined): unknown {
  // TextDecoder refuses views of shared memory; Buffer reads them in place.
  return JSON.parse(line?.toString('utf8') ?? '');
}

function joinParts(parts: readonly Buffer[]): SharedArrayBuffer {
  const bytes = new SharedArrayBuffer(parts.reduce((sum, part) => sum + part.length, 0));
  const view = Buffer.from(bytes);
  let at = 0;
  for (const part of parts) at += part.copy(view, at);
  return bytes;
}

function linesOf(bytes: SharedArrayBuffer): Buffer[] {
  const view = Buffer.from(bytes);
  const lines: Buffer[] = [];
  let from = 0;
  for (let end = view.indexOf(lineFeed); end !== -1; end = view.indexOf(lineFeed, from)) {
    lines.push(view.subarray(from, end));
    from = end + 1;
  }
  return lines;
}

/**
 * Renders a JSON value with the keys of every object in one fixed order: code units, but whole numbers first. Throws
 * TypeError on anything that is not JSON.
 */
export function renderCanonical(value: unknown): string {
  // A copy with sorted keys for JSON.stringify takes a third of the time of writing the text piece by piece.
  return JSON.stringify(sortKeys(value));
}

function sortKeys(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`not a JSON value: ${value}`);
      return value;
    case 'object':
      if (value === null) return null;
      return Array.isArray(value) ? value.map(sortKeys) : sortKeysOfObject(value as Record<string, unknown>);
    default:
      throw new TypeError(`not a JSON value: ${typeof value}`);
  }
}

function sortKeysOfObject(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  // A plain object's prototype ends the chain; compared this way it may come from another realm (a worker, a test).
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new TypeError('not a JSON value: class instance');
  }
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort()) {
    // Assigned, this one name would set the prototype instead of a key.
    if (key === '__proto__') Object.defineProperty(copy, key, { value: sortKeys(value[key]), enumerable: true });
    else copy[key] = sortKeys(value[key]);
  }
  return copy;
}
