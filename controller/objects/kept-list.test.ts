// Lists as they are kept: equal to what they were made of, and no bigger.

import { expect, test } from '@jest/globals';
import { keptList, keptPresent, noStrings } from './kept-list.ts';

test('a kept list is a copy of its own with the same items in the same order', () => {
  const list = [1, 2, 3];
  const kept = keptList(list);
  list.push(4);
  expect(kept).toEqual([1, 2, 3]);
});

test('what is null is left out', () => {
  expect(keptPresent(['a', null, 'b', null])).toEqual(['a', 'b']);
});

test('all empty lists are one, which nobody can fill', () => {
  expect(keptList([])).toBe(keptPresent([null]));
  expect(Object.isFrozen(keptList([]))).toBe(true);
  expect(Object.isFrozen(noStrings)).toBe(true);
});
