// Fuzzes what parsers remember: a parser that has seen heads before must read each head as a new parser does.
//
// A remembered head is recognised by its bytes alone. The inputs are heads, the same again, and near twins of them, which
// is what an attacker would send behind a request of somebody else's that went before on the same parser.

import { FAILED, type HeadLimits } from '../http/head-scanner.ts';
import { RequestParser } from '../http/request-parser.ts';
import { ResponseParser } from '../http/response-parser.ts';
import { LIMITS } from './readings.ts';

interface Parser {
  readonly head: object;
  readonly fault: string;
  reset(): void;
  parse(buf: Buffer, start: number, end: number, limits: HeadLimits): number;
}

/** What a twin has instead of one byte of the original, or before it. */
const CHANGES = ['\r\n', '\n', ' ', ':', ',', '0', '\0', ''];

/** Rejects when a request parser that has seen `text` reads it, or a near twin of it, otherwise than a new one. */
export async function checkRepeatedRequest(text: string): Promise<void> {
  checkRepeated(text, () => new RequestParser());
}

/** The same for responses. */
export async function checkRepeatedResponse(text: string): Promise<void> {
  checkRepeated(text, () => new ResponseParser());
}

function checkRepeated(text: string, make: () => Parser): void {
  const veteran = make();
  for (const each of [text, text, ...twinsOf(text)]) {
    // The original in front makes the parser remember it, whatever the twin before has made of it.
    reading(veteran, text);
    const got = reading(veteran, each);
    const expected = reading(make(), each);
    if (got !== expected) throw new Error(`read differently: ${JSON.stringify({ text, each, got, expected })}`);
  }
}

/** The text with one place changed: eight of them, spread over its whole length, so that they depend on it alone. */
function twinsOf(text: string): string[] {
  return CHANGES.map((change, i) => {
    const at = (text.length * (2 * i + 1)) >> 4;
    return text.slice(0, at) + change + text.slice(at + (i & 1));
  });
}

function reading(parser: Parser, text: string): string {
  const buf = Buffer.from(text, 'latin1');
  parser.reset();
  const next = parser.parse(buf, 0, buf.length, LIMITS);
  if (next === FAILED) return parser.fault;
  return next < 0 ? 'incomplete' : JSON.stringify([next, described(parser.head)]);
}

/** All that a head says. Of a range that is absent (start -1) the end is left over from before, and so are unused runs. */
function described(head: object): unknown {
  const { repeatKey: _key, slot: _slot, runs, runCount, ...fields } = head as Record<string, unknown>;
  const used = (runs as readonly number[]).slice(0, (runCount as number) * 2);
  const said = Object.entries(fields).map(([name, value]) => {
    if (name.endsWith('LineEnd') && fields[name.replace(/End$/, 'Start')] === -1) return [name, null];
    const isAbsent = typeof value === 'object' && value !== null && 'start' in value && value.start === -1;
    return [name, isAbsent ? null : value];
  });
  return [used, said];
}
