// Annotations of one Ingress: the rules of section 0 of the annotation reference, each outcome of invalid values, and what
// happens to settings that are not carried out.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { annotations, DEFAULT_PREFIX } from './annotations.ts';
import { canary, canaryWeight } from './canary.ts';
import { allowlistSourceRange } from './ip-lists.ts';
import { enableOpentelemetry, opentelemetryTrustIncomingSpan } from './observability.ts';
import { type ParsedAnnotations, parseAnnotations } from './parse-annotations.ts';
import { proxyBodySize, proxyReadTimeout } from './proxying.ts';
import { permanentRedirect, sslRedirect } from './redirects.ts';
import { serviceUpstream } from './routing.ts';
import { ingressWith, messages, type ParseOptions, parse, settings, summary } from './testing/inputs.ts';

describe('values', () => {
  test('no annotations: defaults, accepted, nothing to say', () => {
    const parsed = parse({});
    expect(parsed.verdict).toEqual({ kind: 'accept' });
    expect(parsed.diagnostics).toEqual([]);
    expect(parsed.values.get(sslRedirect)).toBe(true);
    expect(parsed.values.isSet(sslRedirect)).toBe(false);
  });

  test('the annotation wins over the ConfigMap, the ConfigMap over the built-in default', () => {
    const data = { 'proxy-read-timeout': '90', 'proxy-body-size': '2m' };
    const { values } = parse({ 'proxy-read-timeout': '30' }, { data });
    expect(values.get(proxyReadTimeout)).toBe(30);
    expect(values.isSet(proxyReadTimeout)).toBe(true);
    expect(values.get(proxyBodySize)).toBe(2 * 1024 ** 2);
    expect(values.isSet(proxyBodySize)).toBe(false);
  });

  test('other prefixes and annotations without prefix are not read', () => {
    const ingress = ingressWith({ 'ssl-redirect': 'false', 'example.com/ssl-redirect': 'false' });
    const global = settings({}).values;
    const { values, diagnostics } = parseAnnotations(ingress, { prefix: DEFAULT_PREFIX, validation: true, global });
    expect(values.get(sslRedirect)).toBe(true);
    expect(diagnostics).toEqual([]);
  });

  test('a value of a setting that is not carried out can still be read', () => {
    expect(parse({ canary: 'true' }).values.get(canary)).toBe(true);
    expect(parse({ canary: 'TRUE' }).verdict).toEqual({ kind: 'accept' });
    expect(parse({}).values.get(canary)).toBe(false);
  });
});

describe('empty values', () => {
  test.each([[''], ['   '], [' \n\t ']])('%j counts as absent and is never validated', (text) => {
    const parsed = parse({ 'limit-rps': text, 'proxy-read-timeout': text });
    expect(parsed.verdict).toEqual({ kind: 'accept' });
    expect(parsed.values.get(proxyReadTimeout)).toBe(60);
    expect(summary(parsed)).toEqual(['info AnnotationEmpty limit-rps', 'info AnnotationEmpty proxy-read-timeout']);
  });

  test('an empty switch of something that protects is worth a warning', () => {
    expect(summary(parse({ 'auth-url': '' }))).toEqual(['warning AnnotationEmpty auth-url']);
  });
});

describe('aliases', () => {
  const list = { 'whitelist-source-range': '10.0.0.0/8' };

  test('the alias is read where the canonical name is missing', () => {
    const parsed = parse(list);
    expect(parsed.values.get(allowlistSourceRange)).toEqual(['10.0.0.0/8']);
    expect(summary(parsed)).toEqual(['error AnnotationNotSupported whitelist-source-range']);
  });

  test('the alias is read where the canonical value is empty', () => {
    expect(parse({ ...list, 'allowlist-source-range': ' ' }).values.get(allowlistSourceRange)).toEqual(['10.0.0.0/8']);
  });

  test('the canonical name wins, even when its value is invalid', () => {
    const parsed = parse({ ...list, 'allowlist-source-range': 'nonsense' });
    expect(parsed.values.isSet(allowlistSourceRange)).toBe(false);
    expect(summary(parsed)).toEqual([
      'warning AnnotationOverruled whitelist-source-range',
      'error AnnotationParsingFailed allowlist-source-range',
    ]);
  });
});

describe('outcomes of invalid values', () => {
  test('D: the whole Ingress is rejected', () => {
    const parsed = parse({ 'limit-rps': '5k' });
    expect(parsed.verdict).toEqual({ kind: 'rejectIngress', reasons: ['limit-rps "5k" is not a whole number'] });
    expect(parsed.diagnostics).toEqual([
      {
        severity: 'error',
        reason: 'AnnotationParsingFailed',
        object: { kind: 'Ingress', namespace: 'shop', name: 'web' },
        field: 'metadata.annotations[nginx.ingress.kubernetes.io/limit-rps]',
        message:
          'limit-rps "5k" is not a whole number; the whole Ingress is not loaded (an edited one keeps serving its last accepted version)',
        source: null,
      },
    ]);
  });

  test('X: every path answers 503', () => {
    const parsed = parse({ 'denylist-source-range': '10.0.0.0/40' });
    const problem =
      'denylist-source-range "10.0.0.0/40" has an entry that is not an IP address or CIDR block (number 1)';
    expect(parsed.verdict).toEqual({ kind: 'denyRoutes', reasons: [problem] });
    expect(messages(parsed)).toEqual([`${problem}; every path of this Ingress answers 503`]);
  });

  test('F: the default or global value holds', () => {
    const parsed = parse({ 'proxy-read-timeout': '1.5', 'ssl-redirect': 'yes' }, { data: { 'ssl-redirect': 'false' } });
    expect(parsed.verdict).toEqual({ kind: 'accept' });
    expect(parsed.values.get(sslRedirect)).toBe(false);
    expect(parsed.values.get(proxyReadTimeout)).toBe(60);
    expect(summary(parsed)).toEqual([
      'warning AnnotationParsingFailed proxy-read-timeout',
      'warning AnnotationParsingFailed ssl-redirect',
    ]);
    expect(messages(parsed)[1]).toBe(
      'ssl-redirect "yes" is not a bool (true or false); the value for its paths is: that of ConfigMap ssl-redirect, else true',
    );
  });

  test('service-upstream: the built-in default holds against the ConfigMap', () => {
    const data = { 'service-upstream': 'true' };
    expect(parse({}, { data }).values.get(serviceUpstream)).toBe(true);
    expect(parse({ 'service-upstream': 'oui' }, { data }).values.get(serviceUpstream)).toBe(false);
  });

  test('I: the whole group is as if absent, other groups stay', () => {
    const parsed = parse({
      'enable-opentelemetry': 'perhaps',
      'opentelemetry-trust-incoming-span': 'false',
      'proxy-read-timeout': '30',
    });
    expect(parsed.values.isSet(enableOpentelemetry)).toBe(false);
    expect(parsed.values.get(opentelemetryTrustIncomingSpan)).toBe(true);
    expect(parsed.values.get(proxyReadTimeout)).toBe(30);
    expect(messages(parsed)[0]).toContain('all annotations of the group "Tracing" are ignored');
  });

  test('temporal-redirect: bad characters are D, another scheme is I', () => {
    expect(parse({ 'temporal-redirect': 'https://a b' }).verdict.kind).toBe('rejectIngress');
    const parsed = parse({ 'temporal-redirect': 'ftp://a', 'permanent-redirect': 'https://b' });
    expect(parsed.values.isSet(permanentRedirect)).toBe(false);
  });

  test.each([
    ['auth-url', 'http://a/;x', 'rejectIngress'],
    ['auth-url', 'a.com/path', 'denyRoutes'],
    ['auth-url', 'http://a..b/', 'denyRoutes'],
    ['client-body-buffer-size', '1x', 'rejectIngress'],
    ['client-body-buffer-size', '1b', 'accept'],
  ])('%s %j: %s', (name, text, kind) => {
    expect(parse({ [name]: text }).verdict.kind).toBe(kind);
  });

  test.each([
    ['auth-request-redirect', 'a;b'],
    ['auth-cache-duration', '200;5m'],
    ['auth-cache-duration', 'five minutes'],
    ['auth-always-set-cookie', 'maybe'],
  ])('%s %j closes the paths instead of switching authentication off', (name, text) => {
    const parsed = parse({ 'auth-url': 'http://auth/check', [name]: text });
    expect(parsed.verdict.kind).toBe('denyRoutes');
    expect(summary(parsed)).toContain(`error AnnotationParsingFailed ${name}`);
  });

  test('cors-allow-origin: an unreadable value closes the paths instead of allowing every origin', () => {
    const parsed = parse({ 'enable-cors': 'true', 'cors-allow-origin': 'not an origin' });
    expect(parsed.verdict.kind).toBe('denyRoutes');
    expect(parse({ 'enable-cors': 'true', 'cors-allow-origin': 'https://a.com, %' }).verdict.kind).toBe('accept');
  });

  test('rejection wins over denial, and has its own reasons only', () => {
    const { verdict } = parse({ 'limit-rps': 'x', 'auth-type': 'basic' });
    expect(verdict).toEqual({ kind: 'rejectIngress', reasons: ['limit-rps "x" is not a whole number'] });
  });
});

describe('settings that are not carried out', () => {
  const cases: readonly [string, Record<string, string>, ParseOptions, string, string[]][] = [
    [
      'a prefix only warns',
      { 'x-forwarded-prefix': '/a' },
      {},
      'accept',
      ['warning AnnotationNotSupported x-forwarded-prefix'],
    ],
    ['the default asks for nothing', { 'load-balance': 'round_robin' }, {}, 'accept', []],
    ['off asks for nothing', { 'use-regex': 'false', 'enable-modsecurity': 'false' }, {}, 'accept', []],
    ['authentication closes', { 'auth-type': 'basic' }, {}, 'denyRoutes', ['error AnnotationNotSupported auth-type']],
    [
      'mTLS closes',
      { 'auth-tls-secret': 'shop/ca' },
      {},
      'denyRoutes',
      ['error AnnotationNotSupported auth-tls-secret'],
    ],
    ['regex paths close', { 'use-regex': 'true' }, {}, 'denyRoutes', ['error AnnotationNotSupported use-regex']],
    [
      'a rewrite closes',
      { 'rewrite-target': '/$1' },
      {},
      'denyRoutes',
      ['error AnnotationNotSupported rewrite-target'],
    ],
    ['a rewrite to the same path is none', { 'rewrite-target': '/' }, { paths: ['/', ''] }, 'accept', []],
    [
      'a rewrite to one of two paths is one',
      { 'rewrite-target': '/' },
      { paths: ['/', '/a'] },
      'denyRoutes',
      ['error AnnotationNotSupported rewrite-target'],
    ],
    ['HTTP in any case is spoken', { 'backend-protocol': 'http' }, {}, 'accept', []],
    ['and so is gRPC', { 'backend-protocol': 'grpcs' }, {}, 'accept', []],
    [
      'FastCGI closes',
      { 'backend-protocol': 'fcgi' },
      {},
      'denyRoutes',
      ['error AnnotationNotSupported backend-protocol'],
    ],
    [
      'an unknown protocol is HTTP',
      { 'backend-protocol': 'SPDY' },
      {},
      'accept',
      ['warning AnnotationParsingFailed backend-protocol'],
    ],
    ['known retry words', { 'proxy-next-upstream': 'error non_idempotent' }, {}, 'accept', []],
    [
      'a retry word that nobody knows',
      { 'proxy-next-upstream': 'error http_501' },
      {},
      'accept',
      ['warning AnnotationParsingFailed proxy-next-upstream'],
    ],
    ['status words', { 'proxy-next-upstream': 'error http_503 invalid_header' }, {}, 'accept', []],
    ['retries off', { 'proxy-next-upstream': 'off http_503' }, {}, 'accept', []],
    ['no effect', { 'http2-push-preload': 'true' }, {}, 'accept', ['info AnnotationNoEffect http2-push-preload']],
    ['refused', { 'enable-modsecurity': 'true' }, {}, 'accept', ['warning AnnotationRefused enable-modsecurity']],
    ['a canary', { canary: 'true', 'canary-by-header': 'x', 'canary-by-header-pattern': '^a+$' }, {}, 'accept', []],
    [
      'a canary whose pattern is not run',
      { canary: 'true', 'canary-by-header': 'x', 'canary-by-header-pattern': '(?=a)' },
      {},
      'accept',
      ['warning AnnotationNotSupported canary-by-header-pattern'],
    ],
  ];

  test.each(cases)('%s', (_, given, options, kind, found) => {
    const parsed = parse(given, options);
    expect(parsed.verdict.kind).toBe(kind);
    expect(summary(parsed)).toEqual(found);
  });

  test('the message says what is missing and what happens to traffic', () => {
    expect(messages(parse({ 'x-forwarded-prefix': '/a' }))).toEqual([
      'x-forwarded-prefix "/a" is not carried out yet: the header is not sent',
    ]);
    expect(messages(parse({ 'backend-protocol': 'FCGI' }))).toEqual([
      'backend-protocol "FCGI" is carried out only in part: the Service would get plain HTTP instead of FCGI; every path of this Ingress answers 503',
    ]);
  });
});

describe('settings without their switch', () => {
  test('are neither read nor checked', () => {
    const parsed = parse({
      'auth-secret': '../..',
      'auth-realm': 'x',
      'canary-weight': '30',
      'cors-allow-origin': ';',
    });
    expect(parsed.verdict).toEqual({ kind: 'accept' });
    expect(parsed.values.get(canaryWeight)).toBe(0);
    expect(summary(parsed)).toEqual([
      'info AnnotationNoEffect auth-realm',
      'info AnnotationNoEffect auth-secret',
      'info AnnotationNoEffect canary-weight',
      'info AnnotationNoEffect cors-allow-origin',
    ]);
  });

  test('a switch that is false or invalid is off', () => {
    for (const text of ['false', 'nonsense']) {
      expect(parse({ 'enable-cors': text, 'cors-allow-origin': ';' }).verdict).toEqual({ kind: 'accept' });
    }
  });
});

describe('ConfigMap keys that close every Ingress', () => {
  const list = { 'whitelist-source-range': '10.0.0.0/8' };
  const auth = { 'global-auth-url': 'http://auth/check' };

  test.each([
    ['an address list', list, {}, 'denyRoutes'],
    ['an invalid address list', { 'block-cidrs': 'everyone' }, {}, 'denyRoutes'],
    ['an empty address list', { 'whitelist-source-range': '' }, {}, 'accept'],
    ['global authentication', auth, {}, 'denyRoutes'],
    ['global authentication, exempt Ingress', auth, { 'enable-global-auth': 'false' }, 'accept'],
    ['global authentication, exemption invalid', auth, { 'enable-global-auth': 'nope' }, 'denyRoutes'],
    [
      'an exemption from authentication is none from lists',
      { ...auth, ...list },
      { 'enable-global-auth': 'false' },
      'denyRoutes',
    ],
  ])('%s', (_, data, given: Record<string, string>, kind) => {
    expect(parse(given, { data }).verdict.kind).toBe(kind);
  });

  test('the Ingress is told why', () => {
    expect(messages(parse({}, { data: list }))).toEqual([
      'ConfigMap key whitelist-source-range "10.0.0.0/8" is not carried out yet: clients outside the list would be served too; every path of this Ingress answers 503',
    ]);
  });
});

describe('messages hold no secrets', () => {
  test.each([
    ['auth-url', 'http://user:hunter2@auth/'],
    ['auth-url', 'http://auth/?token=hunter2'],
    ['auth-url', 'http://user:hunter2?@auth/'],
    ['permanent-redirect', 'https://hunter2@a/'],
    ['mirror-target', 'https://a/?key=hunter2;'],
  ])('%s %j', (name, text) => {
    const { diagnostics, verdict } = parse({ [name]: text });
    expect(diagnostics.length).toBeGreaterThan(0);
    expect(JSON.stringify([diagnostics, verdict])).not.toContain('hunter2');
  });
});

describe('for any annotations', () => {
  const names = fc.constantFrom(...annotations.flatMap(({ name, aliases }) => [name, ...aliases]), 'nonsense', '', '/');
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      'true',
      'false',
      '0',
      '5',
      '1m',
      'on',
      'off',
      ' ',
      '__proto__',
      'GET',
      'http://a/',
      '10.0.0.0/8',
      'off a',
    ),
  );
  const someAnnotations = fc.array(fc.tuple(names, texts), { maxLength: 12 });
  const someData = fc.dictionary(
    fc.constantFrom(
      'annotations-risk-level',
      'allow-snippet-annotations',
      'global-auth-url',
      'ssl-redirect',
      'load-balance',
    ),
    texts,
  );

  test('parsing never throws, and the order of annotations does not matter', () => {
    fc.assert(
      fc.property(someAnnotations, someData, fc.boolean(), (entries, data, validation) => {
        // Later entries win in an object, so drop repetitions before turning the order around.
        const unique = [...new Map(entries)];
        const forwards = parse(Object.fromEntries(unique), { data, validation });
        const backwards = parse(Object.fromEntries(unique.reverse()), { data, validation });
        expect(backwards.diagnostics).toEqual(forwards.diagnostics);
        expect(backwards.verdict).toEqual(forwards.verdict);
        const all = ({ values }: ParsedAnnotations) => annotations.map((record) => values.get(record));
        expect(all(backwards)).toEqual(all(forwards));
      }),
      { numRuns: 500 },
    );
  });

  test('every verdict but accept has a diagnostic of severity error that says the same', () => {
    fc.assert(
      fc.property(someAnnotations, (entries) => {
        const { verdict, diagnostics } = parse(Object.fromEntries(entries));
        const errors = diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message);
        if (verdict.kind === 'accept') expect(errors).toEqual([]);
        else
          for (const reason of verdict.reasons) expect(errors.some((message) => message.startsWith(reason))).toBe(true);
      }),
    );
  });

  test('hostile texts are answered at once by every record', () => {
    for (const unit of ['a', 'a,', 'a ', '1', '1s', '200 ', '//@', 'https://a,', '*.', '\n']) {
      const text = `${unit.repeat(10_000)}!`;
      parse(Object.fromEntries(annotations.map(({ name }) => [name, text])), {
        data: { 'annotations-risk-level': 'Critical', 'allow-snippet-annotations': 'true' },
      });
    }
  });
});
