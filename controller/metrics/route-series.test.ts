// Series of routes are kept exactly as long as the route is in the table.

import { expect, test } from '@jest/globals';
import { IncrementalCompiler } from '../compile/incremental.ts';
import { defaultOptions } from '../compile/testing/golden.ts';
import { ingressOf, metaOf } from '../compile/testing/objects.ts';
import { ObjectStore } from '../watch/store.ts';
import { servedIn } from './route-series.ts';

function versionOf(hosts: readonly string[]) {
  const store = new ObjectStore();
  const backend = { kind: 'service', service: 'web', port: { kind: 'number', number: 80 } } as const;
  const rules = hosts.map((host, index) => ({
    index,
    host,
    paths: [{ index: 0, path: '/app', pathType: 'Prefix' as const, backend }],
  }));
  const ours = { kind: 'IngressClass', meta: metaOf('nginx', 0, ''), controller: 'k8s.io/ingress-nginx' } as const;
  for (const object of [ours, ingressOf({ rules })]) store.apply([{ kind: 'upsert', object, source: null }]);
  return new IncrementalCompiler(defaultOptions).compile(store.snapshot(), 0).version;
}

const series = { host: 'a.test', path: '/app', namespace: 'default', ingress: 'web', status: '200', method: 'GET' };

test.each([
  ['its route', {}, true],
  ['a host that is gone', { host: 'b.test' }, false],
  ['a path that is gone', { path: '/old' }, false],
  ['an Ingress that is gone', { ingress: 'old' }, false],
  ['the same name in another namespace', { namespace: 'other' }, false],
])('a series of %s', (_, labels, expected) => {
  expect(servedIn(versionOf(['a.test']))({ ...series, ...labels })).toBe(expected);
});

test.each([
  ['a path that a host has', {}, true],
  ['a path that no host has any more', { path: '/old' }, false],
])('a series without host, of %s', (_, labels, expected) => {
  const { host: _host, ...ofAllHosts } = series;
  expect(servedIn(versionOf(['a.test', 'b.test']))({ ...ofAllHosts, ...labels })).toBe(expected);
});

test('a series that is about no route', () => {
  expect(servedIn(versionOf([]))({ state: 'accepted' })).toBe(true);
});
