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

test('agrees with the plain definition of the edit distance', () => {
  const words = fc.stringMatching(/^[ab-]{0,6}$/);
  fc.assert(
    fc.property(words, fc.uniqueArray(words, { maxLength: 5 }), (name, known) => {
      const distances = known.map((candidate) => naiveDistance(name, candidate));
      const best = Math.min(...distances);
      expect(nearestName(name, known)).toBe(best <= 2 ? known[distances.indexOf(best)] : null);
    }),
  );
});

function naiveDistance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  const replace = naiveDistance(a.slice(1), b.slice(1)) + (a[0] === b[0] ? 0 : 1);
  return Math.min(replace, naiveDistance(a.slice(1), b) + 1, naiveDistance(a, b.slice(1)) + 1);
}
