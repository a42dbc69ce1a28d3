import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { normalizePath } from './request-path.ts';

test.each([
  ['/', '/'],
  ['//', '/'],
  ['/a//b/', '/a/b/'],
  ['/a/./b', '/a/b'],
  ['/a/b/..', '/a/'],
  ['/a/../..//', null],
  ['/..', null],
  ['/%2e%2E', null],
  ['/a%2f..%2fb', '/b'],
  ['/a/...', '/a/...'],
  ['/.a/..b', '/.a/..b'],
  ['/%25%32%65', '/%2e'],
  ['/%00', null],
  ['/%', null],
  ['/%2', null],
  ['/%zz', null],
  ['/%c3%a4', '/ä'],
])('%s is %s', (raw, path) => {
  expect(normalizePath(raw)).toBe(path);
});

const piece = fc.constantFrom('/', '.', '..', 'a', '%2e', '%2F', '%61', '%25', ';', '\\', '//');

test('property: what is normal stays so, has no dot segments and no double slash, and begins with a slash', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const path = normalizePath(`/${pieces.join('')}`);
      if (path === null) return;
      expect(path).toMatch(/^\//);
      expect(path).not.toMatch(/\/\/|\/\.\.?(\/|$)/);
      if (!path.includes('%')) expect(normalizePath(path)).toBe(path);
    }),
    { numRuns: 1000 },
  );
});
