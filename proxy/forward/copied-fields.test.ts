// The fields of a copy are the same whether they are cut anew or found as those of the head before.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CopiedFields } from './copied-fields.ts';

function cut(lines: readonly string[], id = '', host = 'copy.test'): readonly string[] {
  return new CopiedFields().of(`GET / HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`, id, host);
}

test('the fields of a copy are those of the request, with a Host of its own', () => {
  expect(cut(['Host: a.test', 'X-A: 1', 'x-a:2', 'Cookie:  a=b; c=d ', 'Empty:'])).toEqual([
    'Host',
    'copy.test',
    'X-A',
    '1',
    'x-a',
    '2',
    'Cookie',
    'a=b; c=d',
    'Empty',
    '',
  ]);
});

test.each([
  'Connection',
  'content-length',
  'EXPECT',
  'Host',
  'HTTP2-Settings',
  'Keep-Alive',
  'TE',
  'Trailer',
  'Transfer-Encoding',
  'Upgrade',
])('%s is about the connection and framing of the request, and stays behind', (name) => {
  expect(cut([`${name}: x`, 'X-A: 1'])).toEqual(['Host', 'copy.test', 'X-A', '1']);
});

const line = fc.constantFrom(
  'X-A: 1',
  'X-A: 2',
  'Cookie: a=b',
  'Content-Length: 5',
  'Content-Length: 50',
  'X-Of: 12345678',
);
const head = fc.record({
  target: fc.constantFrom('/', '/a?b=c'),
  before: fc.array(line, { maxLength: 2 }),
  behind: fc.array(line, { maxLength: 2 }),
  id: fc.constantFrom('', '12345678', '87654321', '1'),
  names: fc.constantFrom(['X-Request-ID'], ['x-request-id', 'X-Request-ID'], []),
  host: fc.constantFrom('copy.test', 'other.test'),
});

describe('what a client stream remembers', () => {
  test('changes nothing', () => {
    fc.assert(
      fc.property(fc.array(head, { minLength: 2, maxLength: 8 }), (heads) => {
        const kept = new CopiedFields();
        for (const { target, before, behind, id, names, host } of heads) {
          const ids = id === '' ? [] : names.map((name) => `${name}: ${id}`);
          const text = `GET ${target} HTTP/1.1\r\n${[...before, ...ids, ...behind].map((each) => `${each}\r\n`).join('')}\r\n`;
          expect(kept.of(text, id, host)).toEqual(new CopiedFields().of(text, id, host));
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('belongs to it: fields that were given away do not change with the next id', () => {
    const kept = new CopiedFields();
    const of = (id: string) => kept.of(`GET / HTTP/1.1\r\nX-Request-ID: ${id}\r\nX-A: 1\r\n\r\n`, id, 'copy.test');
    const [first, second] = [of('aaaa'), of('bbbb')];
    expect([first[3], second[3]]).toEqual(['aaaa', 'bbbb']);
  });

  test('is no long head: idle clients would each keep one', () => {
    const isRemembered = (bytes: number) => {
      const kept = new CopiedFields();
      const of = () => kept.of(`GET / HTTP/1.1\r\nX-A: ${'a'.repeat(bytes)}\r\n\r\n`, '', 'copy.test');
      const [first, second] = [of(), of()];
      expect(second).toEqual(first);
      // What is cut anew is another array.
      return second === first;
    };
    expect([isRemembered(4000), isRemembered(5000)]).toEqual([true, false]);
  });
});
