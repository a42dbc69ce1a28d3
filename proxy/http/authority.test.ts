import { expect, test } from '@jest/globals';
import { parseAuthority } from './authority.ts';

test.each([
  ['a.test', 'a.test'],
  ['A.Test.:8080', 'a.test'],
  ['a:', 'a'],
  ['a:65535', 'a'],
  ['a_b.test', 'a_b.test'],
  ['10.0.0.1:80', '10.0.0.1'],
  ['[::1]', '[::1]'],
  ['[FE80::A]:443', '[fe80::a]'],
  ['', ''],
])('%s routes as %s', (text, name) => {
  expect(parseAuthority(text)).toBe(name);
});

test.each([
  '.',
  'a..b',
  '.a',
  ':80',
  'a:65536',
  'a:123456',
  'a:8x',
  'a:1:2',
  'u@a',
  'a/b',
  'a b',
  'a%00',
  'a\\b',
  '\xe4',
  '[::1',
  '[]',
  '[::1]x',
  '[::1]:x',
  '[g::1]',
  'a'.repeat(256),
])('%s is no authority', (text) => {
  expect(parseAuthority(text)).toBeNull();
});
