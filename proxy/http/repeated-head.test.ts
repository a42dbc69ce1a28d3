// A parser that recognises repeated heads must give what a new parser gives, whatever came before.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FAILED, type HeadLimits } from './head-scanner.ts';
import { RequestParser } from './request-parser.ts';
import { ResponseParser } from './response-parser.ts';

const LIMITS: HeadLimits = {
  maxRequestLineBytes: 100,
  maxHeaderLineBytes: 100,
  maxHeadBytes: 2000,
  maxHeaderCount: 10,
  allowUnderscoreHeaders: false,
  allowUnusualHeaders: false,
};
const WITH_UNDERSCORES: HeadLimits = { ...LIMITS, allowUnderscoreHeaders: true };
const FEW_HEADERS: HeadLimits = { ...LIMITS, maxHeaderCount: 1 };

const REQUESTS = [
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: b\r\n\r\n',
  'GET / HTTP/1.0\r\n\r\n',
  '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nX_Y: 1\r\nX-Request-ID: 7\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n',
  'POST /%41/../b?c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close, x-y\r\nX-Y: 1\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nForwarded: for=b\r\nUpgrade: c\r\nConnection: upgrade\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n',
  'GET / HTTP/1.1\r\nHost : a\r\n\r\n',
  `GET / HTTP/1.1\r\nHost: a\r\n${`X-Long: ${'y'.repeat(80)}\r\n`.repeat(8)}\r\n`,
] as const;

const RESPONSES = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n',
  'HTTP/1.1 204 No Content\r\nServer: s\r\nDate: d\r\n\r\n',
  'HTTP/1.0 200 OK\r\nConnection: keep-alive, x-y\r\nX-Y: 1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nStrict-Transport-Security: a\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
  'HTTP/1.1 2x0 OK\r\n\r\n',
] as const;

const feed = fc.record({
  index: fc.nat(),
  limits: fc.constantFrom(LIMITS, LIMITS, LIMITS, WITH_UNDERSCORES, FEW_HEADERS),
  /** Where the bytes are cut in two reads; most heads come whole. */
  cut: fc.option(fc.nat(), { freq: 3 }),
  repeats: fc.integer({ min: 1, max: 4 }),
});

interface Parser {
  readonly head: object;
  readonly fault: string;
  reset(): void;
  parse(buf: Buffer, start: number, end: number, limits: HeadLimits): number;
}

/** What a parser says of one head; `parse` begins anew for each. */
function reading(parser: Parser, text: string, limits: HeadLimits, cut: number | null): unknown {
  // Bytes in front and behind: neither may matter.
  const buf = Buffer.from(`##${text}trailing`, 'latin1');
  const end = 2 + text.length;
  parser.reset();
  if (cut !== null) {
    const first = parser.parse(buf, 2, 2 + (cut % text.length), limits);
    if (first !== -1) return outcome(parser, first);
  }
  return outcome(parser, parser.parse(buf, 2, end, limits));
}

function outcome(parser: Parser, next: number): unknown {
  if (next === FAILED) return parser.fault;
  const {
    repeatKey,
    linesKey: _linesKey,
    runs,
    ...head
  } = structuredClone({ ...parser.head }) as Record<string, unknown>;
  const { runCount } = head as { runCount: number };
  expect(repeatKey).not.toBe(0);
  return { next, head, runs: (runs as number[]).slice(0, runCount * 2) };
}

test.each([
  ['requests', REQUESTS, () => new RequestParser()],
  ['responses', RESPONSES, () => new ResponseParser()],
] as [string, readonly string[], () => Parser][])('%s: the same reading as a new parser', (_, texts, make) => {
  fc.assert(
    fc.property(fc.array(feed, { minLength: 1, maxLength: 30 }), (feeds) => {
      const parser = make();
      for (const { index, limits, cut, repeats } of feeds) {
        const text = texts[index % texts.length] as string;
        for (let i = 0; i < repeats; i++) {
          const got = reading(parser, text, limits, cut);
          expect(withoutUnset(got)).toEqual(withoutUnset(reading(make(), text, limits, cut)));
        }
      }
    }),
  );
});

/** A range whose start is -1 says nothing, wherever its end points. */
function withoutUnset(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, each) => {
    if (each?.start === -1) return null;
    for (const key of Object.keys(each ?? {})) {
      if (key.endsWith('LineStart') && each[key] === -1) delete each[key.replace('Start', 'End')];
    }
    return each;
  });
}

test('an equal head keeps its key, any other changes it', () => {
  const parser = new RequestParser();
  const keys = [REQUESTS[0], REQUESTS[0], REQUESTS[1], REQUESTS[0], REQUESTS[0]].map((text) => {
    reading(parser, text, LIMITS, null);
    return parser.head.repeatKey;
  });
  expect(keys).toEqual([1, 1, 2, 3, 3]);
});

test('heads that never repeat are not remembered for ever, and repetition is found again', () => {
  const parser = new RequestParser();
  for (let i = 0; i < 100; i++) reading(parser, `GET / HTTP/1.1\r\nHost: a\r\nX: ${i}\r\n\r\n`, LIMITS, null);
  const keys = new Set<number>();
  for (let i = 0; i < 200; i++) {
    reading(parser, REQUESTS[0], LIMITS, null);
    keys.add(parser.head.repeatKey);
  }
  expect(keys.size).toBeLessThanOrEqual(65);
});
