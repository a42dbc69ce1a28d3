import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ChunkedDecoder, filterTrailers } from './chunked.ts';
import type { HeadLimits } from './head-scanner.ts';

const LIMITS: HeadLimits = {
  maxRequestLineBytes: 0,
  maxHeaderLineBytes: 100,
  maxHeadBytes: 300,
  maxHeaderCount: 10,
  allowUnderscoreHeaders: true,
  allowUnusualHeaders: true,
};

/** Feeds the pieces one after the other, each in a buffer of its own, as reads would. */
function decode(pieces: readonly string[]): { body: string; trailers: string; rest: string; end: string } {
  const decoder = new ChunkedDecoder();
  let body = '';
  for (const [index, piece] of pieces.entries()) {
    const buf = Buffer.from(piece, 'latin1');
    let at = 0;
    for (;;) {
      const event = decoder.next(buf, at, buf.length, LIMITS);
      at = decoder.position;
      if (event === 'data') {
        body += buf.latin1Slice(decoder.dataStart, decoder.dataEnd);
        continue;
      }
      if (event === 'more') break;
      const rest = event === 'end' ? buf.latin1Slice(at) + pieces.slice(index + 1).join('') : '';
      return { body, trailers: decoder.trailers, rest, end: event };
    }
  }
  return { body, trailers: decoder.trailers, rest: '', end: 'more' };
}

describe('accepted', () => {
  test.each([
    ['one chunk', '3\r\nabc\r\n0\r\n\r\n', 'abc', ''],
    ['several', '1\r\na\r\n2\r\nbc\r\n0\r\n\r\n', 'abc', ''],
    ['extensions', '3;a=b;c="d"\r\nabc\r\n0;x\r\n\r\n', 'abc', ''],
    ['trailers', '1\r\na\r\n0\r\nX: 1\r\nY: 2\r\n\r\n', 'a', 'X: 1\r\nY: 2\r\n'],
    ['leading zeros and capitals', '00A\r\n0123456789\r\n0\r\n\r\n', '0123456789', ''],
    ['an empty body', '0\r\n\r\n', '', ''],
  ])('%s, whole and byte by byte, up to its last byte', (_name, text, body, trailers) => {
    const want = { body, trailers, rest: 'NEXT', end: 'end' };
    expect(decode([`${text}NEXT`])).toEqual(want);
    expect(decode([...text, 'NEXT'])).toEqual(want);
  });
});

describe('refused', () => {
  test.each([
    ['no size', '\r\nabc'],
    ['a sign', '+3\r\nabc\r\n'],
    ['0x', '0x3\r\nabc\r\n'],
    ['white space after the size', '3 \r\nabc\r\n'],
    ['a bare LF after the size', '3\nabc\r\n'],
    ['a bare CR in an extension', '3;\rx\r\nabc\r\n'],
    ['NUL in an extension', '3;\0\r\nabc\r\n'],
    ['a wrong end of data', '3\r\nabcd\r\n'],
    ['a bare LF behind data', '3\r\nabc\n0\r\n\r\n'],
    ['a size that is too large', '1234567890123\r\n'],
    ['an extension that is too long', `1;${'x'.repeat(2000)}\r\na\r\n`],
    ['extensions that are too long together', `1;${'x'.repeat(1000)}\r\na\r\n`.repeat(20)],
    ['a trailer that is no header', '0\r\nnope\r\n\r\n'],
    ['a trailer that talks about framing', '0\r\nContent-Length: 1\r\n\r\n'],
    ['a trailer that is too long', `0\r\nX: ${'x'.repeat(200)}\r\n\r\n`],
    ['too many trailers', `0\r\n${`X: ${'x'.repeat(80)}\r\n`.repeat(5)}\r\n`],
  ])('%s', (_name, text) => {
    expect(decode([text]).end).toBe('fault');
    expect(decode([...text]).end).toBe('fault');
  });
});

test('property: any body in any chunks comes out as it went in, however it is split', () => {
  const body = fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).map(latin1), { maxLength: 8 });
  fc.assert(
    fc.property(body, fc.integer({ min: 1, max: 9 }), (chunks, size) => {
      const text = `${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')}0\r\n\r\n`;
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
      expect(decode(pieces)).toEqual({ body: chunks.join(''), trailers: '', rest: '', end: 'end' });
    }),
  );
});

test('trailers that could change framing, routing or credentials are not forwarded', () => {
  expect(filterTrailers('Content-Length: 1\r\nX-Sum: 1\r\nHost: a\r\nAuthorization: b\r\ngrpc-status: 0\r\n')).toBe(
    'X-Sum: 1\r\ngrpc-status: 0\r\n',
  );
});

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

describe('chunk extensions', () => {
  const chunk = (payload: number, extension: number) =>
    `${payload.toString(16)};${'x'.repeat(extension)}\r\n${'a'.repeat(payload)}\r\n`;

  test('are refused when they outweigh the payload by 16 KB', () => {
    expect(decode([chunk(1, 1000).repeat(16)]).end).toBe('more');
    expect(decode([chunk(1, 1000).repeat(17)]).end).toBe('fault');
  });

  test('never run out while payload goes with them, as in signed uploads', () => {
    const signed = chunk(4096, 85).repeat(1000);
    expect(decode([`${signed}0\r\n\r\n`])).toMatchObject({ end: 'end' });
  });

  test('payload does not buy extensions in advance', () => {
    expect(decode([chunk(100_000, 0) + chunk(1, 1000).repeat(17)]).end).toBe('fault');
  });
});
