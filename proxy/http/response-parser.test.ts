import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type HeadLimits, NEED_MORE } from './head-scanner.ts';
import { CHUNKED, UNTIL_CLOSE } from './response-head.ts';
import { ResponseParser } from './response-parser.ts';

const LIMITS: HeadLimits = {
  maxRequestLineBytes: 0,
  maxHeaderLineBytes: 200,
  maxHeadBytes: 600,
  maxHeaderCount: 10,
  allowUnderscoreHeaders: true,
  allowUnusualHeaders: true,
};

function parseIn(pieces: readonly string[]): unknown {
  const parser = new ResponseParser();
  let fed = '';
  for (const piece of pieces) {
    fed += piece;
    const bytes = Buffer.from(fed, 'latin1');
    const next = parser.parse(bytes, 0, bytes.length, LIMITS);
    if (next === NEED_MORE) continue;
    if (next < 0) return { fault: parser.fault };
    const { head } = parser;
    const kept = Array.from({ length: head.runCount }, (_, i) =>
      head.text.slice(head.runs[i * 2], head.runs[i * 2 + 1]),
    );
    return {
      status: head.status,
      line: head.text.slice(head.statusLineStart, head.statusLineEnd),
      contentLength: head.contentLength,
      minorVersion: head.minorVersion,
      hasDate: head.hasDate,
      close: head.connection.close,
      kept: kept.join(''),
      consumed: next,
    };
  }
  return 'needs more';
}

const parse = (text: string): unknown => parseIn([text]);
const response = (headers: string, line = 'HTTP/1.1 200 OK'): string => `${line}\r\n${headers}\r\n`;

describe('accepted', () => {
  test.each([
    ['a length', response('Content-Length: 5\r\n'), { contentLength: 5, line: ' 200 OK' }],
    ['chunked', response('Transfer-Encoding: chunked\r\n'), { contentLength: CHUNKED }],
    ['neither', response(''), { contentLength: UNTIL_CLOSE }],
    ['a 1xx with a length of 0', response('Content-Length: 0\r\n', 'HTTP/1.1 100 Continue'), { status: 100 }],
    ['no reason phrase', response('', 'HTTP/1.1 200 '), { line: ' 200 ' }],
    ['no reason phrase and no space', response('', 'HTTP/1.1 404'), { line: ' 404', status: 404 }],
    ['a reason phrase with bytes above ASCII', response('', 'HTTP/1.1 200 d\xe9j\xe0'), { line: ' 200 d\xe9j\xe0' }],
    ['HTTP/1.0', response('Connection: keep-alive\r\n', 'HTTP/1.0 200 OK'), { minorVersion: 0 }],
    [
      'hop-by-hop, Server and HSTS lines taken out, several Set-Cookie kept apart',
      response(
        'Server: x\r\nSet-Cookie: a\r\nKeep-Alive: 1\r\nSet-Cookie: b\r\nConnection: Foo\r\nFoo: 1\r\nDate: d\r\n',
      ),
      { kept: 'Set-Cookie: a\r\nSet-Cookie: b\r\nDate: d\r\n', hasDate: true },
    ],
    [
      'words to an nginx taken out',
      response(
        'X-Accel-Redirect: /internal\r\nX-Accel-Buffering: no\r\nx-accel-limit-rate: 9\r\nX-Accel-Expires: 9\r\nX-Accel-Charset: x\r\nX-Accel-Other: 1\r\n',
      ),
      { kept: 'X-Accel-Other: 1\r\n' },
    ],
  ])('%s', (_name, text, want) => {
    expect(parse(text)).toMatchObject(want);
  });
});

describe('refused', () => {
  test.each([
    ['two lengths', response('Content-Length: 1\r\nContent-Length: 2\r\n'), 'severalContentLengths'],
    ['a bad length', response('Content-Length: 1,1\r\n'), 'badContentLength'],
    [
      'length and chunked',
      response('Transfer-Encoding: chunked\r\nContent-Length: 1\r\n'),
      'lengthAndTransferEncoding',
    ],
    ['another coding', response('Transfer-Encoding: gzip, chunked\r\n'), 'badTransferEncoding'],
    ['chunked in HTTP/1.0', response('Transfer-Encoding: chunked\r\n', 'HTTP/1.0 200 OK'), 'badTransferEncoding'],
    ['a 1xx with a length', response('Content-Length: 1\r\n', 'HTTP/1.1 100 Continue'), 'badContentLength'],
    ['a 1xx with a coding', response('Transfer-Encoding: chunked\r\n', 'HTTP/1.1 103 X'), 'badTransferEncoding'],
    ['a status of two digits', response('', 'HTTP/1.1 20 OK'), 'badStatusLine'],
    ['a status beyond 599', response('', 'HTTP/1.1 600 X'), 'badStatusLine'],
    ['another protocol', response('', 'ICY/1.1 200 OK'), 'badStatusLine'],
    ['a control byte in the reason', response('', 'HTTP/1.1 200 O\x01'), 'badStatusLine'],
    ['bare line feeds', 'HTTP/1.1 200 OK\nContent-Length: 1\n\n', 'badStatusLine'],
    ['white space before a colon', response('A : 1\r\n'), 'badHeader'],
    ['a fold', response('A: 1\r\n 2\r\n'), 'badHeader'],
    ['a long line', response(`A: ${'x'.repeat(300)}\r\n`), 'headersTooLarge'],
  ])('%s', (_name, text, fault) => {
    expect(parse(text)).toEqual({ fault });
  });
});

test('property: the split into reads does not matter', () => {
  const part = fc.constantFrom(
    'HTTP/1.1 200 OK',
    'HTTP/1.0 304',
    '\r\n',
    '\n',
    '\r',
    'A: b',
    'Content-Length: 3',
    'X',
    ': ',
    '\0',
    'y'.repeat(80),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), fc.nat(200), (parts, cut) => {
      const text = parts.join('');
      const whole = parse(text);
      expect(parseIn(text.split(''))).toEqual(whole);
      expect(parseIn([text.slice(0, cut), text.slice(cut)])).toEqual(whole);
    }),
    { numRuns: 1000 },
  );
});

test.each([597, 598, 599, 600, 601, 602, 603])(
  'a head whose last line ends at byte %d is read alike however it is cut',
  (bytes) => {
    const line = 'HTTP/1.1 200 OK\r\n';
    const filler = `A: ${'a'.repeat(180)}\r\n`.repeat(3);
    const last = `B: ${'b'.repeat(bytes - line.length - filler.length - 3)}`;
    const text = `${line}${filler}${last}\r\n\r\n`;
    const whole = parse(text);
    expect(whole).toMatchObject(bytes <= LIMITS.maxHeadBytes ? { status: 200 } : { fault: 'headersTooLarge' });
    expect(parseIn(text.split(''))).toEqual(whole);
  },
);
