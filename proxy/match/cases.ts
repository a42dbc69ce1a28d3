// Cases of host and path matching, as data. The same list runs on the naive oracle, on the index, and in end-to-end
// tests over HTTP. Rows marked "conformance" are scenarios of ingress-controller-conformance.

import type { PathMatch } from '../table/types.ts';

export interface MatchCase {
  /** The behaviour, as a sentence. */
  readonly name: string;
  /** The routes of each virtual host by its name; `_` is added when missing. */
  readonly hosts: Readonly<Record<string, readonly PathMatch[]>>;
  readonly requests: readonly MatchRequest[];
}

export interface MatchRequest {
  /** As the parser gives it: lower case, no port, no trailing dot. */
  readonly host: string;
  /** Normalised, no query. */
  readonly path: string;
  /** `<host>|<kind>|<path>` of the route; null when nothing matches. */
  readonly want: string | null;
}

const exact = (path: string): PathMatch => ({ kind: 'exact', path });
const prefix = (path: string): PathMatch => ({ kind: 'prefix', path });
const regex = (pattern: string): PathMatch => ({ kind: 'regex', pattern });

/** Requests to one host, as `path -> route` pairs; the route is `<kind>|<path>` there. */
function requestsTo(host: string, wants: Readonly<Record<string, string | null>>): readonly MatchRequest[] {
  return Object.entries(wants).map(([path, want]) => ({ host, path, want: want === null ? null : `${host}|${want}` }));
}

const hostCases: readonly MatchCase[] = [
  {
    name: 'conformance host rules: exact host, one-label wildcard, anything else not found',
    hosts: { 'foo.bar.com': [prefix('')], '*.foo.com': [prefix('')] },
    requests: [
      { host: 'foo.bar.com', path: '/', want: 'foo.bar.com|prefix|' },
      { host: 'subdomain.bar.com', path: '/', want: null },
      { host: 'bar.foo.com', path: '/', want: '*.foo.com|prefix|' },
      { host: 'baz.bar.foo.com', path: '/', want: null },
      { host: 'foo.com', path: '/', want: null },
    ],
  },
  {
    name: 'conformance default backend: any host and path reach the catch-all',
    hosts: { _: [prefix('')] },
    requests: [
      { host: 'my-host', path: '/', want: '_|prefix|' },
      { host: 'my-host', path: '/sub-path', want: '_|prefix|' },
      { host: '', path: '/resource', want: '_|prefix|' },
      { host: '10.0.0.1', path: '/', want: '_|prefix|' },
      { host: 'fd00::1', path: '/', want: '_|prefix|' },
    ],
  },
  {
    name: 'an exact host beats a wildcard that covers it',
    hosts: { '*.foo.com': [prefix('')], 'a.foo.com': [prefix('/only')], _: [prefix('')] },
    requests: [
      { host: 'a.foo.com', path: '/only', want: 'a.foo.com|prefix|/only' },
      // The host is chosen before the path: no second try in the wildcard or in the catch-all.
      { host: 'a.foo.com', path: '/other', want: null },
      { host: 'b.foo.com', path: '/other', want: '*.foo.com|prefix|' },
    ],
  },
  {
    name: 'a wildcard label is one or more word characters or dashes',
    hosts: { '*.foo.com': [prefix('')] },
    requests: [
      { host: 'a-b_9.foo.com', path: '/', want: '*.foo.com|prefix|' },
      { host: '.foo.com', path: '/', want: null },
      { host: '*.foo.com', path: '/', want: null },
      { host: 'é.foo.com', path: '/', want: null },
      { host: 'a$.foo.com', path: '/', want: null },
      { host: 'a.foo.com.', path: '/', want: null },
    ],
  },
  {
    name: 'the names of the table itself are no names of requests',
    hosts: { _: [prefix('/x')], '*.com': [prefix('')] },
    requests: [
      { host: '_', path: '/x', want: '_|prefix|/x' },
      { host: '*', path: '/x', want: '_|prefix|/x' },
      { host: '*.com', path: '/x', want: '_|prefix|/x' },
      { host: 'com', path: '/x', want: '_|prefix|/x' },
    ],
  },
];

const pathCases: readonly MatchCase[] = [
  {
    name: 'conformance path rules, exact: identical and case-sensitive',
    hosts: { h: [exact('/foo')] },
    requests: requestsTo('h', { '/foo': 'exact|/foo', '/foo/': null, '/FOO': null, '/bar': null }),
  },
  {
    name: 'conformance path rules, prefix: element-wise',
    hosts: { h: [prefix('/foo'), prefix('/aaa/bbb'), prefix('/aaa')] },
    requests: requestsTo('h', {
      '/foo': 'prefix|/foo',
      '/foo/': 'prefix|/foo',
      '/FOO': null,
      '/aaa/bbb': 'prefix|/aaa/bbb',
      '/aaa/bbb/ccc': 'prefix|/aaa/bbb',
      '/aaa/bbbxyz': 'prefix|/aaa',
      '/aaa/ccc': 'prefix|/aaa',
      '/aaaccc': null,
      '/': null,
    }),
  },
  {
    name: 'conformance path rules, mixed: exact beats prefix of the same path',
    hosts: { h: [prefix('/foo'), exact('/foo')] },
    requests: requestsTo('h', { '/foo': 'exact|/foo', '/foo/': 'prefix|/foo', '/foo/bar': 'prefix|/foo' }),
  },
  {
    name: 'conformance path rules, trailing slash: a prefix is normalised, an exact path is not',
    hosts: { h: [prefix('/aaa/bbb'), exact('/foo/')] },
    requests: requestsTo('h', {
      '/aaa/bbb': 'prefix|/aaa/bbb',
      '/aaa/bbb/': 'prefix|/aaa/bbb',
      '/foo': null,
      '/foo/': 'exact|/foo/',
    }),
  },
  {
    name: 'the longest prefix wins, whatever the order',
    hosts: { h: [prefix(''), prefix('/a/b/c'), prefix('/a'), prefix('/a/b')] },
    requests: requestsTo('h', {
      '/': 'prefix|',
      '/x': 'prefix|',
      '/a': 'prefix|/a',
      '/a/bb': 'prefix|/a',
      '/a/b': 'prefix|/a/b',
      '/a/b/c/d/e': 'prefix|/a/b/c',
    }),
  },
  {
    name: 'exact root leaves other paths to the prefixes',
    hosts: { h: [exact('/'), prefix('/a')] },
    requests: requestsTo('h', { '/': 'exact|/', '/a': 'prefix|/a', '/b': null }),
  },
  {
    name: 'an exact path deeper than a prefix wins only for itself',
    hosts: { h: [prefix('/a'), exact('/a/b')] },
    requests: requestsTo('h', { '/a/b': 'exact|/a/b', '/a/b/': 'prefix|/a', '/a/b/c': 'prefix|/a' }),
  },
  {
    name: 'characters outside ASCII and percent signs are compared as they are',
    hosts: { h: [prefix('/ü'), exact('/100%')] },
    requests: requestsTo('h', { '/ü/x': 'prefix|/ü', '/u/x': null, '/100%': 'exact|/100%' }),
  },
  {
    name: 'a host without routes finds nothing',
    hosts: { h: [] },
    requests: requestsTo('h', { '/': null, '/a': null }),
  },
];

const regexCases: readonly MatchCase[] = [
  {
    name: 'regex mode: first match in table order, anchored at the start only, case ignored',
    hosts: { h: [regex('/foo/bar/[a-z]{3}'), regex('/foo/bar/bar'), regex('/foo'), regex('/')] },
    requests: requestsTo('h', {
      '/foo/bar/bar': 'regex|/foo/bar/[a-z]{3}',
      '/FOO/BAR/BAR': 'regex|/foo/bar/[a-z]{3}',
      '/foo/bar/12': 'regex|/foo',
      '/foobar': 'regex|/foo',
      '/x/foo': 'regex|/',
    }),
  },
  {
    name: 'regex mode: the end is anchored only where the pattern says so',
    hosts: { h: [regex('/something(/|$)(.*)')] },
    requests: requestsTo('h', {
      '/something': 'regex|/something(/|$)(.*)',
      '/something/new': 'regex|/something(/|$)(.*)',
      '/somethingelse': null,
    }),
  },
];

/** All cases. Host names of the path cases are short on purpose: they need no dot to be a name. */
export const matchCases: readonly MatchCase[] = [...hostCases, ...pathCases, ...regexCases];
