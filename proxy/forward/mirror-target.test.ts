// What a rendered `mirror-target` is read as, whatever was read before.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Client } from 'undici';
import { TargetReader } from './mirror-target.ts';

describe('a target', () => {
  test.each([
    ['http://a.test', 'http://a.test', '/'],
    ['http://a.test:8080/', 'http://a.test:8080', '/'],
    ['HTTPS://a.test/x', 'HTTPS://a.test', '/x'],
    ['http://a.test?b=c', 'http://a.test', '/?b=c'],
    ['http://a.test/a/../b%2f?c=/d#e', 'http://a.test', '/a/../b%2f?c=/d'],
    ['http://a.test#e', 'http://a.test', '/'],
    ['http://[::1]:80/a@b', 'http://[::1]:80', '/a@b'],
  ])('%s is split', (url, origin, path) => {
    expect(new TargetReader().read(url)).toEqual({ origin, path });
  });

  test.each([
    '',
    '/a',
    'ftp://a.test/',
    'http://',
    'http:///a',
    'http://u@a.test/',
    'http://a.test/a b',
    'http://a.test/\n',
    'http://a b/',
    'http://a.test:99999/',
    'http://a\\b/',
    'http://a.test/\u0100',
  ])('%j is none', (url) => {
    expect(new TargetReader().read(url)).toBeNull();
  });

  const part = fc.constantFrom(
    'http://',
    'https://',
    'a.test',
    'b',
    ':80',
    ':',
    '/',
    '?',
    '#',
    '@',
    '\\',
    ' ',
    '\t',
    '[::1]',
    '%',
    '\u0100',
  );
  const url = fc.array(part, { maxLength: 7 }).map((parts) => `http://${parts.join('')}`);

  test('is read alike behind any other', () => {
    fc.assert(
      fc.property(fc.array(url, { minLength: 2, maxLength: 6 }), (urls) => {
        const reader = new TargetReader();
        for (const each of urls) expect(reader.read(each)).toEqual(new TargetReader().read(each));
      }),
      { numRuns: 2000 },
    );
  });

  test('is one that undici takes', async () => {
    await fc.assert(
      fc.asyncProperty(url, async (each) => {
        const target = new TargetReader().read(each);
        if (target !== null) await new Client(target.origin).destroy();
      }),
      { numRuns: 2000 },
    );
  });
});
