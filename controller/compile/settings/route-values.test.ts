// Annotations that become settings of routes: limits, canaries, affinity, mirrors.

import { describe, expect, test } from '@jest/globals';
import type { AffinitySettings, CanaryMatch, MirrorSettings } from '#proxy/table/route-settings.ts';
import { plainCookie } from '#proxy/table/testing/build.ts';
import type { Filter, RoutePolicy } from '#proxy/table/types.ts';
import { affinitySettings, routeAffinity, wantsAffinity } from './affinity-values.ts';
import { canaryMatch } from './canary-match.ts';
import { limitFilters } from './limit-filters.ts';
import { mirrorSettings } from './mirror-values.ts';
import { routePolicy } from './route-policy.ts';
import { parse, parseOwn, settings } from './testing/inputs.ts';

const remoteAddr = { kind: 'variable', name: 'remoteAddr' } as const;
const shared = { zone: 'shop/web', key: [remoteAddr], allowCidrs: [], status: 503 };

describe('limits', () => {
  const filters = (given: Record<string, string>, data: Record<string, string> = {}) =>
    limitFilters(parse(given, { data }).values, settings(data).values, 'shop/web');

  test.each<[Record<string, string>, readonly Filter[]]>([
    [{}, []],
    [{ 'limit-rps': '0' }, []],
    [{ 'limit-rps': '-1' }, []],
    [{ 'limit-rps': '10' }, [{ kind: 'rateLimit', ...shared, requests: 10, per: 'second', burst: 50 }]],
    [{ 'limit-rpm': '10' }, [{ kind: 'rateLimit', ...shared, requests: 10, per: 'minute', burst: 50 }]],
    [
      { 'limit-rps': '10', 'limit-burst-multiplier': '1' },
      [{ kind: 'rateLimit', ...shared, requests: 10, per: 'second', burst: 10 }],
    ],
    [
      { 'limit-rps': '10', 'limit-burst-multiplier': '-1' },
      [{ kind: 'rateLimit', ...shared, requests: 10, per: 'second', burst: 0 }],
    ],
    [
      { 'limit-rps': '10', 'limit-burst-multiplier': 'x' },
      [{ kind: 'rateLimit', ...shared, requests: 10, per: 'second', burst: 50 }],
    ],
    [{ 'limit-connections': '8' }, [{ kind: 'connectionLimit', ...shared, max: 8 }]],
    [
      { 'limit-connections': '8', 'limit-rps': '1', 'limit-rpm': '2', 'limit-whitelist': '10.0.0.0/8' },
      [
        { kind: 'rateLimit', ...shared, allowCidrs: ['10.0.0.0/8'], requests: 2, per: 'minute', burst: 10 },
        { kind: 'rateLimit', ...shared, allowCidrs: ['10.0.0.0/8'], requests: 1, per: 'second', burst: 5 },
        { kind: 'connectionLimit', ...shared, allowCidrs: ['10.0.0.0/8'], max: 8 },
      ],
    ],
  ])('%j', (given, want) => {
    expect(filters(given)).toEqual(want);
  });

  test('status and key come from the ConfigMap', () => {
    const data = {
      'limit-req-status-code': '429',
      'limit-conn-status-code': '420',
      'limit-conn-zone-variable': '$http_x_user',
    };
    const key = [{ kind: 'header', name: 'x-user' }];
    expect(filters({ 'limit-rps': '1', 'limit-connections': '1' }, data)).toMatchObject([
      { status: 429, key },
      { status: 420, key },
    ]);
  });

  test.each(['limit-rps', 'limit-rpm', 'limit-connections'])('%s: 1.5 rejects the Ingress', (name) => {
    expect(parse({ [name]: '1.5' }).verdict.kind).toBe('rejectIngress');
  });

  test('a bad allow list rejects the Ingress', () => {
    expect(parse({ 'limit-allowlist': '10.0.0.0/8, a' }).verdict.kind).toBe('rejectIngress');
  });

  test.each<[Record<string, string>, Record<string, string>, RoutePolicy['bandwidth']]>([
    [{}, {}, null],
    [{ 'limit-rate': '0', 'limit-rate-after': '5' }, {}, null],
    [{ 'limit-rate': '-5' }, {}, null],
    [{ 'limit-rate': '2' }, {}, { bytesPerSecond: 2048, afterBytes: 0 }],
    [{ 'limit-rate': '2', 'limit-rate-after': '10' }, {}, { bytesPerSecond: 2048, afterBytes: 10_240 }],
    [{ 'limit-rate': '2', 'limit-rate-after': '-3' }, {}, { bytesPerSecond: 2048, afterBytes: 0 }],
    [{}, { 'limit-rate': '1', 'limit-rate-after': '1' }, { bytesPerSecond: 1024, afterBytes: 1024 }],
    [{ 'limit-rate': '50k' }, { 'limit-rate': '1' }, { bytesPerSecond: 1024, afterBytes: 0 }],
  ])('bandwidth %j, ConfigMap %j', (given, data, want) => {
    expect(routePolicy(parse(given, { data }).values, settings(data).values).bandwidth).toEqual(want);
  });
});

const never: CanaryMatch = { header: null, cookie: null, weight: 0, weightTotal: 100 };

test.each<[Record<string, string>, CanaryMatch]>([
  [{}, never],
  [{ 'canary-weight': '30' }, { ...never, weight: 30 }],
  [{ 'canary-weight': '-1' }, never],
  [{ 'canary-weight': '1.5' }, never],
  [
    { 'canary-weight': '30', 'canary-weight-total': '1000' },
    { ...never, weight: 30, weightTotal: 1000 },
  ],
  [
    { 'canary-weight': '30', 'canary-weight-total': '50' },
    { ...never, weight: 30 },
  ],
  [{ 'canary-by-cookie': 'try' }, { ...never, cookie: 'try' }],
  [{ 'canary-by-header': 'X_Canary' }, { ...never, header: { name: 'x-canary', rule: { kind: 'words' } } }],
  [
    { 'canary-by-header': 'X-C', 'canary-by-header-value': 'always' },
    { ...never, header: { name: 'x-c', rule: { kind: 'value', value: 'always' } } },
  ],
  [
    { 'canary-by-header': 'X-C', 'canary-by-header-pattern': '^a+$' },
    { ...never, header: { name: 'x-c', rule: { kind: 'pattern', pattern: '^a+$' } } },
  ],
  [
    { 'canary-by-header': 'X-C', 'canary-by-header-pattern': '^a+$', 'canary-by-header-value': 'b' },
    { ...never, header: { name: 'x-c', rule: { kind: 'value', value: 'b' } } },
  ],
  [{ 'canary-by-header-value': 'b' }, never],
])('canary: %j', (given, want) => {
  expect(canaryMatch(parse({ canary: 'true', ...given }).values)).toEqual(want);
});

test.each([
  ['(a', 'it has a ( without ); requests with the header go to the primary Ingress'],
  ['(?=a)', 'it has a group that only a back-tracking engine can run; requests with the header'],
])('the owner of the pattern %s is told: %s', (pattern, message) => {
  const { diagnostics } = parse({ canary: 'true', 'canary-by-header': 'X-C', 'canary-by-header-pattern': pattern });
  const field = 'metadata.annotations[nginx.ingress.kubernetes.io/canary-by-header-pattern]';
  expect(diagnostics.find((diagnostic) => diagnostic.field === field)?.message).toContain(message);
});

test('a pattern that a linear-time engine can run is carried out without a word', () => {
  const { diagnostics } = parse({ canary: 'true', 'canary-by-header': 'X-C', 'canary-by-header-pattern': '^(de|fr)$' });
  expect(diagnostics).toEqual([]);
});

const cookie: AffinitySettings['cookie'] = { ...plainCookie, path: '/shop' };
const sticky: AffinitySettings = { mode: 'balanced', cookie, changeOnFailure: false, setsCookie: true };

test.each<[Record<string, string>, AffinitySettings | null]>([
  [{}, null],
  [{ affinity: 'ip' }, null],
  [{ 'session-cookie-name': 'sid' }, null],
  [{ affinity: 'cookie' }, sticky],
  [
    { affinity: 'cookie', 'affinity-mode': 'persistent' },
    { ...sticky, mode: 'persistent' },
  ],
  [{ affinity: 'cookie', 'affinity-mode': 'sometimes' }, sticky],
  [
    { affinity: 'cookie', 'session-cookie-change-on-failure': 'true' },
    { ...sticky, changeOnFailure: true },
  ],
  [
    { affinity: 'cookie', 'session-cookie-samesite': 'none' },
    { ...sticky, cookie: { ...cookie, sameSite: 'None' } },
  ],
  [{ affinity: 'cookie', 'session-cookie-samesite': 'maybe' }, sticky],
  [{ affinity: 'cookie', 'session-cookie-secure': 'false' }, sticky],
  [
    {
      affinity: 'cookie',
      'session-cookie-name': 'sid',
      'session-cookie-path': '/',
      'session-cookie-domain': 'shop.test',
      'session-cookie-conditional-samesite-none': 'true',
      'session-cookie-secure': 'true',
      'session-cookie-expires': '172800',
      'session-cookie-max-age': '60',
    },
    {
      ...sticky,
      cookie: {
        name: 'sid',
        path: '/',
        domain: 'shop.test',
        sameSite: null,
        conditionalSameSiteNone: true,
        secure: true,
        expiresSeconds: 172_800,
        maxAgeSeconds: 60,
      },
    },
  ],
])('affinity: %j', (given, want) => {
  const { values } = parse(given);
  expect(wantsAffinity(values) ? routeAffinity(affinitySettings(values, values), '/shop', true) : null).toEqual(want);
});

test('of two Ingresses the mode is that of the first, the cookie that of the last', () => {
  const first = parse({ affinity: 'cookie', 'affinity-mode': 'persistent', 'session-cookie-name': 'a' }).values;
  const last = parse({ affinity: 'cookie', 'session-cookie-name': 'b' }).values;
  expect(affinitySettings(first, last)).toMatchObject({ mode: 'persistent', cookie: { name: 'b' } });
});

const text = (value: string) => ({ kind: 'text', text: value }) as const;
const requestUri = { kind: 'variable', name: 'requestUri' } as const;

test.each<[Record<string, string>, MirrorSettings | null]>([
  [{}, null],
  [{ 'mirror-host': 'm.test' }, null],
  [
    { 'mirror-target': 'https://m.test:8443$request_uri' },
    { target: [text('https://m.test:8443'), requestUri], host: 'm.test:8443', sendBody: true },
  ],
  [
    { 'mirror-target': 'http://m.test/a', 'mirror-host': 'b.test', 'mirror-request-body': 'off' },
    { target: [text('http://m.test/a')], host: 'b.test', sendBody: false },
  ],
  [
    { 'mirror-target': 'http://m.test/', 'mirror-request-body': 'no' },
    { target: [text('http://m.test/')], host: 'm.test', sendBody: true },
  ],
  // No host can be told from these.
  [{ 'mirror-target': '$http_x_target' }, null],
  [{ 'mirror-target': '/only/a/path' }, null],
  [{ 'mirror-target': 'http://m.test$no_such_thing' }, null],
  [{ 'mirror-target': 'http://user:secret@m.test/' }, null],
  // A host alone makes no copies, nor does it make a URL of something else.
  [{ 'mirror-host': 'm.test' }, null],
  [{ 'mirror-target': 'm.test/path', 'mirror-host': 'm.test' }, null],
  [{ 'mirror-target': 'ftp://m.test/', 'mirror-host': 'm.test' }, null],
  [
    { 'mirror-target': 'http://$http_x_target/', 'mirror-host': 'm.test' },
    {
      target: [text('http://'), { kind: 'header', name: 'x-target' }, text('/')],
      host: 'm.test',
      sendBody: true,
    },
  ],
])('mirror: %j', (given, want) => {
  expect(mirrorSettings(parse(given).values)).toEqual(want);
});

test.each<[string, Record<string, string>, string[]]>([
  ['a target with a host', { 'mirror-target': 'http://m.test$request_uri' }, []],
  ['no target', { 'mirror-host': 'm.test', 'mirror-request-body': 'off' }, ['mirror-host', 'mirror-request-body']],
  ['a host by variable', { 'mirror-target': 'http://$http_x/' }, ['mirror-target']],
  ['a host by variable, and set', { 'mirror-target': 'http://$http_x/', 'mirror-host': 'm.test' }, []],
  ['all by variable, and set', { 'mirror-target': '$http_x', 'mirror-host': 'm.test' }, []],
  ['no URL', { 'mirror-target': '/path', 'mirror-host': 'm.test' }, ['mirror-target']],
])('mirror annotations without effect are reported: %s', (_name, given, want) => {
  const { diagnostics } = parse(given);
  expect(diagnostics.map(({ reason }) => reason)).toEqual(want.map(() => 'AnnotationNoEffect'));
  const named = diagnostics.map(({ field }) => /\/([a-z-]+)\]$/.exec(field)?.[1]);
  expect(named.toSorted()).toEqual(want.toSorted());
  for (const { message } of diagnostics) expect(message).toContain('requests are served without it');
});

test.each<[Record<string, string>, Partial<RoutePolicy>]>([
  [{}, { perTryTimeoutMs: null, retryBudget: null, hedge: null }],
  [{ 'per-try-timeout': '250ms' }, { perTryTimeoutMs: 250 }],
  [{ 'per-try-timeout': '0' }, { perTryTimeoutMs: null }],
  [{ 'retry-budget': '20' }, { retryBudget: { percent: 20, minPerSecond: 10 } }],
  [{ 'retry-budget': '0', 'retry-budget-min': '0' }, { retryBudget: { percent: 0, minPerSecond: 0 } }],
  [{ 'retry-budget-min': '0' }, { retryBudget: null }],
  [{ 'hedge-after': '100ms' }, { hedge: { afterMs: 100, budget: { percent: 10, minPerSecond: 10 } } }],
  [
    { 'hedge-after': '2s', 'hedge-budget': '100', 'hedge-budget-min': '0' },
    { hedge: { afterMs: 2000, budget: { percent: 100, minPerSecond: 0 } } },
  ],
  [{ 'hedge-budget': '50' }, { hedge: null }],
])('further attempts: %j', (given, want) => {
  expect(routePolicy(parseOwn(given).values, settings({}).values)).toMatchObject(want);
});
