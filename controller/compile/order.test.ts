import { expect, test } from '@jest/globals';
import { orderIngresses } from './order.ts';
import { ingressOf, metaOf } from './testing/objects.ts';

const names = (metas: readonly ReturnType<typeof metaOf>[]) =>
  orderIngresses(metas.map((meta) => ({ ingress: ingressOf({ meta }) }))).map(
    ({ ingress }) => `${ingress.meta.namespace}/${ingress.meta.name}`,
  );

test.each([
  ['older first', [metaOf('a', 2000), metaOf('z', 1000)], ['default/z', 'default/a']],
  ['at equal age the name descends', [metaOf('a', 1000), metaOf('b', 1000)], ['default/b', 'default/a']],
  ['the namespace counts before the name', [metaOf('z', 0, 'a'), metaOf('a', 0, 'b')], ['b/a', 'a/z']],
  ['capitals before small letters, whatever the locale', [metaOf('B'), metaOf('a')], ['default/a', 'default/B']],
])('%s', (_, metas, want) => {
  expect(names(metas)).toEqual(want);
  expect(names([...metas].reverse())).toEqual(want);
});
