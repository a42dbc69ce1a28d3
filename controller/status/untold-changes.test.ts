// Which changes a new leader still has to tell: the last ones, and not many.

import { expect, test } from '@jest/globals';
import { UntoldChanges } from './untold-changes.ts';

test('changes within the horizon, each once, in the order of the last change', () => {
  const changes = new UntoldChanges(100);
  changes.note('a/old', 0);
  changes.note('a/one', 50);
  changes.note('a/two', 60);
  changes.note('a/one', 70);
  expect(changes.take(150)).toEqual(['a/two', 'a/one']);
  expect(changes.take(150)).toEqual([]);
});

test('a change exactly at the horizon counts, one before does not', () => {
  const changes = new UntoldChanges(100);
  changes.note('a/one', 0);
  changes.note('a/two', 1);
  expect(changes.take(101)).toEqual(['a/two']);
});

test('of ten thousand the last thousand', () => {
  const changes = new UntoldChanges(100);
  for (let i = 0; i < 10_000; i += 1) changes.note(`a/${i}`, 0);
  const taken = changes.take(0);
  expect([taken.length, taken[0], taken.at(-1)]).toEqual([1000, 'a/9000', 'a/9999']);
});
