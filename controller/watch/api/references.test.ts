// Which Secrets and ConfigMaps are wanted, and for how long.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { annotations } from '../../compile/settings/annotations.ts';
import type { ConfigMap, Ingress } from '../../objects/types.ts';
import {
  configMapAnnotations,
  ReferenceCounts,
  referencesOfConfigMap,
  referencesOfIngress,
  secretAnnotations,
} from './references.ts';

const PREFIX = 'nginx.ingress.kubernetes.io';

function ingress(annotated: Readonly<Record<string, string>>, secretNames: readonly string[] = []): Ingress {
  const entries = Object.entries(annotated).map(([name, value]) => [`${PREFIX}/${name}`, value]);
  return {
    kind: 'Ingress',
    meta: { ...meta, annotations: Object.fromEntries(entries) },
    ingressClassName: null,
    defaultBackend: null,
    rules: [],
    tls: secretNames.map((secretName, index) => ({ index, hosts: [], secretName })),
  };
}
const meta = { namespace: 'a', name: 'one', uid: '', creationTimestampMs: 0, annotations: {}, labels: {} };

test.each([
  ['TLS Secrets', ingress({}, ['one', '', 'two']), ['a/one', 'a/two'], []],
  ['by name', ingress({ 'auth-secret': 'users' }), ['a/users'], []],
  ['in another namespace', ingress({ 'auth-tls-secret': 'b/ca' }), ['b/ca'], []],
  ['with blanks around', ingress({ 'proxy-ssl-secret': ' b/pair ' }), ['b/pair'], []],
  [
    'ConfigMaps',
    ingress({ 'custom-headers': 'a/headers', 'auth-proxy-set-headers': 'b/more' }),
    [],
    ['b/more', 'a/headers'],
  ],
  ['an empty name', ingress({ 'auth-secret': '' }), [], []],
  [
    'what cannot be a name',
    ingress({ 'auth-secret': '../x', 'auth-tls-secret': 'a/b/c', 'proxy-ssl-secret': 'a b' }),
    [],
    [],
  ],
  ['a name with query characters', ingress({ 'auth-secret': 'x,type=y' }), [], []],
])('of an Ingress: %s', (_, object, secrets, configMaps) => {
  expect(referencesOfIngress(object, PREFIX)).toEqual({ secrets, configMaps });
});

test('of the settings', () => {
  const data = {
    'add-headers': 'a/headers',
    'proxy-set-headers': 'set',
    'ssl-dh-param': 'b/dh',
    'enable-brotli': 'a/no',
  };
  const configMap: ConfigMap = { kind: 'ConfigMap', meta, data };
  expect(referencesOfConfigMap(configMap)).toEqual({ secrets: ['b/dh'], configMaps: ['a/headers', 'a/set'] });
});

test('the annotations are those that exist', () => {
  const names = new Set(annotations.map(({ name }) => name));
  expect([...secretAnnotations, ...configMapAnnotations].filter((name) => !names.has(name))).toEqual([]);
});

test('an object is wanted exactly while somebody refers to it', () => {
  const step = fc.tuple(
    fc.constantFrom('x', 'y', 'z'),
    fc.array(fc.constantFrom('1', '2', '3', '4'), { maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const counts = new ReferenceCounts();
      const owners = new Map<string, readonly string[]>();
      const followed = new Set<string>();
      for (const [owner, keys] of steps) {
        owners.set(owner, keys);
        const { added, removed } = counts.set(owner, keys);
        for (const key of added) {
          expect(followed.has(key)).toBe(false);
          followed.add(key);
        }
        for (const key of removed) expect(followed.delete(key)).toBe(true);
        const want = new Set([...owners.values()].flat());
        expect(new Set(counts.keys())).toEqual(want);
        expect(followed).toEqual(want);
      }
    }),
  );
});
