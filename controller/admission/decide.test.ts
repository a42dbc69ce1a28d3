// Each check of the webhook with what it refuses and what it lets through, and the order between them.

import { describe, expect, test } from '@jest/globals';
import { decide } from './decide.ts';
import {
  type IngressSpec,
  type KnownCluster,
  prefix,
  type Raw,
  rawIngress,
  requestFor,
  viewWith,
} from './testing/reviews.ts';
import { fullTest, judge, verdictOf } from './testing/verdicts.ts';

type Case = readonly [name: string, candidate: IngressSpec, cluster: KnownCluster, want: string];

function checkCases(cases: readonly Case[]): void {
  test.each(cases)('%s', (_name, candidate, cluster, want) => {
    expect(verdictOf(judge(candidate, cluster))).toBe(want);
  });
}

const snippet = { annotations: { 'configuration-snippet': 'deny all;' } };
const shop = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } };
const attack = { paths: [['/x; root /etc;', 'ImplementationSpecific']] } as const;

describe('deletion', () => {
  const broken = rawIngress({ ...attack, meta: { deletionTimestamp: '2030-01-01T00:00:00Z' } });
  test.each([
    ['an object that is being deleted', requestFor(broken)],
    ['a DELETE', requestFor(null, { operation: 'DELETE' })],
    ['a write of the status', requestFor(rawIngress(attack), { operation: 'UPDATE', subResource: 'status' })],
  ])('%s passes whatever it holds', (_name, request) => {
    expect(decide(viewWith(), request, fullTest)).toEqual({
      kind: 'allow',
      object: null,
      warnings: [],
      testedIngresses: 0,
    });
  });
});

describe('what is no Ingress', () => {
  test.each([
    ['null', null],
    ['text', 'Ingress'],
    ['another kind', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' } }],
    ['another kind that Sluice reads', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'web' } }],
    ['rules that are no list', rawIngress({ spec: { rules: 'all' } })],
    ['no name', rawIngress({ meta: { name: '' } })],
  ])('%s is refused', (_name, object) => {
    const decision = decide(viewWith(), requestFor(object), fullTest);
    expect(decision).toMatchObject({ kind: 'refuse', check: 'decode', isCounted: false });
    expect(decision).toHaveProperty('message', expect.stringMatching(/\S/));
  });
});

describe('deep inspection', () => {
  const rules = (host: string) => ({ spec: { rules: [{ host }] } });
  const tls = (entry: Raw) => ({ spec: { tls: [entry] } });
  checkCases([
    [
      'host',
      rules('a{alias /etc;}'),
      {},
      'deepInspection: invalid object: invalid host in ingress shop/web: invalid value found: a{alias /etc;}',
    ],
    [
      'path',
      attack,
      {},
      'deepInspection: invalid object: invalid rule in ingress shop/web: invalid http path: invalid value found: /x; root /etc;',
    ],
    [
      'TLS Secret',
      tls({ secretName: '/etc/passwd' }),
      {},
      'deepInspection: invalid object: invalid secret in ingress shop/web: invalid value found: /etc/passwd',
    ],
    [
      'TLS host',
      tls({ hosts: ['content_by_lua'] }),
      {},
      'deepInspection: invalid object: invalid host in ingress tls config shop/web: invalid value found: content_by_lua',
    ],
    [
      'a foreign class',
      { ...attack, spec: { ...(rawIngress(attack)['spec'] as Raw), ingressClassName: 'other' } },
      {},
      'deepInspection: invalid object: invalid rule in ingress shop/web: invalid http path: invalid value found: /x; root /etc;',
    ],
    ['switched off', attack, { options: { deepInspect: false } }, 'allow'],
    ['harmless text', { paths: ['/root/alias'] }, {}, 'allow'],
  ]);
});

describe('Ingresses of others', () => {
  const wrong = { ...snippet, meta: { uid: 'none' } };
  const withClass = (ingressClassName: string | null) => ({
    ...wrong,
    spec: { ...(rawIngress()['spec'] as Raw), ingressClassName },
  });
  checkCases([
    ['another class', withClass('other'), {}, 'allow unchecked'],
    ['an unknown class', withClass('missing'), {}, 'allow unchecked'],
    ['no class', withClass(null), {}, 'allow unchecked'],
    [
      'no class, when those are ours',
      withClass(null),
      { options: { watchIngressWithoutClass: true } },
      'uid: ingress has invalid UID: "none"',
    ],
    [
      'the class annotation of another',
      { ...withClass(null), otherAnnotations: { 'kubernetes.io/ingress.class': 'other' } },
      {},
      'allow unchecked',
    ],
    [
      'our class annotation',
      { ...withClass(null), otherAnnotations: { 'kubernetes.io/ingress.class': 'nginx' } },
      {},
      'uid: ingress has invalid UID: "none"',
    ],
    ['a namespace that is not watched', wrong, { options: { watchNamespace: 'other' } }, 'allow unchecked'],
    ['a namespace that is not selected', wrong, { options: { watchNamespaceSelector: 'team=a' } }, 'allow unchecked'],
    [
      'a namespace that is selected',
      wrong,
      { options: { watchNamespaceSelector: 'team=a' }, objects: [shop] },
      'uid: ingress has invalid UID: "none"',
    ],
    [
      'the namespace that is watched',
      wrong,
      { options: { watchNamespace: 'shop' } },
      'uid: ingress has invalid UID: "none"',
    ],
  ]);
});

describe('gates', () => {
  const catchAll = {
    spec: { ingressClassName: 'nginx', defaultBackend: { service: { name: 'web', port: { number: 80 } } } },
  };
  const noCatchAll =
    "catchAll: This deployment is trying to create a catch-all ingress while DisableCatchAll flag is set to true. Remove '.spec.defaultBackend' or set DisableCatchAll flag to false.";
  const own = { options: { annotationsPrefix: 'example.com' } };
  const words = { settings: { 'annotation-value-word-blocklist': 'load_module,proxy_pass' } };
  const refusedSnippet = (key: string) =>
    `snippet: ${key} annotation cannot be used. Snippet directives are disabled by the Ingress administrator`;
  checkCases([
    ['a catch-all', catchAll, { options: { disableCatchAll: true } }, noCatchAll],
    ['a catch-all where they are welcome', catchAll, {}, 'allow'],
    ['no catch-all', {}, { options: { disableCatchAll: true } }, 'allow'],
    ['no uid', { meta: { uid: '' } }, {}, 'uid: ingress has invalid UID: ""'],
    [
      'default prefix beside a custom one',
      { annotations: { 'ssl-redirect': 'true' } },
      own,
      "prefix: This deployment has a custom annotation prefix defined. Use 'example.com' instead of 'nginx.ingress.kubernetes.io'",
    ],
    ['custom prefix', { otherAnnotations: { 'example.com/ssl-redirect': 'true' } }, own, 'allow'],
    [
      'a blocked word',
      { annotations: { 'app-root': '/proxy_pass' } },
      words,
      `blockedWord: ${prefix}/app-root annotation contains invalid word proxy_pass`,
    ],
    ['a blocked word under another prefix', { otherAnnotations: { 'example.com/x': 'proxy_pass' } }, words, 'allow'],
    ['no blocked word', { annotations: { 'app-root': '/x' } }, words, 'allow'],
    ['a snippet', snippet, {}, refusedSnippet(`${prefix}/configuration-snippet`)],
    [
      "somebody else's snippet",
      { otherAnnotations: { 'example.com/some-snippet': 'x' } },
      {},
      refusedSnippet('example.com/some-snippet'),
    ],
  ]);
});

describe('path types', () => {
  const refused = (...lines: string[]) => `pathType: ingress contains invalid paths: ${lines.join('\n')}`;
  const regex = '/a(/|$)(.*)';
  checkCases([
    ['plain paths', { paths: ['/', '/a-b_c.d/E9/', ['/x', 'Exact']] }, {}, 'allow'],
    ['an empty path', { paths: [['', 'ImplementationSpecific']] }, {}, 'allow'],
    ['regex, ImplementationSpecific', { paths: [[regex, 'ImplementationSpecific']] }, {}, 'allow'],
    [
      'all bad ones are listed',
      { paths: [regex, '/ok', ['/b c', 'Exact']] },
      {},
      refused(`path ${regex} cannot be used with pathType Prefix`, 'path /b c cannot be used with pathType Exact'),
    ],
    ['no path type', { paths: [[regex, null]] }, {}, refused(`path ${regex} cannot be used with pathType <none>`)],
    ['relative path', { paths: ['a'] }, {}, refused('path a cannot be used with pathType Prefix')],
    ['not strict', { paths: [regex] }, { settings: { 'strict-validate-path-type': 'false' } }, 'allow'],
  ]);

  test.each<[string, KnownCluster, Raw]>([
    ['not strict', { settings: { 'strict-validate-path-type': 'false' } }, {}],
    ['foreign class', {}, { ingressClassName: 'other' }],
  ])('%s: they are warned of', (_name, cluster, spec) => {
    const raw = rawIngress({ paths: ['/b c'] });
    const decision = decide(
      viewWith(cluster),
      requestFor({ ...raw, spec: { ...(raw['spec'] as Raw), ...spec } }),
      fullTest,
    );
    expect(decision.kind).toBe('allow');
    expect(decision.warnings).toContain('path /b c cannot be used with pathType Prefix');
  });
});

describe('annotations', () => {
  const allowed = { 'allow-snippet-annotations': 'true' };
  const risky = 'risk: annotation group Snippets contains risky annotation based on ingress configuration';
  checkCases([
    ['a snippet that is allowed, but too risky', snippet, { settings: allowed }, risky],
    [
      'a snippet that passes both gates',
      snippet,
      { settings: { ...allowed, 'annotations-risk-level': 'Critical' } },
      'allow',
    ],
    [
      'a risk above a lower level',
      { annotations: { 'rewrite-target': '/$1' } },
      { settings: { 'annotations-risk-level': 'Low' } },
      'risk: annotation group Routing and rewrites contains risky annotation based on ingress configuration',
    ],
    [
      'a value its validator refuses',
      { annotations: { 'server-alias': 'a.test; root /' } },
      {},
      `annotation: annotation ${prefix}/server-alias contains invalid value`,
    ],
    [
      'the same without validation',
      { annotations: { 'server-alias': 'a.test; root /' } },
      { options: { enableAnnotationValidation: false } },
      'allow',
    ],
    ['a value that closes the paths', { annotations: { 'allowlist-source-range': 'home' } }, {}, 'allow'],
    ['a value that is ignored', { annotations: { 'proxy-read-timeout': 'soon' } }, {}, 'allow'],
    ['an unknown annotation', { annotations: { 'ssl-redirects': 'true' } }, {}, 'allow'],
  ]);

  test('a refusal comes with the reason in words', () => {
    const decision = judge({ annotations: { 'server-alias': 'a.test; root /' } });
    expect(decision.warnings).toEqual([
      expect.stringMatching(/^server-alias "a\.test; root \/" .*; the whole Ingress is not loaded/),
    ]);
  });
});

describe('overlap', () => {
  const stored = (changes: IngressSpec = {}) =>
    rawIngress({ name: 'old', meta: { uid: '', creationTimestamp: '2020-01-01T00:00:00Z' }, ...changes });
  const cluster = (changes?: IngressSpec): KnownCluster => ({ objects: [stored(changes)] });
  const taken = (path = '/', host = 'a.test') =>
    `overlap: host "${host}" and path "${path}" is already defined in ingress shop/old`;
  const canary = (text: string) => ({ annotations: { canary: text } });
  checkCases([
    ['same host and path', {}, cluster(), taken()],
    ['from another namespace', { namespace: 'blog' }, cluster(), taken()],
    ['another path type', { paths: [['/', 'Exact']] }, cluster(), taken()],
    ['any of several paths', { paths: ['/a', '/b'] }, cluster({ paths: ['/b'] }), taken('/b')],
    ['prefixes that differ in the last slash', { paths: ['/a/'] }, cluster({ paths: ['/a'] }), taken('/a/')],
    [
      'Exact paths that differ in the last slash',
      { paths: [['/a/', 'Exact']] },
      cluster({ paths: [['/a', 'Exact']] }),
      'allow',
    ],
    ['an empty path is the root', { paths: [['', 'ImplementationSpecific']] }, cluster(), taken()],
    ['no host', { host: '' }, cluster({ host: '' }), taken('/', '_')],
    ['another host', { host: 'b.test' }, cluster(), 'allow'],
    ['another path', { paths: ['/a'] }, cluster(), 'allow'],
    ['a canary beside its primary', canary('true'), cluster(), 'allow'],
    ['a primary beside its canary', {}, cluster(canary('true')), 'allow'],
    ['two canaries', canary('true'), cluster(canary('1')), 'allow'],
    ['a canary beside one that says false', canary('true'), cluster(canary('false')), 'allow'],
    ['canary: false on one side', canary('false'), cluster(), 'allow'],
    ['canary: false on the other', {}, cluster(canary('false')), 'allow'],
    ['canary: false on both', canary('false'), cluster(canary('false')), 'allow'],
    [
      'a stored one of another class',
      {},
      cluster({ spec: { ...(rawIngress()['spec'] as Raw), ingressClassName: 'other' } }),
      'allow',
    ],
    ['a stored one that is rejected', {}, cluster({ annotations: { 'server-alias': ';' } }), 'allow'],
    [
      'a stored one with a resource backend',
      {},
      cluster({
        spec: {
          ingressClassName: 'nginx',
          rules: [
            {
              host: 'a.test',
              http: {
                paths: [
                  {
                    path: '/',
                    pathType: 'Prefix',
                    backend: { resource: { apiGroup: 'x', kind: 'Bucket', name: 'b' } },
                  },
                ],
              },
            },
          ],
        },
      }),
      'allow',
    ],
    ['itself', { name: 'old' }, cluster(), 'allow'],
    ['itself with a new path', { name: 'old', paths: ['/', '/new'] }, cluster(), 'allow'],
  ]);

  const both = [
    stored(),
    rawIngress({ name: 'web', paths: ['/', '/own'], meta: { creationTimestamp: '2025-01-01T00:00:00Z' } }),
  ];
  test('of two that were stored in conflict, the older may be edited and the younger must give way', () => {
    const view = viewWith({ objects: both });
    const edit = (raw: Raw) => verdictOf(decide(view, requestFor(raw, { operation: 'UPDATE' }), fullTest));
    const older = { creationTimestamp: '2020-01-01T00:00:00Z' };
    const younger = { creationTimestamp: '2025-01-01T00:00:00Z' };
    expect(edit(rawIngress({ name: 'old', meta: older, annotations: { 'ssl-redirect': 'false' } }))).toBe('allow');
    expect(edit(rawIngress({ name: 'web', meta: younger, paths: ['/', '/own', '/more'] }))).toBe(taken());
    expect(edit(rawIngress({ name: 'web', meta: younger, paths: ['/own'] }))).toBe('allow');
    expect(edit(rawIngress({ name: 'old', meta: older, paths: ['/', '/own'] }))).toBe(
      'overlap: host "a.test" and path "/own" is already defined in ingress shop/web',
    );
  });

  test('is found with --disable-full-test, too', () => {
    expect(verdictOf(decide(viewWith(cluster()), requestFor(rawIngress()), { disableFullTest: true }))).toBe(taken());
  });
});

describe('order', () => {
  const everything: IngressSpec = {
    ...attack,
    ...snippet,
    meta: { uid: '' },
    annotations: { ...snippet.annotations, 'server-alias': ';', 'app-root': '/proxy_pass' },
  };
  const cluster: KnownCluster = {
    settings: { 'annotation-value-word-blocklist': 'proxy_pass', 'allow-snippet-annotations': 'false' },
    objects: [rawIngress({ name: 'old', paths: ['/', '/a b'], meta: {} })],
  };
  test('each check waits for the one before', () => {
    const steps: [change: IngressSpec, settings: Record<string, string>, want: string][] = [
      [{}, {}, 'deepInspection'],
      [{ paths: ['/a b'] }, {}, 'uid'],
      [{ meta: {} }, {}, 'pathType'],
      [{ paths: ['/'] }, {}, 'blockedWord'],
      [{}, { 'annotation-value-word-blocklist': '' }, 'snippet'],
      [{}, { 'allow-snippet-annotations': 'true' }, 'risk'],
      [{}, { 'annotations-risk-level': 'Critical' }, 'annotation'],
      [{ annotations: {} }, {}, 'overlap'],
    ];
    let candidate = everything;
    let known = cluster;
    for (const [change, settings, want] of steps) {
      candidate = { ...candidate, ...change };
      known = { ...known, settings: { ...known.settings, ...settings } };
      expect(judge(candidate, known)).toMatchObject({ kind: 'refuse', check: want });
    }
  });

  test.each([
    [attack, false],
    [snippet, false],
    [{ annotations: { 'server-alias': ';' } }, true],
  ])('%j is counted: %s', (candidate, isCounted) => {
    expect(judge(candidate as IngressSpec)).toMatchObject({ kind: 'refuse', isCounted });
  });
});
