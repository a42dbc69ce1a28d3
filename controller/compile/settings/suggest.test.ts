// Names that were probably meant.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nearestName } from './suggest.ts';

const KNOWN = ['ssl-redirect', 'use-regex', 'limit-rps', 'limit-rpm'];

test.each([
  ['ssl-redirect', 'ssl-redirect'],
  ['ssl-redirct', 'ssl-redirect'],
  ['ssl_redirect', 'ssl-redirect'],
  ['ssl-redirects', 'ssl-redirect'],
  ['sl-redirct', 'ssl-redirect'],
  ['limit-rp', 'limit-rps'],
  ['limit-rpn', 'limit-rps'],
  ['use-reg', 'use-regex'],
  ['sl-redirc', null],
  ['use', null],
  ['', null],
])('%j: %j', (name, near) => {
  expect(nearestName(name, KNOWN)).toBe(near);
});

test('one edit away is found, wherever it is', () => {
  fc.assert(
    fc.property(fc.constantFrom('ssl-redirect', 'use-regex'), fc.nat(), fc.constantFrom('', 'x'), (known, at, put) => {
      const index = at % known.length;
      expect(nearestName(known.slice(0, index) + put + known.slice(index + 1), KNOWN)).toBe(known);
    }),
  );
});
