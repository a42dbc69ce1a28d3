import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeObject } from './decode.ts';
import { decodeAs, rawIngress, rawObject, rawPath, summary } from './testing/raw-objects.ts';

const backend = { service: { name: 'web', port: { number: 80 } } };

test('decodes a whole Ingress', () => {
  const { object, diagnostics } = decodeAs(
    'Ingress',
    rawObject('Ingress', {
      spec: {
        ingressClassName: 'nginx',
        defaultBackend: { service: { name: 'fallback', port: { name: 'http' } } },
        tls: [{ hosts: ['a.test', '*.b.test'], secretName: 'cert' }, {}],
        rules: [
          { host: 'a.test', http: { paths: [rawPath('/'), rawPath('', { pathType: 'ImplementationSpecific' })] } },
          { http: { paths: [rawPath('/x', { backend: { resource: { kind: 'Bucket', name: 'b' } } })] } },
          { host: '*.b.test' },
        ],
      },
    }),
  );
  expect(diagnostics).toEqual([]);
  const web = { kind: 'service', service: 'web', port: { kind: 'number', number: 80 } };
  expect(object).toEqual({
    kind: 'Ingress',
    meta: expect.anything(),
    ingressClassName: 'nginx',
    defaultBackend: { kind: 'service', service: 'fallback', port: { kind: 'name', name: 'http' } },
    tls: [
      { index: 0, hosts: ['a.test', '*.b.test'], secretName: 'cert' },
      { index: 1, hosts: [], secretName: '' },
    ],
    rules: [
      {
        index: 0,
        host: 'a.test',
        paths: [
          { index: 0, path: '/', pathType: 'Prefix', backend: web },
          { index: 1, path: '', pathType: 'ImplementationSpecific', backend: web },
        ],
      },
      {
        index: 1,
        host: '',
        paths: [{ index: 0, path: '/x', pathType: 'Prefix', backend: { kind: 'resource', resource: 'Bucket/b' } }],
      },
      { index: 2, host: '*.b.test', paths: null },
    ],
  });
});

test.each<[string, unknown]>([
  ['no spec', undefined],
  ['an empty spec', {}],
  ['empty rules', { rules: [] }],
  ['null rules', { rules: null, tls: [{ hosts: ['a.test'] }] }],
])('refuses an Ingress with %s', (_name, spec) => {
  const { object, diagnostics } = decodeObject(rawObject('Ingress', { spec }), null);
  expect(object).toBeNull();
  expect(diagnostics.map((d) => d.message)).toEqual([
    'spec has neither rules nor defaultBackend; the object is not used: none of its hosts and paths are served',
  ]);
});

describe('a bad path costs only itself', () => {
  const first = 'spec.rules[0].http.paths[0]';
  test.each<[string, unknown, string]>([
    ['no pathType', { path: '/', backend }, `error MissingField ${first}.pathType`],
    ['an unknown pathType', rawPath('/', { pathType: 'prefix' }), `error InvalidField ${first}.pathType`],
    ['a Prefix without slash', rawPath('foo'), `error InvalidField ${first}.path`],
    ['an Exact without path', rawPath('', { pathType: 'Exact' }), `error InvalidField ${first}.path`],
    ['a bare regex', rawPath('foo.*', { pathType: 'ImplementationSpecific' }), `error InvalidField ${first}.path`],
    ['//', rawPath('/a//b'), `error InvalidField ${first}.path`],
    ['/../', rawPath('/a/../b'), `error InvalidField ${first}.path`],
    ['/./', rawPath('/a/./b'), `error InvalidField ${first}.path`],
    ['/.. at the end', rawPath('/a/..'), `error InvalidField ${first}.path`],
    ['/. at the end', rawPath('/a/.'), `error InvalidField ${first}.path`],
    ['%2F', rawPath('/a%2Fb', { pathType: 'Exact' }), `error InvalidField ${first}.path`],
    ['%2f', rawPath('/a%2fb'), `error InvalidField ${first}.path`],
    ['a path that is a number', rawPath('/', { path: 5 }), `error InvalidField ${first}.path`],
    ['a path that is text', '/foo', `error InvalidField ${first}`],
    ['no backend', { path: '/', pathType: 'Prefix' }, `error MissingField ${first}.backend`],
    ['an empty backend', rawPath('/', { backend: {} }), `error MissingField ${first}.backend.service`],
    ['no Service name', rawPath('/', { backend: { service: {} } }), `error MissingField ${first}.backend.service.name`],
    [
      'a bad Service name',
      rawPath('/', { backend: { service: { name: 'a/b', port: { number: 80 } } } }),
      `error InvalidField ${first}.backend.service.name`,
    ],
    [
      'service and resource',
      rawPath('/', { backend: { ...backend, resource: { kind: 'A', name: 'a' } } }),
      `error InvalidField ${first}.backend`,
    ],
  ])('%s', (_name, bad, want) => {
    const { object, diagnostics } = decodeAs('Ingress', rawIngress(bad, rawPath('/good')));
    expect(object.rules[0]?.paths?.map(({ index, path }) => ({ index, path }))).toEqual([{ index: 1, path: '/good' }]);
    expect(summary(diagnostics)).toEqual([want]);
    expect(diagnostics[0]?.message).toMatch(/; this path is not served$/);
  });

  test('the message names field and value', () => {
    const { diagnostics } = decodeAs('Ingress', rawIngress(rawPath('/ok'), rawPath('/a//b')));
    expect(diagnostics.map((d) => d.message)).toEqual([
      'spec.rules[0].http.paths[1].path "/a//b" must not contain "//"; this path is not served',
    ]);
  });

  test('the removed v1beta1 backend is recognised', () => {
    const bad = rawPath('/', { backend: { serviceName: 'web', servicePort: 80 } });
    expect(decodeAs('Ingress', rawIngress(bad)).diagnostics[0]?.message).toContain('v1beta1');
  });

  test.each(['/foo[0-9]+', '/a.b/..c', '/.well-known', '/%41', '/foo(/|$)(.*)'])('Prefix %s is fine', (path) => {
    expect(decodeAs('Ingress', rawIngress(rawPath(path))).diagnostics).toEqual([]);
  });

  test('an ImplementationSpecific path may hold what Prefix may not', () => {
    const raw = rawIngress(rawPath('/a//b/../%2F', { pathType: 'ImplementationSpecific' }));
    expect(decodeAs('Ingress', raw).diagnostics).toEqual([]);
  });
});

describe('a path with a bad port stays and answers 503', () => {
  const field = 'spec.rules[0].http.paths[0].backend.service.port';
  test.each<[string, unknown, string]>([
    ['no port', undefined, `error MissingField ${field}`],
    ['an empty port', {}, `error MissingField ${field}`],
    ['name and number', { name: 'http', number: 80 }, `error InvalidField ${field}`],
    ['0', { number: 0 }, `error InvalidField ${field}.number`],
    ['65536', { number: 65536 }, `error InvalidField ${field}.number`],
    ['a fraction', { number: 80.5 }, `error InvalidField ${field}.number`],
    ['a quoted number', { number: '80' }, `error InvalidField ${field}.number`],
    ['a name in capitals', { name: 'HTTP' }, `error InvalidField ${field}.name`],
    ['a bare number', 80, `error InvalidField ${field}`],
  ])('%s', (_name, port, want) => {
    const bad = rawPath('/admin', { backend: { service: { name: 'web', port } } });
    const { object, diagnostics } = decodeAs('Ingress', rawIngress(bad));
    expect(object.rules[0]?.paths?.[0]?.backend).toEqual({ kind: 'service', service: 'web', port: { kind: 'none' } });
    expect(summary(diagnostics)).toEqual([want]);
    expect(diagnostics[0]?.message).toMatch(/answered 503$/);
  });

  test('the message names field, value and range', () => {
    const bad = rawPath('/', { backend: { service: { name: 'web', port: { number: 70000 } } } });
    expect(decodeAs('Ingress', rawIngress(bad)).diagnostics[0]?.message).toBe(
      `${field}.number 70000 must be between 1 and 65535; requests for this backend are answered 503`,
    );
  });
});

describe('a bad rule costs only itself', () => {
  test.each<[string, unknown, string]>([
    ['a bad label', { host: 'bad_label.test' }, 'error InvalidField spec.rules[0].host'],
    ['an IP address', { host: '10.0.0.1' }, 'error InvalidField spec.rules[0].host'],
    ['*', { host: '*' }, 'error InvalidField spec.rules[0].host'],
    ['capitals', { host: 'A.test' }, 'error InvalidField spec.rules[0].host'],
    ['a host that is a number', { host: 5 }, 'error InvalidField spec.rules[0].host'],
    ['http that is text', { host: 'a.test', http: 'x' }, 'error InvalidField spec.rules[0].http'],
    ['no object', 'a.test', 'error InvalidField spec.rules[0]'],
    ['null', null, 'error MissingField spec.rules[0]'],
  ])('%s', (_name, bad, want) => {
    const raw = rawObject('Ingress', { spec: { rules: [bad, { host: 'good.test' }] } });
    const { object, diagnostics } = decodeAs('Ingress', raw);
    expect(object.rules).toEqual([{ index: 1, host: 'good.test', paths: null }]);
    expect(summary(diagnostics)).toEqual([want]);
  });

  test.each<[string, unknown, string]>([
    ['no paths', {}, 'error MissingField spec.rules[0].http.paths'],
    ['empty paths', { paths: [] }, 'error MissingField spec.rules[0].http.paths'],
    ['paths that are no list', { paths: {} }, 'error InvalidField spec.rules[0].http.paths'],
  ])('http with %s keeps the host', (_name, http, want) => {
    const { object, diagnostics } = decodeAs(
      'Ingress',
      rawObject('Ingress', { spec: { rules: [{ host: 'a.test', http }] } }),
    );
    expect(object.rules).toEqual([{ index: 0, host: 'a.test', paths: [] }]);
    expect(summary(diagnostics)).toEqual([want]);
  });
});

test('TLS entries lose only their bad parts', () => {
  const tls = [{ hosts: ['a.test', 'B.test', 5, ''], secretName: 'Bad_Name' }, 'x', { hosts: 'a.test' }];
  const { object, diagnostics } = decodeAs(
    'Ingress',
    rawObject('Ingress', { spec: { tls, rules: [{ host: 'a.test' }] } }),
  );
  expect(object.tls).toEqual([
    { index: 0, hosts: ['a.test'], secretName: '' },
    { index: 2, hosts: [], secretName: '' },
  ]);
  expect(summary(diagnostics)).toEqual([
    'error InvalidField spec.tls[0].hosts[1]',
    'error InvalidField spec.tls[0].hosts[2]',
    'error InvalidField spec.tls[0].hosts[3]',
    'error InvalidField spec.tls[0].secretName',
    'error InvalidField spec.tls[1]',
    'error InvalidField spec.tls[2].hosts',
  ]);
});

test('a bad default backend is dropped, the rules stay', () => {
  const raw = rawObject('Ingress', { spec: { defaultBackend: {}, rules: [{ host: 'a.test' }] } });
  const { object, diagnostics } = decodeAs('Ingress', raw);
  expect(object.defaultBackend).toBeNull();
  expect(object.rules).toHaveLength(1);
  expect(summary(diagnostics)).toEqual(['error MissingField spec.defaultBackend.service']);
});

describe('a default backend beside rules', () => {
  const defaultBackend = { service: { name: 'web', port: { number: 80 } } };

  test.each<[string, unknown, string]>([
    ['a bad host', [{ host: 'bad_label.test' }], 'error InvalidField spec.rules[0].host'],
    ['no list', { host: 'a.test' }, 'error InvalidField spec.rules'],
  ])('is lost with the last of them: it must not answer every unknown host (%s)', (_name, rules, want) => {
    const { object, diagnostics } = decodeAs('Ingress', rawObject('Ingress', { spec: { defaultBackend, rules } }));
    expect(object).toMatchObject({ defaultBackend: null, rules: [] });
    expect(summary(diagnostics)).toEqual([want, 'error DefaultBackendIgnored spec.defaultBackend']);
  });

  test.each<[string, unknown]>([
    ['one usable rule is left', [{ host: 'bad_label.test' }, { host: 'a.test' }]],
    ['the list is empty', []],
    ['there is no list', null],
  ])('stays when %s', (_name, rules) => {
    const { object } = decodeAs('Ingress', rawObject('Ingress', { spec: { defaultBackend, rules } }));
    expect(object.defaultBackend).toMatchObject({ kind: 'service', service: 'web' });
  });
});

test('a class that is no text refuses the Ingress: it must not be taken for one without class', () => {
  const raw = rawObject('Ingress', { spec: { ingressClassName: 5, rules: [{ host: 'a.test' }] } });
  expect(decodeObject(raw, null).object).toBeNull();
});

test.each([
  ['nginx', []],
  ['other', ['warning ClassConflict metadata.annotations[kubernetes.io/ingress.class]']],
])('class annotation nginx beside class %s', (ingressClassName, want) => {
  const metadata = { name: 'web', annotations: { 'kubernetes.io/ingress.class': 'nginx' } };
  const raw = rawObject('Ingress', { metadata, spec: { ingressClassName, rules: [{ host: 'a.test' }] } });
  expect(summary(decodeAs('Ingress', raw).diagnostics)).toEqual(want);
});

test('the usual form of a path means the same as the long one, and so do mistakes in it', () => {
  const texts = fc.constantFrom('', '/', '/a', '/a/', 'a', '/a//b', '/a/..', '/%2f');
  const types = fc.constantFrom('Prefix', 'Exact', 'ImplementationSpecific', 'prefix', undefined, null);
  const names = fc.constantFrom('web', '', 'Web', 'a.b', 5, undefined);
  const numbers = fc.constantFrom(80, 1, 65535, 0, 65536, 1.5, '80', Number.NaN);
  fc.assert(
    fc.property(texts, types, names, numbers, (path, pathType, name, number) => {
      const decodeWith = (port: object) => {
        const paths = [{ path, pathType, backend: { service: { name, port } } }];
        return decodeObject(rawObject('Ingress', { spec: { rules: [{ host: 'a.test', http: { paths } }] } }), null);
      };
      // An empty name of a port is none, but not the usual form.
      expect(decodeWith({ number })).toEqual(decodeWith({ number, name: '' }));
    }),
  );
});
