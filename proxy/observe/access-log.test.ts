import { expect, test } from '@jest/globals';
import { RequestParser } from '../http/request-parser.ts';
import { emptyGlobal } from '../table/defaults.ts';
import { AccessLog, renderLine, renderTime } from './access-log.ts';
import { RequestRecord } from './observer.ts';

const AT = Date.UTC(2026, 10, 21, 8, 41, 5);

function recordOf(request: string): RequestRecord {
  const parser = new RequestParser();
  const bytes = Buffer.from(request, 'latin1');
  const limits = { ...emptyGlobal };
  expect(parser.parse(bytes, 0, bytes.length, limits)).toBe(bytes.length);
  const record = new RequestRecord();
  record.head = parser.head;
  record.remoteAddress = '10.0.0.1';
  record.status = 200;
  record.requestBytes = 80;
  record.responseBodyBytes = 5;
  record.durationMs = 12.4;
  record.requestId = 'abc';
  return record;
}

test('renders the fields of ingress-nginx, with one entry per attempt', () => {
  const record = recordOf('GET /a?b HTTP/1.1\r\nHost: a\r\nReferer: http://r\r\nUser-Agent: curl/8\r\n\r\n');
  record.beginAttempt({ address: '10.1.1.1', port: 80 });
  record.endAttempt(0, 502, 2);
  record.attemptAt = record.beginAttempt({ address: '2001:db8::1', port: 81 });
  // Its head came after 10 ms, its end after 250.
  record.endAttempt(1, 200, 10);
  record.upstreamMs = 250;
  expect(renderLine(record, renderTime(AT))).toBe(
    '10.0.0.1 - - [21/Nov/2026:08:41:05 +0000] "GET /a?b HTTP/1.1" 200 5 "http://r" "curl/8" 80 0.012 [] [] ' +
      '10.1.1.1:80, [2001:db8::1]:81 0, 5 0.002, 0.250 502, 200 abc\n',
  );
});

test('a refused head leaves the request empty, an attempt that was given up has no status', () => {
  const record = recordOf('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  record.head = null;
  record.requestId = '';
  record.status = 499;
  record.responseBodyBytes = 0;
  record.beginAttempt({ address: '10.1.1.1', port: 80 });
  record.upstreamMs = 11;
  expect(renderLine(record, renderTime(AT))).toMatch(
    / "" 499 0 "-" "-" 80 0\.012 \[\] \[\] 10\.1\.1\.1:80 0 0\.011 - -\n$/,
  );
});

test('an answer of the proxy behind a failed attempt counts as body, but not as one of the upstream', () => {
  const record = recordOf('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  record.status = 502;
  record.responseBodyBytes = 0;
  record.answerBodyBytes = 16;
  record.upstreamMs = 3;
  record.endAttempt(record.beginAttempt({ address: '10.1.1.1', port: 80 }), 502, 2);
  expect(renderLine(record, 'T')).toContain('" 502 16 "-" "-" 80 0.012 [] [] 10.1.1.1:80 0 0.003 502 ');
});

test('no byte of a client can end its field or its line', () => {
  const record = recordOf('GET /\u00ff"\\ HTTP/1.1\r\nHost: a\r\nUser-Agent: a" 200 "b\\\t\u00e9\r\n\r\n');
  record.requestId = 'x" y\u0080';
  const line = renderLine(record, renderTime(AT));
  expect(line).toContain('"GET /\\xFF\\x22\\x5C HTTP/1.1"');
  expect(line).toContain('"a\\x22 200 \\x22b\\x5C\\x09\\xE9"');
  expect(line).toMatch(/ x\\x22 y\\x80\n$/);
  expect(line.slice(0, -1)).toMatch(/^[\x20-\x7e]*$/);
});

test.each([
  ['Basic YW5uOnNlY3JldA==', 'ann'],
  ['basic   YW5uOmE6Yg==', 'ann'],
  ['Basic OnNlY3JldA==', '-'],
  ['Basic YW5u', '-'],
  ['Basic', '-'],
  ['Basic !!!', '-'],
  ['Bearer YW5uOnNlY3JldA==', '-'],
  [`Basic ${Buffer.from('a" b\nc\u00e9:x', 'latin1').toString('base64')}`, 'a\\x22 b\\x0Ac\\xE9'],
])('Authorization: %s names the user %j', (authorization, user) => {
  const line = renderLine(recordOf(`GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\n\r\n`), 'T');
  expect(line.slice(0, line.indexOf('[T]'))).toBe(`10.0.0.1 - ${user} `);
});

test('lines are handed over in order, at a flush or when many are gathered', () => {
  const written: string[] = [];
  const log = new AccessLog((lines) => written.push(lines));
  const record = recordOf('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  log.flush();
  expect(written).toEqual([]);
  for (let i = 0; i < 1000; i++) log.add(record, AT);
  expect(written.length).toBeGreaterThan(0);
  log.flush();
  expect(written.join('').split('\n').length).toBe(1001);
});
