import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { argumentValue, cookieValue, headerValue } from './header-value.ts';

const head = 'GET /x-a: HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a:2 \r\nX-AB: no\r\nEmpty:\r\nCookie: a=1; b=2\r\n\r\n';

test.each([
  ['host', 'a'],
  ['x-a', '1, 2'],
  ['x-ab', 'no'],
  ['empty', ''],
  ['x', ''],
  ['get /x-a', ''],
  ['missing', ''],
])('header %s is %j', (name, value) => {
  expect(headerValue(head, name)).toBe(value);
});

test('lines of one name are joined as asked', () => {
  expect(headerValue(head, 'x-a', '; ')).toBe('1; 2');
});

test('a head without an end is no reason to read on', () => {
  expect(headerValue('GET / HTTP/1.1\r\nA: 1', 'a')).toBe('1');
  expect(headerValue('', 'a')).toBe('');
  expect(headerValue('GET / HTTP/1.1', 'a')).toBe('');
});

describe('cookies', () => {
  test.each([
    ['a=1; b=2', 'b', '2'],
    ['a=1;b=2 ;c=3', 'b', '2'],
    ['a=1; a=2', 'a', '1'],
    ['A=1', 'a', ''],
    ['ab=1; b=', 'b', ''],
    ['a=b=c', 'a', 'b=c'],
    ['xa=1', 'a', ''],
    ['a', 'a', ''],
    ['', 'a', ''],
    [';;  ;a=1', 'a', '1'],
  ])('%j has %s = %j', (cookies, name, value) => {
    expect(cookieValue(cookies, name)).toBe(value);
  });
});

test.each([
  ['/a?id=1&x=2', 'x', '2'],
  ['/a?ID=1', 'id', '1'],
  ['/a?xid=1', 'id', ''],
  ['/a?id=%20a+b', 'id', '%20a+b'],
  ['/a?id=1?x=2', 'x', ''],
  ['/a', 'id', ''],
  ['/a?', 'id', ''],
  ['/a?id', 'id', ''],
])('argument in %s: %s = %j', (target, name, value) => {
  expect(argumentValue(target, name)).toBe(value);
});

test('a header is found whatever stands around it', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
  const line = fc.tuple(name, fc.stringMatching(/^[!-~]{0,10}$/));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), name, (lines, wanted) => {
      const text = `GET / HTTP/1.1\r\n${lines.map(([key, value]) => `${key.toUpperCase()}: ${value}\r\n`).join('')}\r\n`;
      // Empty values at the front leave nothing to join to.
      const values = lines.filter(([key, value]) => key === wanted && value !== '').map(([, value]) => value);
      expect(
        headerValue(text, wanted)
          .split(', ')
          .filter((value) => value !== ''),
      ).toEqual(values);
    }),
  );
});
