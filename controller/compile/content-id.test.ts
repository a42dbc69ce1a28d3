import { expect, test } from '@jest/globals';
import { canonicalJson, contentId } from './content-id.ts';

test('is stable: pinned values', () => {
  expect(contentId('a', 'b')).toBe('facdde7abf1eac5b301273ab2e282f79');
});

test('moving a border between parts gives another id', () => {
  expect(contentId('ab', 'c')).not.toBe(contentId('a', 'bc'));
  expect(contentId('abc')).not.toBe(contentId('abc', ''));
});

test('canonical JSON sorts keys at every depth and keeps the order of lists', () => {
  expect(canonicalJson({ b: { d: 1, c: [{ z: 1, y: 2 }, 0] }, a: null })).toBe(
    '{"a":null,"b":{"c":[{"y":2,"z":1},0],"d":1}}',
  );
});
