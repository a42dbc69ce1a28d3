import { describe, expect, test } from '@jest/globals';
import { ResponseParser } from '../http/response-parser.ts';
import {
  type BodyFraming,
  framingOf,
  type ResponseTextParts,
  renderInformational,
  renderResponse,
  renderResponseAgain,
} from './response-text.ts';

const LIMITS = {
  maxRequestLineBytes: 0,
  maxHeaderLineBytes: 1000,
  maxHeadBytes: 4000,
  maxHeaderCount: 50,
  allowUnderscoreHeaders: true,
  allowUnusualHeaders: true,
};

const PARTS: ResponseTextParts = {
  framing: 'length',
  dateLine: 'Date: now\r\n',
  commonLines: '',
  passServer: false,
  passHsts: true,
  connection: '',
};

function parse(lines: string, parser = new ResponseParser()) {
  const bytes = Buffer.from(`HTTP/1.1 ${lines}\r\n`, 'latin1');
  parser.reset();
  if (parser.parse(bytes, 0, bytes.length, LIMITS) !== bytes.length) throw new Error(parser.fault);
  return parser.head;
}

function rendered(lines: string, parts: Partial<ResponseTextParts> = {}): string {
  return renderResponse(parse(lines), { ...PARTS, ...parts });
}

describe('framing by what the client can read', () => {
  test.each<[string, string, boolean, number, BodyFraming]>([
    ['no body', '200 OK\r\nContent-Length: 5\r\n', false, 1, 'none'],
    ['a length', '200 OK\r\nContent-Length: 5\r\n', true, 1, 'length'],
    ['a length, HTTP/1.0', '200 OK\r\nContent-Length: 5\r\n', true, 0, 'length'],
    ['chunked', '200 OK\r\nTransfer-Encoding: chunked\r\n', true, 1, 'chunked'],
    ['chunked, HTTP/1.0', '200 OK\r\nTransfer-Encoding: chunked\r\n', true, 0, 'untilClose'],
    ['until close', '200 OK\r\n', true, 1, 'chunked'],
    ['until close, HTTP/1.0', '200 OK\r\n', true, 0, 'untilClose'],
  ])('%s', (_name, lines, hasBody, minorVersion, expected) => {
    expect(framingOf(parse(lines), hasBody, minorVersion)).toBe(expected);
  });
});

describe('lines of the head', () => {
  test.each<[string, string, Partial<ResponseTextParts>, string]>([
    [
      'status line and kept lines as they came, in order',
      '299 Quite  Odd\r\nX-B: 1\r\nx-a:2 \r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n',
      {},
      'HTTP/1.1 299 Quite  Odd\r\nX-B: 1\r\nx-a:2 \r\nSet-Cookie: a\r\nSet-Cookie: b\r\nDate: now\r\nContent-Length: 0\r\n\r\n',
    ],
    [
      'its own Date stays the only one',
      '200 OK\r\nDate: then\r\nContent-Length: 0\r\n',
      {},
      'HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 0\r\n\r\n',
    ],
    [
      'hop-by-hop lines go, also those that Connection names',
      '200 OK\r\nConnection: x-a\r\nX-A: 1\r\nKeep-Alive: 1\r\nUpgrade: x\r\nContent-Length: 0\r\n',
      {},
      'HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\n\r\n',
    ],
    [
      'Server is replaced',
      '200 OK\r\nServer: own\r\nContent-Length: 0\r\n',
      { commonLines: 'Server: sluice\r\n' },
      'HTTP/1.1 200 OK\r\nDate: now\r\nServer: sluice\r\nContent-Length: 0\r\n\r\n',
    ],
    [
      'Server is passed on',
      '200 OK\r\nServer: own\r\nContent-Length: 0\r\n',
      { passServer: true },
      'HTTP/1.1 200 OK\r\nServer: own\r\nDate: now\r\nContent-Length: 0\r\n\r\n',
    ],
    [
      'Strict-Transport-Security is not passed on beside ours',
      '200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 0\r\n',
      { passHsts: false },
      'HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\n\r\n',
    ],
    [
      'chunked instead of no framing',
      '200 OK\r\n',
      { framing: 'chunked' },
      'HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    [
      'neither length nor coding until close',
      '200 OK\r\nTransfer-Encoding: chunked\r\n',
      { framing: 'untilClose', connection: 'close' },
      'HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\n\r\n',
    ],
    [
      'a HEAD answer keeps the length of the body it does not have',
      '200 OK\r\nContent-Length: 5\r\n',
      { framing: 'none' },
      'HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\n',
    ],
    [
      'a 304 keeps its length',
      '304 Not Modified\r\nContent-Length: 5\r\n',
      { framing: 'none' },
      'HTTP/1.1 304 Not Modified\r\nDate: now\r\nContent-Length: 5\r\n\r\n',
    ],
    [
      'a 204 has none (RFC 9110 §8.6)',
      '204 No Content\r\nContent-Length: 5\r\n',
      { framing: 'none' },
      'HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n',
    ],
  ])('%s', (_name, lines, parts, expected) => {
    expect(rendered(lines, parts)).toBe(expected);
  });

  test('a 1xx has neither Date nor headers of ours', () => {
    expect(renderInformational(parse('103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n'))).toBe(
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
    );
  });
});

describe('the text of last time', () => {
  const LINES = '200 OK\r\nServer: own\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 0\r\n';

  /** Every part, by the type: one that is forgotten in the comparison would leak from one response into another. */
  const changes: Record<keyof ResponseTextParts, Partial<ResponseTextParts>> = {
    framing: { framing: 'chunked' },
    dateLine: { dateLine: 'Date: later\r\n' },
    commonLines: { commonLines: 'A: b\r\n' },
    passServer: { passServer: true },
    passHsts: { passHsts: false },
    connection: { connection: 'close' },
  };

  test.each(Object.entries(changes))('is not used with another %s', (_name, changed) => {
    const parser = new ResponseParser();
    const head = parse(LINES, parser);
    renderResponseAgain(head, PARTS);
    const parts = { ...PARTS, ...changed };
    for (let i = 0; i < 2; i++) {
      expect(renderResponseAgain(parse(LINES, parser), parts)).toBe(renderResponse(parse(LINES), parts));
      expect(renderResponseAgain(parse(LINES, parser), PARTS)).toBe(renderResponse(parse(LINES), PARTS));
    }
  });

  test('has the lines of one response in that response only', () => {
    const parser = new ResponseParser();
    for (const added of ['', 'Set-Cookie: a=1\r\n', 'Set-Cookie: a=2\r\n', '']) {
      const text = renderResponseAgain(parse(LINES, parser), PARTS, added);
      expect(text).toBe(rendered(LINES).replace(/\r\n$/, `${added}\r\n`));
    }
  });

  test('is not used for another head', () => {
    const parser = new ResponseParser();
    for (const lines of [LINES, LINES.replace('own', 'two'), LINES, LINES.replace('200', '201'), LINES]) {
      expect(renderResponseAgain(parse(lines, parser), PARTS)).toBe(rendered(lines));
    }
  });
});
