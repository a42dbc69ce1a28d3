import { expect, test } from '@jest/globals';
import { ReviewedIngresses } from './reviewed-ingresses.ts';

test('beyond the limit the one goes whose last review is longest ago', () => {
  const reviewed = new ReviewedIngresses(2);
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((ingress) => ({ namespace: 'shop', ingress }));
  const noted = [a, b, a, c, d].map((labels) => reviewed.note(labels as NonNullable<typeof a>));
  expect(noted).toEqual([null, null, null, b, a]);
});
