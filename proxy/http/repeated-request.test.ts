// Heads that differ in target and Host alone are read in part; the reading must be the one of a new parser, and every rule
// must still be held.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FAILED, type HeadLimits } from './head-scanner.ts';
import { RequestParser } from './request-parser.ts';

const LIMITS: HeadLimits = {
  maxRequestLineBytes: 60,
  maxHeaderLineBytes: 60,
  maxHeadBytes: 190,
  maxHeaderCount: 10,
  allowUnderscoreHeaders: false,
  allowUnusualHeaders: false,
};

/** Lines around `Host: `, which stands where the mark is. */
const LINES = [
  '|',
  'X-A: 1\r\n|X-B: 2\r\n',
  '|X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\nX-Request-ID: 7\r\nReferer: r\r\n',
  'X-Forwarded-Host: h\r\nForwarded: for=b\r\n|Forwarded: for=c\r\nX_Y: 1\r\nUser-Agent: u\r\n',
  '|Content-Length: 5\r\nConnection: close, x-a\r\nX-A: 1\r\nX-B: 2\r\nUpgrade: w\r\n',
  'X-Long: 12345678901234567890123456789012345\r\n|X-Long: 12345678901234567890123456789012345678901234567890\r\nX-C: 1\r\n',
] as const;
const TARGETS = [
  '/',
  '/a',
  '/bb?c=/../d',
  '/%41/./b//',
  '/..',
  '/%zz',
  '/a b',
  '/\r',
  '/ä',
  '*',
  'http://a/',
  '',
  '/#',
];
const HOSTS = [
  'a',
  'a.b',
  'a-1_2.example',
  'A',
  'a:80',
  'a:x',
  'a.',
  '.a',
  'a..b',
  'a\x00',
  'a b',
  '[::1]',
  '',
  'a\r\nX: 1',
];

const target = fc.oneof(
  fc.constantFrom(...TARGETS),
  fc.nat(60).map((length) => `/${'t'.repeat(length)}`),
);
const host = fc.oneof(
  fc.constantFrom(...HOSTS),
  fc.nat(60).map((length) => 'h'.repeat(length)),
);
const part = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(LINES.length - 1));
const head = fc.record({
  target,
  host,
  part,
  gap: fc.constantFrom(' ', ' ', '', ' \t'),
  tail: fc.constantFrom('', '', ' '),
});

function textOf(target: string, host: string, lines = '|', gap = ' ', tail = ''): string {
  return `GET ${target} HTTP/1.1\r\n${lines.replace('|', () => `Host:${gap}${host}${tail}\r\n`)}\r\n`;
}

function parse(parser: RequestParser, text: string): number {
  // Bytes in front and behind: neither may matter.
  const buf = Buffer.from(`##${text}GET`, 'latin1');
  parser.reset();
  const next = parser.parse(buf, 2, buf.length, LIMITS);
  return next < 0 ? next : next - 2;
}

/** All that a parser says of a head; ranges as the text they stand for. */
function reading(parser: RequestParser, text: string): unknown {
  const next = parse(parser, text);
  if (next < 0) return next === FAILED ? parser.fault : 'incomplete';
  const { head } = parser;
  const ranges = ['upgrade', 'xForwardedFor', 'xForwardedHost', 'xRequestId', 'referer', 'userAgent'] as const;
  const { method, target, path, rawHost, host, contentLength, requestLineEnd, forwardedFor } = head;
  return {
    ...{ next, text: head.text, method, target, path, rawHost, host, contentLength, requestLineEnd, forwardedFor },
    kept: head.keptText(),
    trusted: head.trustedRuns.map((at) => head.text.slice(at)),
    ranges: ranges.map((name) => [head[name].start === -1, head.textOf(head[name])]),
    close: head.connection.close,
  };
}

test('the same reading as a new parser, whatever came before', () => {
  fc.assert(
    fc.property(fc.array(head, { minLength: 2, maxLength: 20 }), (heads) => {
      const parser = new RequestParser();
      for (const { target, host, part, gap, tail } of heads) {
        const text = textOf(target, host, LINES[part], gap, tail);
        expect(reading(parser, text)).toEqual(reading(new RequestParser(), text));
      }
    }),
    { numRuns: 2000 },
  );
});

describe('is taken for similar', () => {
  test.each([
    ['another target', '/other', 'a'],
    ['a longer target and a query', '/first/and/more?q=1', 'a'],
    ['a target to be normalised', '/x/../y', 'a'],
    ['another host', '/first', 'b'],
    ['a longer host', '/first', 'a.b.example'],
    ['both', '/second', 'b.example'],
  ])('%s', (_, target, host) => {
    const parser = new RequestParser();
    parse(parser, textOf('/first', 'a', LINES[2]));
    const { linesKey, repeatKey } = parser.head;
    parse(parser, textOf(target, host, LINES[2]));
    expect(parser.head.target).toBe(target);
    expect(parser.head.host).toBe(host);
    expect(parser.head.linesKey).toBe(linesKey);
    expect(parser.head.repeatKey).not.toBe(repeatKey);
  });

  test('what a similar head was itself, and the first one again', () => {
    const parser = new RequestParser();
    const keys = ['/a', '/bb', '/bb', '/a', '/a'].map((target) => {
      parse(parser, textOf(target, 'h'));
      return [parser.head.linesKey, parser.head.repeatKey];
    });
    expect(keys).toEqual([
      [1, 1],
      [1, 2],
      [1, 2],
      [1, 3],
      [1, 3],
    ]);
  });
});

describe('is parsed anew', () => {
  test.each([
    ['another method', textOf('/a', 'h').replace('GET', 'PUT')],
    ['another version', textOf('/a', 'h').replace('HTTP/1.1', 'HTTP/1.0')],
    ['another header', textOf('/a', 'h', '|X: 1\r\n')],
    ['no Host', 'GET /a HTTP/1.0\r\n\r\n'],
    ['a host in capitals', textOf('/a', 'H')],
    ['an empty line in front', `\r\n${textOf('/b', 'h')}`],
  ])('%s', (_, text) => {
    const parser = new RequestParser();
    parse(parser, textOf('/a', 'h'));
    expect(parse(parser, text)).toBe(text.length);
    expect(parser.head.linesKey).toBe(2);
  });
});

test('each limit holds to the byte, for what is similar as for what is new', () => {
  for (let length = 1; length < 70; length++) {
    for (const lines of LINES) {
      for (const text of [
        textOf(`/${'t'.repeat(length)}`, 'h', lines),
        textOf('/t', 'h'.repeat(length), lines),
        textOf(`/${'t'.repeat(length >> 1)}`, 'h'.repeat(Math.max(1, length - 8)), lines),
      ]) {
        const parser = new RequestParser();
        parse(parser, textOf('/t', 'h', lines));
        parse(parser, textOf('/longer', 'hh', lines));
        expect(reading(parser, text)).toEqual(reading(new RequestParser(), text));
      }
    }
  }
});
