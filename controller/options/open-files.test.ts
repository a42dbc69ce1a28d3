// Client connections that the limit of open files leaves room for.

import { expect, test } from '@jest/globals';
import { affordableConnections, openFileLimit } from './open-files.ts';

test.each([
  ['a high limit leaves what was asked for', 16_384, 4, 1_048_576, 16_384],
  ['none', 16_384, 4, Number.POSITIVE_INFINITY, 16_384],
  ['20,000 files: three quarters of those beyond our own', 16_384, 2, 20_000, 7404],
  ['1024 files', 16_384, 1, 1024, 624],
  ['fewer asked for than there would be', 100, 1, 1024, 100],
  ['too few files for ourselves', 16_384, 2, 256, 16],
  ['fewer asked for than the fewest', 3, 2, 256, 3],
])('%s', (_, asked, workers, openFiles, expected) => {
  expect(affordableConnections(asked, workers, openFiles)).toBe(expected);
});

test.each([
  [
    'Limit  Soft Limit  Hard Limit  Units\nMax open files            20000                524288               files\n',
    20_000,
  ],
  ['Max open files            unlimited            unlimited            files\n', Number.POSITIVE_INFINITY],
  ['', Number.POSITIVE_INFINITY],
])('%j', (limits, expected) => {
  expect(openFileLimit(() => limits)).toBe(expected);
});

test('this process has a limit', () => {
  expect(openFileLimit()).toBeGreaterThan(64);
});
