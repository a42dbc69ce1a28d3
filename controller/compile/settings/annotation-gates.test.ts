// What stands between the annotations of an Ingress and their effect: validators, risk levels, snippets, blocked words,
// prefixes, and names that nobody knows.

import { describe, expect, test } from '@jest/globals';
import { DEFAULT_PREFIX } from './annotations.ts';
import { authRealm } from './auth.ts';
import { activePath, slowStart } from './own-health.ts';
import { hedgeAfter } from './own-overload.ts';
import { parseAnnotations } from './parse-annotations.ts';
import { proxyReadTimeout } from './proxying.ts';
import { sslRedirect } from './redirects.ts';
import { ingressWith, messages, parse, prefixed, settings, summary } from './testing/inputs.ts';

describe('validator switch', () => {
  const text = { 'auth-realm': 'a "b"', 'auth-type': 'basic' };

  test('on: the pattern decides', () => {
    expect(parse(text).verdict.kind).toBe('rejectIngress');
  });

  test('off: only the type decides', () => {
    const parsed = parse(text, { validation: false });
    expect(parsed.verdict.kind).toBe('denyRoutes');
    expect(parsed.values.get(authRealm)).toBe('a "b"');
    expect(parse({ 'limit-rps': 'x' }, { validation: false }).verdict.kind).toBe('rejectIngress');
  });
});

describe('risk gate', () => {
  const cases: readonly [string, Record<string, string>, string | undefined, string][] = [
    ['default level accepts High', { 'server-alias': 'a.test' }, undefined, 'accept'],
    ['default level rejects Critical', { 'stream-snippet': 'x' }, undefined, 'rejectIngress'],
    ['Medium rejects High', { 'server-alias': 'a.test' }, 'Medium', 'rejectIngress'],
    ['Low rejects Medium', { 'proxy-body-size': '1m' }, 'Low', 'rejectIngress'],
    ['Low accepts Low', { 'ssl-redirect': 'true' }, 'Low', 'accept'],
    ['any case', { 'proxy-body-size': '1m' }, 'mEdIuM', 'accept'],
    ['unknown text is Low', { 'proxy-body-size': '1m' }, 'Hihg', 'rejectIngress'],
    ['an alias counts', { 'whitelist-source-range': '' }, 'Low', 'rejectIngress'],
    ['an empty value counts', { 'proxy-body-size': '' }, 'Low', 'rejectIngress'],
    ['unknown names have no risk', { 'no-such-thing': 'x' }, 'Low', 'accept'],
  ];

  test.each(cases)('%s', (_, given, level, kind) => {
    const data = level === undefined ? {} : { 'annotations-risk-level': level };
    expect(parse(given, { data }).verdict.kind).toBe(kind);
  });

  test('says which and why', () => {
    const { verdict } = parse({ 'server-alias': 'a.test' }, { data: { 'annotations-risk-level': 'Medium' } });
    const reasons = ['server-alias has risk High, and ConfigMap annotations-risk-level accepts at most Medium'];
    expect(verdict).toEqual({ kind: 'rejectIngress', reasons });
  });
});

describe('snippet gates', () => {
  const snippet = { 'configuration-snippet': 'deny all; # secret-text' };
  const critical = { 'annotations-risk-level': 'Critical' };
  const cases: readonly [string, Record<string, string>, string, string[]][] = [
    ['both closed', {}, 'rejectIngress', ['error AnnotationTooRisky', 'warning SnippetsNotAllowed']],
    ['risk open', critical, 'accept', ['warning SnippetsNotAllowed']],
    [
      'snippets open',
      { 'allow-snippet-annotations': 'true' },
      'rejectIngress',
      ['error AnnotationTooRisky', 'error AnnotationRefused'],
    ],
    ['both open', { ...critical, 'allow-snippet-annotations': 'true' }, 'denyRoutes', ['error AnnotationRefused']],
  ];

  test.each(cases)('%s', (_, data, kind, reasons) => {
    const parsed = parse(snippet, { data });
    expect(parsed.verdict.kind).toBe(kind);
    expect(summary(parsed)).toEqual(reasons.map((reason) => `${reason} configuration-snippet`));
    expect(JSON.stringify(parsed.diagnostics)).not.toContain('secret-text');
  });
});

describe('word blocklist', () => {
  const data = { 'annotation-value-word-blocklist': 'load_module, {' };

  test('a word anywhere in a value rejects the Ingress, even of an unknown annotation', () => {
    const { verdict } = parse({ unknown: 'xload_modulex' }, { data });
    const reasons = [
      'the value of unknown contains "load_module", which ConfigMap annotation-value-word-blocklist forbids',
    ];
    expect(verdict).toEqual({ kind: 'rejectIngress', reasons });
  });

  test('values without a word, and annotations of others, pass', () => {
    const ingress = ingressWith({ 'example.com/x': 'load_module', ...prefixed({ 'ssl-redirect': 'true' }) });
    const parsed = parseAnnotations(ingress, {
      prefix: DEFAULT_PREFIX,
      validation: true,
      global: settings(data).values,
    });
    expect(parsed.verdict).toEqual({ kind: 'accept' });
  });
});

describe('prefixes', () => {
  const parseWith = (keys: Record<string, string>) =>
    parseAnnotations(ingressWith(keys), {
      prefix: 'ingress.example.com',
      validation: true,
      global: settings({}).values,
    });

  test('a custom prefix is read, the default one is not and gives one warning', () => {
    const parsed = parseWith({
      'ingress.example.com/ssl-redirect': 'false',
      [`${DEFAULT_PREFIX}/proxy-read-timeout`]: '30',
      [`${DEFAULT_PREFIX}/limit-rps`]: 'x',
    });
    expect(parsed.values.get(sslRedirect)).toBe(false);
    expect(parsed.values.get(proxyReadTimeout)).toBe(60);
    expect(parsed.verdict).toEqual({ kind: 'accept' });
    expect(messages(parsed)).toEqual([
      `2 annotations have the prefix ${DEFAULT_PREFIX}, but the controller reads ingress.example.com; it has no effect`,
    ]);
  });

  describe("Sluice's own prefix", () => {
    const parseOwn = (given: Readonly<Record<string, string>>, prefix: string = DEFAULT_PREFIX) => {
      const entries = Object.entries(given).map(([name, text]) => [`sluice.ingress.kubernetes.io/${name}`, text]);
      const context = { prefix, validation: true, global: settings({}).values };
      return parseAnnotations(ingressWith(Object.fromEntries(entries)), context);
    };

    test.each([DEFAULT_PREFIX, 'ingress.example.com', 'sluice.ingress.kubernetes.io'])(
      'is read beside %s',
      (prefix) => {
        const { values, diagnostics } = parseOwn({ 'slow-start': '30s' }, prefix);
        expect(values.get(slowStart)).toBe(30_000);
        expect(diagnostics).toEqual([]);
      },
    );

    test.each([
      ['slow-stat', 'annotation "slow-stat" is unknown (did you mean slow-start?); it has no effect'],
      [
        'load-balance',
        'annotation "load-balance" is one of ingress-nginx and is not read under sluice.ingress.kubernetes.io; it has no effect',
      ],
    ])('does not know %s', (name, message) => {
      expect(messages(parseOwn({ [name]: 'x' }))).toEqual([message]);
    });

    test('its names are not read under another prefix', () => {
      const parsed = parse({ 'slow-start': '30s' });
      expect(parsed.values.get(slowStart)).toBe(0);
      expect(messages(parsed)).toEqual(['annotation "slow-start" is unknown; it has no effect']);
    });

    test('an invalid value leaves the default, and a name without its switch does nothing', () => {
      const { values, diagnostics } = parseOwn({ 'hedge-after': '0', 'active-check-path': '/up' });
      expect(values.get(hedgeAfter)).toBeNull();
      expect(values.get(activePath)).toBe('/');
      expect(diagnostics.map(({ reason }) => reason)).toEqual(['AnnotationNoEffect', 'AnnotationParsingFailed']);
    });
  });
});

describe('unknown names', () => {
  test.each([
    ['ssl-redirct', 'annotation "ssl-redirct" is unknown (did you mean ssl-redirect?); it has no effect'],
    ['something-else', 'annotation "something-else" is unknown; it has no effect'],
    [
      'secure-backends',
      'annotation "secure-backends" is not read by ingress-nginx v1.15 and not by Sluice (set backend-protocol: HTTPS instead); it has no effect',
    ],
    [
      'influxdb-host',
      'annotation "influxdb-host" is not read by ingress-nginx v1.15 and not by Sluice; it has no effect',
    ],
    [
      'server-snippets',
      'annotation "server-snippets" is not read by ingress-nginx v1.15 and not by Sluice (the name is server-snippet, which Sluice does not run); it has no effect',
    ],
    [
      'auth-tls-verify-clent',
      'annotation "auth-tls-verify-clent" is unknown (did you mean auth-tls-verify-client?); it has no effect',
    ],
    [
      'hsts-max-age',
      'annotation "hsts-max-age" is not read by ingress-nginx v1.15 and not by Sluice (set hsts, hsts-max-age, hsts-include-subdomains or hsts-preload in the ConfigMap instead); it has no effect',
    ],
  ])('%s', (name, message) => {
    const parsed = parse({ [name]: 'x' });
    expect(messages(parsed)).toEqual([message]);
    expect(summary(parsed)).toEqual([`warning AnnotationUnknown ${name}`]);
    expect(parsed.verdict).toEqual({ kind: 'accept' });
  });
});
