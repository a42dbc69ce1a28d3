// What the webhook's answer says besides yes or no: warnings, what was tested, and that there is one for any object.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decide } from './decide.ts';
import { type IngressSpec, prefix, rawIngress, requestFor, viewWith } from './testing/reviews.ts';
import { judge } from './testing/verdicts.ts';

describe('warnings', () => {
  test.each<[string, IngressSpec, RegExp]>([
    [
      'deprecated',
      { annotations: { 'enable-influxdb': 'true' } },
      /^annotation nginx\.ingress\.kubernetes\.io\/enable-influxdb is deprecated$/,
    ],
    [
      'unknown',
      { annotations: { 'ssl-redirects': 'true' } },
      /"ssl-redirects" is unknown \(did you mean ssl-redirect\?\); it has no effect/,
    ],
    [
      'no effect',
      { annotations: { 'proxy-busy-buffers-size': '8k' } },
      /^proxy-busy-buffers-size "8k" has no effect here/,
    ],
    ['not yet', { annotations: { 'x-forwarded-prefix': '/a' } }, /^x-forwarded-prefix "\/a" is not carried out yet/],
    ['closes the paths', { annotations: { 'auth-type': 'basic' } }, /every path of this Ingress answers 503$/],
    [
      'ignored value',
      { annotations: { 'proxy-read-timeout': 'soon' } },
      /^proxy-read-timeout "soon" .*; the value for its paths is/,
    ],
    [
      'a canary that never takes part',
      { annotations: { canary: 'true', 'canary-by-header': 'x', 'canary-by-header-pattern': '(?=a)' } },
      /requests with the header go to the primary Ingress$/,
    ],
    [
      'a rule that cannot be decoded',
      { spec: { ingressClassName: 'nginx', rules: [{ host: 'a b' }, { host: 'a.test' }] } },
      /^spec\.rules\[0\]\.host "a b" .*; this rule is not served$/,
    ],
    [
      'a path twice',
      { paths: ['/', '/'] },
      /is already defined by spec\.rules\[0\]\.http\.paths\[0\] of this Ingress; this path is ignored/,
    ],
    [
      'a path that looks like a regex',
      { paths: [['/a.*', 'ImplementationSpecific']] },
      /looks like a regular expression/,
    ],
  ])('%s', (_name, candidate, want) => {
    const decision = judge(candidate);
    expect(decision.kind).toBe('allow');
    expect(decision.warnings).toContainEqual(expect.stringMatching(want));
  });

  test('none for an Ingress that is as it should be', () => {
    expect(judge({ annotations: { 'ssl-redirect': 'false' } })).toEqual({
      kind: 'allow',
      object: { kind: 'Ingress', namespace: 'shop', name: 'web' },
      warnings: [],
      testedIngresses: 1,
    });
  });

  test('a shadowed path that passes the canary gap', () => {
    const decision = judge(
      { annotations: { canary: 'false' } },
      { objects: [rawIngress({ name: 'old', meta: { creationTimestamp: '2020-01-01T00:00:00Z' } })] },
    );
    // Without a timestamp the candidate would count as older.
    expect(decision.kind).toBe('allow');
    const younger = judge(
      { annotations: { canary: 'false' }, meta: { creationTimestamp: '2025-01-01T00:00:00Z' } },
      { objects: [rawIngress({ name: 'old', meta: { creationTimestamp: '2020-01-01T00:00:00Z' } })] },
    );
    expect(younger.warnings).toContainEqual(
      expect.stringMatching(/already defined by Ingress shop\/old; this path is ignored/),
    );
  });

  test('are few, on one line each and without control characters', () => {
    const annotations = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`unknown-${i}\n`, 'x']));
    const { warnings } = judge({ annotations });
    expect(warnings).toHaveLength(21);
    expect(warnings.at(-1)).toMatch(/^80 more problems/);
    for (const warning of warnings) expect(warning).not.toMatch(/\p{Cc}/u);
  });

  test('none holds a secret', () => {
    const decision = judge({ annotations: { 'auth-url': 'https://user:hunter2@idp.test/?token=hunter2' } });
    expect(JSON.stringify(decision)).not.toContain('hunter2');
  });
});

test('the number of tested Ingresses counts an update once', () => {
  const view = viewWith({
    objects: [rawIngress({ name: 'one', host: 'one.test' }), rawIngress({ name: 'two', host: 'two.test' })],
  });
  const tested = (name: string, disableFullTest = false) =>
    decide(view, requestFor(rawIngress({ name, host: `${name}.test` })), { disableFullTest });
  expect(tested('three')).toHaveProperty('testedIngresses', 3);
  expect(tested('one')).toHaveProperty('testedIngresses', 2);
  expect(tested('one', true)).toHaveProperty('testedIngresses', 1);
});

describe('for any object at all', () => {
  const view = viewWith({ objects: [rawIngress({ name: 'old' })] });
  const leaf = fc.oneof(
    fc.string(),
    fc.constantFrom('/', '', 'nginx', 'Prefix', 'a.test', null, 80, true),
    fc.double(),
  );
  const { any } = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(fc.string(), tie('any'), { maxKeys: 3 }),
    ),
  }));
  const maybe = (arbitrary: fc.Arbitrary<unknown>) => fc.oneof({ weight: 4, arbitrary }, { weight: 1, arbitrary: any });
  const path = maybe(
    fc.record({
      path: maybe(fc.constantFrom('/', '/a', '/a(b')),
      pathType: maybe(fc.constantFrom('Prefix', 'Exact')),
      backend: maybe(fc.constant({ service: { name: 'web', port: { number: 80 } } })),
    }),
  );
  const rule = maybe(
    fc.record({
      host: maybe(fc.constantFrom('a.test', 'b.test', '*.test')),
      http: maybe(fc.record({ paths: maybe(fc.array(path, { maxLength: 3 })) })),
    }),
  );
  const spec = maybe(
    fc.record({
      ingressClassName: maybe(fc.constant('nginx')),
      defaultBackend: any,
      rules: maybe(fc.array(rule, { maxLength: 3 })),
      tls: any,
    }),
  );
  const annotations = maybe(
    fc.dictionary(
      fc.constantFrom(`${prefix}/canary`, `${prefix}/server-alias`, `${prefix}/x`, '__proto__', 'constructor'),
      maybe(fc.string()),
    ),
  );
  const metadata = maybe(
    fc.record({
      name: maybe(fc.constant('web')),
      namespace: maybe(fc.constant('shop')),
      uid: maybe(fc.uuid()),
      annotations,
      deletionTimestamp: fc.constantFrom(undefined, null),
    }),
  );
  const object = maybe(
    fc.record({
      apiVersion: maybe(fc.constant('networking.k8s.io/v1')),
      kind: maybe(fc.constant('Ingress')),
      metadata,
      spec,
    }),
  );

  test('decide gives a decision, and the same again', () => {
    fc.assert(
      fc.property(object, fc.boolean(), (raw, disableFullTest) => {
        const decision = decide(view, requestFor(raw), { disableFullTest });
        expect(['allow', 'refuse']).toContain(decision.kind);
        expect(decide(view, requestFor(raw), { disableFullTest })).toEqual(decision);
      }),
      { numRuns: 2000 },
    );
  });
});
