import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type HeadLimits, NEED_MORE } from './head-scanner.ts';
import { RequestParser } from './request-parser.ts';

const LIMITS: HeadLimits = {
  maxRequestLineBytes: 200,
  maxHeaderLineBytes: 200,
  maxHeadBytes: 800,
  maxHeaderCount: 12,
  allowUnderscoreHeaders: false,
  allowUnusualHeaders: false,
};

/** Everything a parsed head says, as a plain value; or the fault. */
function parseIn(pieces: readonly string[], limits = LIMITS): unknown {
  const parser = new RequestParser();
  let fed = '';
  for (const piece of pieces) {
    fed += piece;
    const bytes = Buffer.from(fed, 'latin1');
    const next = parser.parse(bytes, 0, bytes.length, limits);
    if (next === NEED_MORE) continue;
    if (next < 0) return { fault: parser.fault };
    return { ...describeHead(parser), consumed: next };
  }
  return 'needs more';
}

function describeHead(parser: RequestParser): Record<string, unknown> {
  const { head } = parser;
  return {
    method: head.method,
    target: head.target,
    path: head.path,
    rawHost: head.rawHost,
    host: head.host,
    minorVersion: head.minorVersion,
    contentLength: head.contentLength,
    expectContinue: head.expectContinue,
    close: head.connection.close,
    keepAlive: head.connection.keepAlive,
    upgrade: head.connection.upgrade ? head.textOf(head.upgrade) : '',
    forwardedFor: head.forwardedFor,
    kept: Array.from({ length: head.runCount }, (_, i) => head.text.slice(head.runs[i * 2], head.runs[i * 2 + 1])).join(
      '',
    ),
  };
}

const parse = (text: string): unknown => parseIn([text]);
const request = (headers: string, line = 'GET / HTTP/1.1'): string => `${line}\r\nHost: a\r\n${headers}\r\n`;

describe('names that only some servers tell apart', () => {
  const NAMES = ['X-Plain', 'x9', 'X_Under', 'X.Dot', 'X!Bang', 'X~Tilde', '`', "X_Both'"];
  test.each<[string, Partial<HeadLimits>, readonly string[]]>([
    ['go on when they are plain', {}, ['X-Plain', 'x9']],
    ['or have underscores, where allowed', { allowUnderscoreHeaders: true }, ['X-Plain', 'x9', 'X_Under']],
    [
      'or are unusual, where allowed',
      { allowUnusualHeaders: true },
      ['X-Plain', 'x9', 'X.Dot', 'X!Bang', 'X~Tilde', '`'],
    ],
    ['all of them where both are', { allowUnderscoreHeaders: true, allowUnusualHeaders: true }, NAMES],
  ])('%s', (_name, more, expected) => {
    const lines = (names: readonly string[]): string => names.map((name) => `${name}: 1\r\n`).join('');
    expect(parseIn([request(lines(NAMES))], { ...LIMITS, ...more })).toMatchObject({ kept: lines(expected) });
  });
});

describe('accepted', () => {
  test('keeps unknown headers as contiguous text and takes the others out', () => {
    const text = request(
      'A: 1\r\nB:2\r\nConnection: close\r\nC: \r\nX-Forwarded-For: 9.9.9.9\r\nProxy: evil\r\nX_Y: 1\r\nD: \xe4\t\r\n',
    );
    expect(parse(text)).toMatchObject({
      kept: 'A: 1\r\nB:2\r\nC: \r\nD: \xe4\t\r\n',
      close: true,
      forwardedFor: '9.9.9.9',
      consumed: text.length,
    });
  });

  test.each([
    ['one empty line first', `\r\n${request('')}`, { method: 'GET', path: '/' }],
    [
      'absolute form',
      'GET http://A:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n',
      { target: '/x?y', path: '/x', host: 'a', rawHost: 'A:80' },
    ],
    ['absolute form without path', 'GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n', { target: '/?q', path: '/' }],
    ['HTTP/1.0 without Host', 'GET / HTTP/1.0\r\n\r\n', { host: '', minorVersion: 0 }],
    [
      'a host in capitals with port and dot',
      'GET / HTTP/1.1\r\nHost: WWW.A.Test.:8080\r\n\r\n',
      { host: 'www.a.test' },
    ],
    ['an IPv6 host', 'GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n', { host: '[::1]' }],
    [
      'several X-Forwarded-For lines',
      request('X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For:\r\nX-Forwarded-For: 2.2.2.2, 3.3.3.3\r\n'),
      { forwardedFor: '1.1.1.1, 2.2.2.2, 3.3.3.3' },
    ],
    [
      'an empty X-Forwarded-For behind another',
      request('X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For:\r\n'),
      { forwardedFor: '1.1.1.1' },
    ],
    ['sixteen connection options', request(`Connection: ${'x,'.repeat(16)}\r\nX: 1\r\n`), { kept: '' }],
    ['a length', request('Content-Length: 007\r\n'), { contentLength: 7 }],
    ['chunked', request('transfer-encoding: Chunked\r\n'), { contentLength: -1 }],
    [
      'an upgrade',
      request('Connection: foo, Upgrade\r\nUpgrade: websocket\r\nFoo: 1\r\nBar: 2\r\n'),
      { upgrade: 'websocket', kept: 'Bar: 2\r\n' },
    ],
    [
      'options that name protected headers',
      request('Connection: host, x-forwarded-for, cookie\r\nCookie: c\r\n'),
      { kept: 'Cookie: c\r\n', host: 'a' },
    ],
    ['an unusual method', request('', 'M-SEARCH /x HTTP/1.1'), { method: 'M-SEARCH', path: '/x' }],
    ['raw bytes in the target', request('', 'GET /a"<>{}|\xc3\xbc?\x80 HTTP/1.1'), { path: '/a"<>{}|ü' }],
  ])('%s', (_name, text, want) => {
    expect(parse(text)).toMatchObject(want);
  });
});

describe('refused (RFC 9112 section in brackets)', () => {
  test.each([
    ['bare LF after the request line [2.2]', 'GET / HTTP/1.1\nHost: a\r\n\r\n', 'badRequestLine'],
    ['bare LF after a header [2.2]', 'GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n', 'badHeader'],
    ['bare CR in a value [2.2]', request('X: a\rb\r\n'), 'badHeader'],
    ['NUL in a value [5.5]', request('X: a\0b\r\n'), 'badHeader'],
    ['a fold [5.2]', request('X: a\r\n b\r\n'), 'badHeader'],
    ['space before the colon [5.1]', request('X : a\r\n'), 'badHeader'],
    ['an empty name', request(': a\r\n'), 'badHeader'],
    ['a name with a bad byte', request('X\xe4: a\r\n'), 'badHeader'],
    ['no colon', request('nothing\r\n'), 'badHeader'],
    ['two lengths, equal [6.3]', request('Content-Length: 1\r\nContent-Length: 1\r\n'), 'severalContentLengths'],
    ['a length list [6.3]', request('Content-Length: 1, 1\r\n'), 'badContentLength'],
    ['a signed length', request('Content-Length: +1\r\n'), 'badContentLength'],
    ['an empty length', request('Content-Length:\r\n'), 'badContentLength'],
    ['a length with white space inside', request('Content-Length: 1 1\r\n'), 'badContentLength'],
    [
      'length and chunked [6.1]',
      request('Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'),
      'lengthAndTransferEncoding',
    ],
    ['chunked and length', request('Transfer-Encoding: chunked\r\nContent-Length: 1\r\n'), 'lengthAndTransferEncoding'],
    ['gzip, chunked [6.1]', request('Transfer-Encoding: gzip, chunked\r\n'), 'badTransferEncoding'],
    ['identity', request('Transfer-Encoding: identity\r\n'), 'badTransferEncoding'],
    ['chunked twice', request('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'), 'badTransferEncoding'],
    ['a tab behind chunked', request('Transfer-Encoding: chunked\t\r\n'), 'badTransferEncoding'],
    ['a tab before a length', request('Content-Length:\t1\r\n'), 'badContentLength'],
    ['chunked in disguise', request('Transfer-Encoding: \x0bchunked\r\n'), 'badHeader'],
    ['chunked in HTTP/1.0 [6.1]', 'GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 'badTransferEncoding'],
    ['no Host [3.2]', 'GET / HTTP/1.1\r\n\r\n', 'missingHost'],
    ['two Hosts [3.2]', request('Host: a\r\n'), 'severalHosts'],
    ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 'badHost'],
    ['a Host with userinfo', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', 'badHost'],
    ['a Host with a bad port', 'GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n', 'badHost'],
    ['a Host with empty labels', 'GET / HTTP/1.1\r\nHost: a..b\r\n\r\n', 'badHost'],
    ['an authority that is not the Host [3.2.2]', 'GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n', 'hostMismatch'],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost: \r\n\r\n', 'badHost'],
    ['an empty Host in HTTP/1.0', 'GET / HTTP/1.0\r\nHost: \r\n\r\n', 'badHost'],
    ['a method in lower case', request('', 'get / HTTP/1.1'), 'badMethod'],
    ['seventeen connection options', request(`Connection: ${'x,'.repeat(17)}\r\n`), 'badHeader'],
    ['seventeen in two lines', request(`Connection: ${'x,'.repeat(9)}\r\n`.repeat(2)), 'badHeader'],
    ['an asterisk', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
    ['a target without slash', 'GET a HTTP/1.1\r\nHost: a\r\n\r\n', 'badTarget'],
    ['a fragment [3.2]', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
    ['two spaces [3]', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
    ['HTTP/0.9', 'GET /\r\n\r\n', 'badRequestLine'],
    ['a version of another kind', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 'badVersion'],
    ['a version in lower case', 'GET / http/1.1\r\nHost: a\r\n\r\n', 'badRequestLine'],
    ['dots above the root', 'GET /../x HTTP/1.1\r\nHost: a\r\n\r\n', 'badPath'],
    ['an encoded NUL', 'GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n', 'badPath'],
    ['a broken escape', 'GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n', 'badPath'],
    ['an expectation we do not know', request('Expect: tea\r\n'), 'badExpect'],
    ['TRACE', request('', 'TRACE / HTTP/1.1'), 'methodNotAllowed'],
    ['a long request line', request('', `GET /${'a'.repeat(200)} HTTP/1.1`), 'requestLineTooLong'],
    ['a long header', request(`X: ${'a'.repeat(200)}\r\n`), 'headersTooLarge'],
    ['a long head', request(`X: ${'a'.repeat(190)}\r\n`.repeat(5)), 'headersTooLarge'],
    ['many headers', request('X: 1\r\n'.repeat(12)), 'tooManyHeaders'],
    ['TLS', '\x16\x03\x01\x02', 'badMethod'],
  ])('%s', (_name, text, fault) => {
    expect(parse(text)).toEqual({ fault });
  });
});

describe('path normalisation for matching, as nginx', () => {
  test.each([
    ['/a//b', '/a/b'],
    ['/a/./b/../c', '/a/c'],
    ['/a/..', '/'],
    ['/a/b/..', '/a/'],
    ['/a/.', '/a/'],
    ['/%61%2Fb', '/a/b'],
    ['/a/%2e%2e/b', '/b'],
    ['/a;x/b', '/a;x/b'],
    ['/a\\..\\b', '/a\\..\\b'],
    ['/%c3%bc', '/ü'],
    ['/a+b', '/a+b'],
    ['/.well-known/x', '/.well-known/x'],
    ['/a%25b', '/a%b'],
    ['///', '/'],
  ])('%s is %s', (target, path) => {
    expect(parse(request('', `GET ${target} HTTP/1.1`))).toMatchObject({ path, target });
  });
});

const fragment = fc.constantFrom(
  'GET',
  'POST',
  ' ',
  '/',
  '/a',
  '//',
  '/..',
  '%2e',
  '%',
  '?q',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  '\r\n',
  '\r',
  '\n',
  ':',
  'Host: a',
  'Host:',
  'Content-Length: 3',
  'Content-Length: x',
  'Transfer-Encoding: chunked',
  'Connection: close, foo',
  'Foo: bar',
  'X_Y: 1',
  'Expect: 100-continue',
  '\0',
  '\xff',
  '\t',
  'a'.repeat(60),
  'http://a',
);
const messy = fc.array(fragment, { maxLength: 40 }).map((parts) => parts.join(''));
const tidy = fc
  .tuple(
    fc.constantFrom('GET / HTTP/1.1', 'POST /a//b?c HTTP/1.1', 'GET http://a/x HTTP/1.1'),
    fc.array(
      fc.constantFrom(
        'A: 1',
        'B_c: 2',
        'Content-Length: 5',
        'Connection: x, close',
        'X: a\tb',
        'Host: a',
        'Bad Header',
        'Y: \x01',
      ),
      { maxLength: 8 },
    ),
  )
  .map(([line, headers]) => `${line}\r\nHost: a\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\nrest`);

test('property: whole, byte by byte and in random pieces give the same result', () => {
  fc.assert(
    fc.property(fc.oneof(messy, tidy), fc.array(fc.nat(400), { maxLength: 6 }), (text, cuts) => {
      const whole = parse(text);
      expect(parseIn(text.split(''))).toEqual(whole);
      expect(parseIn(split(text, cuts))).toEqual(whole);
    }),
    { numRuns: 2000 },
  );
});

function split(text: string, cuts: readonly number[]): string[] {
  const at = [...new Set(cuts.map((cut) => Math.min(cut, text.length)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => text.slice(from, at[i] ?? text.length));
}
