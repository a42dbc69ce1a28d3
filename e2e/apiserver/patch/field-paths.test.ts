import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Json, JsonObject } from '../objects.ts';
import { ingress } from '../resources/ingress.ts';
import { service } from '../resources/service.ts';
import { mapOf, string } from '../schema.ts';
import { collectFields, decodeFields, encodeFields, removeFields, showPath } from './field-paths.ts';

const SERVICE: JsonObject = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 's', labels: { app: 'web' }, finalizers: ['x'] },
  spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }], selector: { app: 'web' } },
};

test('fields are found by the schema: keyed items, sets and atomic members', () => {
  expect(encodeFields(collectFields(service.schema, SERVICE, true).keys())).toEqual({
    'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} }, 'f:finalizers': { '.': {}, 'v:"x"': {} } },
    'f:spec': {
      'f:ports': {
        '.': {},
        'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:name': {}, 'f:port': {}, 'f:protocol': {} },
      },
      'f:selector': {},
    },
  });
});

test('without containers only what is named is owned', () => {
  const fields = encodeFields(collectFields(service.schema, SERVICE, false).keys());
  expect(fields['f:metadata']).toEqual({ 'f:labels': { 'f:app': {} }, 'f:finalizers': { 'v:"x"': {} } });
});

const element = fc.oneof(
  fc
    .string({ minLength: 1, maxLength: 4 })
    .filter((text) => !text.includes('\n'))
    .map((text) => `f:${text}`),
  fc.nat(99).map((port) => `k:{"port":${port}}`),
  fc.string({ maxLength: 3 }).map((text) => `v:${JSON.stringify(text)}`),
);
const paths = fc.uniqueArray(fc.array(element, { minLength: 1, maxLength: 4 }).map((elements) => elements.join('\n')));

test('decoding gives back what was encoded', () => {
  fc.assert(
    fc.property(paths, (all) => {
      expect(decodeFields(encodeFields(all)).sort()).toEqual(all.toSorted());
    }),
  );
});

test('removing the fields a map does not share leaves the shared ones', () => {
  const map = fc.dictionary(
    fc.string({ minLength: 1, maxLength: 3 }).filter((key) => key !== '__proto__'),
    fc.string({ maxLength: 2 }),
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(map, map, (all, gone) => {
      const schema = mapOf(string);
      const removed = new Set(Object.keys(gone).map((key) => `f:${key}`));
      const kept = Object.fromEntries(Object.entries(all).filter(([key]) => !Object.hasOwn(gone, key)));
      const isEmptied = Object.keys(kept).length === 0 && Object.keys(all).length > 0;
      expect(removeFields(schema, all, removed)).toEqual(isEmptied ? undefined : kept);
    }),
  );
});

test.each<[Json, string[]]>([
  [{ spec: { rules: [{ host: 'a' }], ingressClassName: 'x' } }, ['.spec.rules', '.spec.ingressClassName']],
  [{ metadata: { annotations: { 'a.test/b': 'c' } } }, ['.metadata.annotations.a.test/b']],
])('%j is shown as %j', (object, want) => {
  expect([...collectFields(ingress.schema, object, false).keys()].map(showPath)).toEqual(want);
});

test('a keyed item is shown by its keys', () => {
  expect(showPath('f:spec\nf:ports\nk:{"port":80,"protocol":"TCP"}\nf:name')).toBe(
    '.spec.ports[port=80,protocol="TCP"].name',
  );
});
