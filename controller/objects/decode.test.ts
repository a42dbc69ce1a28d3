import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeObject } from './decode.ts';
import { decodeAs, rawIngress, rawObject, rawPath, summary } from './testing/raw-objects.ts';
import type { ObjectKind } from './types.ts';

const kinds: readonly ObjectKind[] = [
  'Ingress',
  'IngressClass',
  'Service',
  'EndpointSlice',
  'Secret',
  'ConfigMap',
  'Namespace',
];

describe('kind and apiVersion', () => {
  test.each<[string, unknown, string]>([
    ['text', 'hello', 'error NotAnObject '],
    ['nothing', null, 'error NotAnObject '],
    ['a list', [], 'error NotAnObject '],
    ['no kind', { apiVersion: 'v1' }, 'error MissingField kind'],
    ['a kind that is no text', { apiVersion: 'v1', kind: 5 }, 'error InvalidField kind'],
    ['a mistyped kind', { apiVersion: 'v1', kind: 'Servcie' }, 'warning UnknownKind kind'],
    [
      'a kind named like a property of every object',
      { apiVersion: 'v1', kind: 'constructor' },
      'warning UnknownKind kind',
    ],
    ['a Deployment', { apiVersion: 'apps/v1', kind: 'Deployment' }, 'info SkippedKind kind'],
    ['a Role', { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role' }, 'info SkippedKind kind'],
    ['no apiVersion', { kind: 'Service' }, 'error MissingField apiVersion'],
    ['an old Ingress', { apiVersion: 'extensions/v1beta1', kind: 'Ingress' }, 'error UnsupportedApiVersion apiVersion'],
    [
      'a beta Ingress',
      { apiVersion: 'networking.k8s.io/v1beta1', kind: 'Ingress' },
      'error UnsupportedApiVersion apiVersion',
    ],
    [
      'a Service in the wrong group',
      { apiVersion: 'apps/v1', kind: 'Service' },
      'error UnsupportedApiVersion apiVersion',
    ],
    [
      'a Service of Knative',
      { apiVersion: 'serving.knative.dev/v1', kind: 'Service' },
      'warning UnknownKind apiVersion',
    ],
  ])('judges %s', (_name, raw, want) => {
    const { object, diagnostics } = decodeObject(raw, null);
    expect(object).toBeNull();
    expect(summary(diagnostics)).toEqual([want]);
  });

  test('an old version says what to use, and what happens to traffic', () => {
    const raw = { ...rawIngress(rawPath('/')), apiVersion: 'extensions/v1beta1' };
    expect(decodeObject(raw, { file: 'a.yaml', line: 3 }).diagnostics).toEqual([
      {
        severity: 'error',
        reason: 'UnsupportedApiVersion',
        object: { kind: 'Ingress', namespace: 'shop', name: 'web' },
        field: 'apiVersion',
        message:
          'apiVersion "extensions/v1beta1" of Ingress is not supported, use networking.k8s.io/v1; ' +
          'the object is not used: none of its hosts and paths are served',
        source: { file: 'a.yaml', line: 3 },
      },
    ]);
  });

  test('the caller may say better what a refusal does', () => {
    const { diagnostics } = decodeObject({ kind: 'Service' }, null, 'the last good version stays in use');
    expect(diagnostics[0]?.message).toBe('apiVersion is missing: Service needs v1; the last good version stays in use');
  });
});

describe('metadata', () => {
  test('has the Kubernetes defaults', () => {
    const { object } = decodeAs('ConfigMap', rawObject('ConfigMap', { metadata: { name: 'web' } }));
    expect(object.meta).toEqual({
      namespace: 'default',
      name: 'web',
      uid: '',
      creationTimestampMs: 0,
      annotations: {},
      labels: {},
    });
  });

  test('cluster-scoped objects have no namespace', () => {
    expect(decodeAs('Namespace', rawObject('Namespace')).object.meta.namespace).toBe('');
  });

  test('reads the creation time', () => {
    const metadata = { name: 'web', creationTimestamp: '2026-01-31T09:30:00Z' };
    expect(decodeAs('Secret', rawObject('Secret', { metadata })).object.meta.creationTimestampMs).toBe(
      Date.UTC(2026, 0, 31, 9, 30),
    );
  });

  test.each<[string, unknown, string[]]>([
    ['no metadata', undefined, ['error MissingField metadata.name']],
    ['no name', {}, ['error MissingField metadata.name']],
    ['an empty name', { name: '' }, ['error InvalidField metadata.name']],
    ['a name that is a number', { name: 5 }, ['error InvalidField metadata.name']],
    ['a name with a slash', { name: 'a/b' }, ['error InvalidField metadata.name']],
    ['capitals', { name: 'Web' }, ['error InvalidField metadata.name']],
    ['a namespace with a slash', { name: 'web', namespace: 'a/b' }, ['error InvalidField metadata.namespace']],
    ['annotations that are a list', { name: 'web', annotations: ['a'] }, ['error InvalidField metadata.annotations']],
  ])('refuses an object with %s', (_name, metadata, want) => {
    const { object, diagnostics } = decodeObject(rawObject('ConfigMap', { metadata }), null);
    expect(object).toBeNull();
    expect(summary(diagnostics)).toEqual(want);
  });

  test('reads unquoted annotations as text, and keeps unreadable ones as invalid text', () => {
    const annotations = { flag: true, count: 80, none: null, list: ['10.0.0.0/8'], text: 'yes' };
    const { object, diagnostics } = decodeAs('Ingress', {
      ...rawIngress(rawPath('/')),
      metadata: { name: 'web', annotations },
    });
    expect(object.meta.annotations).toEqual({ flag: 'true', count: '80', none: '', list: '(a list)', text: 'yes' });
    expect(summary(diagnostics)).toEqual([
      'warning UnquotedValue metadata.annotations[flag]',
      'warning UnquotedValue metadata.annotations[count]',
      'error InvalidField metadata.annotations[list]',
    ]);
  });

  test('a bad time counts as the oldest', () => {
    const { object, diagnostics } = decodeAs(
      'ConfigMap',
      rawObject('ConfigMap', { metadata: { name: 'web', creationTimestamp: 'soon' } }),
    );
    expect(object.meta.creationTimestampMs).toBe(0);
    expect(summary(diagnostics)).toEqual(['warning InvalidField metadata.creationTimestamp']);
  });

  test('an entry named __proto__ stays an entry', () => {
    const data: unknown = JSON.parse('{"__proto__": "x"}');
    const { object } = decodeAs('ConfigMap', rawObject('ConfigMap', { data }));
    expect(Object.entries(object.data)).toEqual([['__proto__', 'x']]);
  });
});

describe('plain kinds', () => {
  test('ConfigMap', () => {
    const { object, diagnostics } = decodeAs('ConfigMap', rawObject('ConfigMap', { data: { a: 'x', b: 5, c: {} } }));
    expect(object.data).toEqual({ a: 'x', b: '5' });
    expect(summary(diagnostics)).toEqual(['warning UnquotedValue data[b]', 'error InvalidField data[c]']);
  });

  test('IngressClass', () => {
    const raw = rawObject('IngressClass', { spec: { controller: 'k8s.io/ingress-nginx' } });
    expect(decodeAs('IngressClass', raw).object.controller).toBe('k8s.io/ingress-nginx');
    const bare = decodeAs('IngressClass', rawObject('IngressClass'));
    expect(bare.object.controller).toBe('');
    expect(summary(bare.diagnostics)).toEqual(['error MissingField spec.controller']);
  });
});

describe('any input', () => {
  const anyRaw = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, 0, 80, 1.5, -1, '', 'a', '/', 'IPv4', 'a.test', '127.0.0.1', 'kubernetes.io/tls'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom(
          ...[
            'spec',
            'rules',
            'http',
            'paths',
            'path',
            'pathType',
            'backend',
            'service',
            'port',
            'name',
            'number',
            'tls',
          ],
          ...['hosts', 'ports', 'endpoints', 'addresses', 'conditions', 'data', 'stringData', 'type', 'host', 'hints'],
        ),
        tie('value'),
        { maxKeys: 5 },
      ),
    ),
  }));

  test('never throws, and refuses only with a diagnostic that has a field and an effect', () => {
    fc.assert(
      fc.property(fc.constantFrom(...kinds), anyRaw.value, anyRaw.value, (kind, spec, rest) => {
        const raw = { ...rawObject(kind), ...(typeof rest === 'object' ? rest : {}), spec, kind };
        const { object, diagnostics } = decodeObject(raw, null);
        if (object === null) expect(diagnostics.length).toBeGreaterThan(0);
        for (const diagnostic of diagnostics) expect(diagnostic.message).toContain('; ');
      }),
      { numRuns: 1000 },
    );
  });

  test('is decoded the same twice, to equal values', () => {
    fc.assert(
      fc.property(fc.constantFrom(...kinds), anyRaw.value, (kind, spec) => {
        const raw = rawObject(kind, { spec });
        expect(inspect(decodeObject(raw, null), { depth: 9 })).toBe(inspect(decodeObject(raw, null), { depth: 9 }));
      }),
    );
  });
});
