import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PathMatch, Route } from '#proxy/table/types.ts';
import { compareRoutes } from './precedence.ts';

function routeOf(match: PathMatch): Route {
  return {
    id: JSON.stringify(match),
    match,
    policy: '',
    filters: [],
    target: { kind: 'answer', status: 404, reason: 'noBackend' },
    mirror: null,
    labels: { namespace: '', ingress: '', service: '', servicePort: '', path: '' },
  };
}

function sorted(matches: readonly PathMatch[]): PathMatch[] {
  return matches
    .map(routeOf)
    .sort(compareRoutes)
    .map(({ match }) => match);
}

test.each<[string, PathMatch[]]>([
  [
    'exact before prefix of the same path',
    [
      { kind: 'exact', path: '/a' },
      { kind: 'prefix', path: '/a' },
    ],
  ],
  [
    'longer prefix first',
    [
      { kind: 'prefix', path: '/aaa/bbb' },
      { kind: 'prefix', path: '/aaa' },
    ],
  ],
  [
    'exact with a slash before the prefix that covers it',
    [
      { kind: 'exact', path: '/a/' },
      { kind: 'prefix', path: '/a' },
    ],
  ],
  [
    'exact root before the prefix of everything',
    [
      { kind: 'exact', path: '/' },
      { kind: 'prefix', path: '' },
    ],
  ],
  [
    'a longer prefix before a shorter exact path',
    [
      { kind: 'prefix', path: '/a/b' },
      { kind: 'exact', path: '/a' },
    ],
  ],
  [
    'by text at equal length and kind',
    [
      { kind: 'prefix', path: '/a' },
      { kind: 'prefix', path: '/b' },
    ],
  ],
])('%s', (_, want) => {
  expect(sorted([...want].reverse())).toEqual(want);
  expect(sorted(want)).toEqual(want);
});

const segments = fc
  .array(fc.constantFrom('a', 'b', 'aa'), { maxLength: 3 })
  .map((parts) => parts.map((p) => `/${p}`).join(''));
const anyMatch: fc.Arbitrary<PathMatch> = fc.oneof(
  segments.map((path) => ({ kind: 'prefix' as const, path })),
  segments.map((path) => ({ kind: 'exact' as const, path: path === '' ? '/' : path })),
);

function covers(match: PathMatch, path: string): boolean {
  if (match.kind === 'prefix') return path === match.path || path.startsWith(`${match.path}/`);
  return match.kind === 'exact' && match.path === path;
}

test('the first route that covers a path is the exact one, else the longest prefix', () => {
  fc.assert(
    fc.property(fc.array(anyMatch, { maxLength: 8 }), segments, (matches, request) => {
      const path = request === '' ? '/' : request;
      const covering = matches.filter((match) => covers(match, path));
      const best = covering
        .filter((match) => match.kind === 'prefix')
        .reduce<PathMatch | undefined>(
          (a, b) => (a?.kind === 'prefix' && a.path.length >= b.path.length ? a : b),
          undefined,
        );
      const want = covering.find(({ kind }) => kind === 'exact') ?? best;
      expect(sorted(matches).find((match) => covers(match, path))).toEqual(want);
    }),
  );
});
