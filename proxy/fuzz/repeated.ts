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
  checkRepeated(text, () => new RequestParser(), [...twinsOf(text), ...siblingsOf(text)]);
}

/** The same for responses. */
export async function checkRepeatedResponse(text: string): Promise<void> {
  checkRepeated(text, () => new ResponseParser(), twinsOf(text));
}

function checkRepeated(text: string, make: () => Parser, others: readonly string[]): void {
  const veteran = make();
  // The second has only seen the ones before, which it may have found similar to each other.
  const wanderer = make();
  for (const each of [text, text, ...others]) {
    // The original in front makes the parser remember it, whatever the twin before has made of it.
    reading(veteran, text);
    const expected = reading(make(), each);
    for (const parser of [veteran, wanderer]) {
      const got = reading(parser, each);
      if (got !== expected) throw new Error(`read differently: ${JSON.stringify({ text, each, got, expected })}`);
    }
  }
}

const TARGETS = ['/', '/b?c', '/%2e%2e/', '/a//./b', '/a HTTP/1.1\r\nX: y\r\n', '/\xe4', 'http://b/', '*', '', '/#'];
const HOSTS = [
  'b',
  'longer.name.example',
  'B.c',
  'b.',
  '.b',
  'b..c',
  'b:80',
  'b:x',
  '[::1]',
  'b/c',
  'b\r\nX: y',
  'b c',
  '',
];

/** The request with another target, another Host, and both: what a parser may take for similar. */
function siblingsOf(text: string): string[] {
  const targets = TARGETS.map((target) => text.replace(/^(\S+ )\S*( )/, (_, before, after) => before + target + after));
  const hosts = HOSTS.map((host) => withHost(text, host));
  return [...targets, ...hosts, ...targets.map((each, i) => withHost(each, HOSTS[i] as string))];
}

function withHost(text: string, host: string): string {
  return text.replace(/(\r\nhost:[ \t]*)[^\r\n]*/i, (_, name) => name + host);
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
  const { repeatKey: _key, linesKey: _lines, slot: _slot, runs, runCount, ...fields } = head as Record<string, unknown>;
  const used = (runs as readonly number[]).slice(0, (runCount as number) * 2);
  const said = Object.entries(fields).map(([name, value]) => {
    if (name.endsWith('LineEnd') && fields[name.replace(/End$/, 'Start')] === -1) return [name, null];
    const isAbsent = typeof value === 'object' && value !== null && 'start' in value && value.start === -1;
    return [name, isAbsent ? null : value];
  });
  return [used, said];
}
