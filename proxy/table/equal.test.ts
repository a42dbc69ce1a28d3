import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { renderCanonical } from './codec.ts';
import { equalJson } from './equal.ts';

test('agrees with comparing canonical texts', () => {
  const value = fc.jsonValue({ maxDepth: 2 });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.tuple(value, value),
        value.map((one) => [one, structuredClone(one)] as const),
      ),
      ([a, b]) => {
        expect(equalJson(a, b)).toBe(renderCanonical(a) === renderCanonical(b));
      },
    ),
  );
});

test.each([
  ['key order does not matter', { a: 1, b: 2 }, { b: 2, a: 1 }, true],
  ['a missing key differs', { a: 1, b: 2 }, { a: 1 }, false],
  ['an extra key differs', { a: 1 }, { a: 1, b: 2 }, false],
  ['an inherited name is not a key', { toString: 1 }, {}, false],
  ['array order matters', [1, 2], [2, 1], false],
  ['an array is not an object', [], {}, false],
  ['null is not an object', null, {}, false],
  ['no coercion', 1, '1', false],
])('%s', (_name, a, b, want) => {
  expect(equalJson(a, b)).toBe(want);
  expect(equalJson(b, a)).toBe(want);
});
