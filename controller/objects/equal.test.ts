import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isSameValue } from './equal.ts';
import { Redacted } from './types.ts';

test.each<[string, unknown, unknown, boolean]>([
  ['key order', { a: 1, b: 2 }, { b: 2, a: 1 }, true],
  ['list order', [1, 2], [2, 1], false],
  ['a missing key', { a: undefined }, {}, false],
  ['another key', { a: undefined }, { b: undefined }, false],
  ['list and object', [], {}, false],
  ['null and object', null, {}, false],
  ['equal secrets', { data: { k: new Redacted('x') } }, { data: { k: new Redacted('x') } }, true],
  ['different secrets', { data: { k: new Redacted('x') } }, { data: { k: new Redacted('y') } }, false],
  ['secret and object', new Redacted('x'), {}, false],
  ['a key of the prototype', { toString: 1 }, { other: 1 }, false],
])('compares %s', (_name, a, b, want) => {
  expect(isSameValue(a, b)).toBe(want);
  expect(isSameValue(b, a)).toBe(want);
});

test('agrees with JSON text', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), (a, b) => {
      expect(isSameValue(a, structuredClone(a))).toBe(true);
      if (JSON.stringify(a) === JSON.stringify(b)) return;
      if (isSameValue(a, b)) expect(sorted(a)).toBe(sorted(b));
    }),
  );
});

function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
