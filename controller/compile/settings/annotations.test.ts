// The list of annotations against the reference: names, risk and outcome of invalid values, copied from it by hand here,
// so that a slip in a record shows.

import { describe, expect, test } from '@jest/globals';
import type { Ingress } from '../../objects/types.ts';
import { annotations, annotationsByName, ownAnnotations, ownAnnotationsByName } from './annotations.ts';
import { configMapKeysByName } from './configmap.ts';
import { isEqualValue } from './define.ts';
import type { OnInvalid } from './record.ts';

/** Name, outcome code, risk: annotation reference sections 1 to 17, in its order. */
const REFERENCE = `
rewrite-target F Medium
use-regex F Low
app-root F Medium
server-alias D High
upstream-vhost D Low
x-forwarded-prefix D Medium
default-backend D Low
service-upstream false Low
ssl-redirect F Low
force-ssl-redirect F Medium
preserve-trailing-slash F Medium
use-port-in-redirects F Low
relative-redirects D Low
permanent-redirect D Medium
permanent-redirect-code D Low
temporal-redirect D Medium
temporal-redirect-code D Low
from-to-www-redirect D Low
proxy-redirect-from F Medium
proxy-redirect-to F Medium
ssl-passthrough D Low
ssl-ciphers D Low
ssl-prefer-server-ciphers F Low
proxy-ssl-secret D Medium
proxy-ssl-ciphers F Medium
proxy-ssl-protocols F Low
proxy-ssl-name F High
proxy-ssl-server-name F Low
proxy-ssl-verify F Low
proxy-ssl-verify-depth F Low
auth-type D Low
auth-secret X Medium
auth-secret-type D Low
auth-realm D Medium
auth-url D High
auth-method X Low
auth-signin F High
auth-signin-redirect-param F Medium
auth-response-headers X Medium
auth-proxy-set-headers F Medium
auth-request-redirect I Medium
auth-cache-key F Medium
auth-cache-duration I Medium
auth-always-set-cookie I Low
auth-keepalive F Low
auth-keepalive-share-vars F Low
auth-keepalive-requests F Low
auth-keepalive-timeout F Low
auth-snippet - Critical
enable-global-auth F Low
satisfy F Low
auth-tls-secret D Medium
auth-tls-verify-client F Medium
auth-tls-verify-depth F Low
auth-tls-error-page D High
auth-tls-pass-certificate-to-upstream D Low
auth-tls-match-cn D High
canary F Low
canary-by-header F Medium
canary-by-header-value F Medium
canary-by-header-pattern F Medium
canary-by-cookie F Medium
canary-weight F Low
canary-weight-total F Low
affinity F Low
affinity-mode F Medium
affinity-canary-behavior F Low
session-cookie-name F Medium
session-cookie-path F Medium
session-cookie-domain F Medium
session-cookie-samesite F Low
session-cookie-conditional-samesite-none F Low
session-cookie-secure F Low
session-cookie-expires F Medium
session-cookie-max-age F Medium
session-cookie-change-on-failure F Low
load-balance D Low
upstream-hash-by D High
upstream-hash-by-subset D Low
upstream-hash-by-subset-size D Low
limit-rps D Low
limit-rpm D Low
limit-connections D Low
limit-burst-multiplier F Low
limit-allowlist D Low
limit-rate F Low
limit-rate-after F Low
enable-cors F Low
cors-allow-origin * Medium
cors-allow-methods F Medium
cors-allow-headers F Medium
cors-expose-headers F Medium
cors-allow-credentials F Low
cors-max-age F Low
proxy-connect-timeout F Low
proxy-send-timeout F Low
proxy-read-timeout F Low
proxy-body-size F Medium
proxy-request-buffering F Low
proxy-buffering F Low
proxy-buffers-number F Low
proxy-buffer-size F Low
proxy-busy-buffers-size F Low
proxy-max-temp-file-size F Low
client-body-buffer-size D Low
proxy-http-version F Low
proxy-next-upstream F Medium
proxy-next-upstream-tries F Low
proxy-next-upstream-timeout F Low
proxy-cookie-domain F Medium
proxy-cookie-path F Medium
connection-proxy-header D Low
backend-protocol F Low
fastcgi-index D Medium
fastcgi-params-configmap D Medium
http2-push-preload D Low
mirror-target F High
mirror-host F High
mirror-request-body F Low
allowlist-source-range X Medium
denylist-source-range X Medium
custom-http-errors D Low
disable-proxy-intercept-errors F Low
custom-headers F Medium
configuration-snippet - Critical
server-snippet - Critical
stream-snippet - Critical
enable-access-log F Low
enable-rewrite-log F Low
enable-opentelemetry I Low
opentelemetry-trust-incoming-span F Low
opentelemetry-operation-name D Medium
enable-modsecurity F Low
enable-owasp-core-rules F Low
modsecurity-transaction-id F High
modsecurity-snippet - Critical
`;

/** Deviations that fail closed where ingress-nginx would switch authentication off or allow every origin. */
const CLOSED_INSTEAD: ReadonlySet<string> = new Set([
  'auth-request-redirect',
  'auth-cache-duration',
  'auth-always-set-cookie',
  'cors-allow-origin',
]);

const CODES: Readonly<Record<string, OnInvalid>> = {
  D: 'rejectIngress',
  X: 'denyRoutes',
  F: 'useDefault',
  I: 'ignoreGroup',
  false: 'useBuiltIn',
  // Raw text is never invalid.
  '-': 'useDefault',
};

const reference = REFERENCE.trim()
  .split('\n')
  .map((line) => line.split(' ') as [string, string, string]);

const ingress: Ingress = {
  kind: 'Ingress',
  meta: { namespace: 'a', name: 'b', uid: '', creationTimestampMs: 0, annotations: {}, labels: {} },
  ingressClassName: null,
  defaultBackend: null,
  rules: [],
  tls: [],
};

describe('the list', () => {
  test('is the reference: 136 names in its order', () => {
    expect(annotations).toHaveLength(136);
    expect(annotations.map(({ name }) => name)).toEqual(reference.map(([name]) => name));
  });

  test('has the two aliases, and no name twice', () => {
    const aliases = annotations.flatMap((record) => record.aliases.map((alias) => [record.name, alias]));
    expect(aliases).toEqual([
      ['limit-allowlist', 'limit-whitelist'],
      ['allowlist-source-range', 'whitelist-source-range'],
    ]);
    expect(annotationsByName.size).toBe(138);
  });

  test.each(reference)('%s: outcome %s, risk %s', (name, code, risk) => {
    const record = annotationsByName.get(name);
    expect(record?.risk).toBe(risk);
    expect(record?.onInvalid).toBe(CLOSED_INSTEAD.has(name) ? 'denyRoutes' : CODES[code]);
  });
});

describe("Sluice's own", () => {
  test('no name is one of ingress-nginx, so that values are found by name', () => {
    const names = ownAnnotations.map(({ name }) => name);
    expect(names.filter((name) => annotationsByName.has(name))).toEqual([]);
    expect(ownAnnotationsByName.size).toBe(names.length);
  });

  test('what is not carried out is said, and nothing of it closes a path', () => {
    expect(ownAnnotations.filter(({ whenUnsupported }) => whenUnsupported !== 'warn')).toEqual([]);
  });
});

const allRecords = [...annotations, ...ownAnnotations].map((record) => [record.name, record] as const);

describe.each(allRecords)('record %s', (_, record) => {
  test('names what is missing unless it is full', () => {
    expect(record.note === '').toBe(record.support === 'full');
    expect(record.note).not.toMatch(/[.;]$/);
    expect(record.doc).toMatch(/^[A-Z`].*\.$/);
  });

  test('depends on records that exist', () => {
    for (const name of record.dependsOn) {
      expect((annotationsByName.get(name) ?? ownAnnotationsByName.get(name))?.name).toBe(name);
    }
  });

  test('asks for nothing with its default', () => {
    if (record.default === null) return;
    expect(record.shortfall(record.default, ingress)).toBeNull();
  });

  test('falls back to a ConfigMap key that reads the same values', () => {
    if (record.globalKey === null) return;
    const key = configMapKeysByName.get(record.globalKey);
    expect(key).toBeDefined();
    const isSameDefault = isEqualValue(key?.default ?? null, record.default);
    const isOffInBoth = record.default === null && ['', false, 0].some((off) => isEqualValue(off, key?.default));
    const isEmptyInBoth = record.default === null && isEqualValue([], key?.default);
    expect([isSameDefault, isOffInBoth, isEmptyInBoth, OWN_GLOBAL_DEFAULT.has(record.name)]).toContain(true);
    for (const sample of SAMPLES) {
      const ours = record.type.parse(sample);
      const theirs = key?.type.parse(sample);
      if (ours.ok && theirs?.ok) expect(theirs.value).toEqual(ours.value);
    }
  });
});

/** The ConfigMap has a default of its own that the annotation does not repeat: the host simply inherits it. */
const OWN_GLOBAL_DEFAULT: ReadonlySet<string> = new Set(['ssl-ciphers', 'load-balance']);

const SAMPLES = [
  'true',
  'false',
  '0',
  '7',
  '1m',
  '8k',
  'on',
  'off',
  'error timeout',
  '10.0.0.1, ::1',
  'ewma',
  'GET',
  '503',
];

test('what protects a path closes it while it is not carried out', () => {
  const closing = annotations.filter(
    ({ support, whenUnsupported }) => support !== 'full' && whenUnsupported === 'denyRoutes',
  );
  expect(closing.map(({ name }) => name).sort()).toEqual([
    'allowlist-source-range',
    'auth-tls-secret',
    'auth-type',
    'auth-url',
    'backend-protocol',
    'configuration-snippet',
    'denylist-source-range',
    'modsecurity-snippet',
    'permanent-redirect',
    'rewrite-target',
    'server-snippet',
    'temporal-redirect',
    'upstream-vhost',
    'use-regex',
  ]);
});

test('full and partial are what the first version builds', () => {
  const built = annotations.filter(({ support }) => support === 'full' || support === 'partial');
  expect(built.map(({ name, support }) => `${name} ${support}`).sort()).toEqual([
    'affinity full',
    'affinity-canary-behavior full',
    'affinity-mode full',
    'backend-protocol partial',
    'canary full',
    'canary-by-cookie full',
    'canary-by-header full',
    'canary-by-header-pattern partial',
    'canary-by-header-value full',
    'canary-weight full',
    'canary-weight-total full',
    'client-body-buffer-size partial',
    'enable-access-log full',
    'force-ssl-redirect full',
    'limit-allowlist full',
    'limit-burst-multiplier full',
    'limit-connections full',
    'limit-rate full',
    'limit-rate-after full',
    'limit-rpm full',
    'limit-rps full',
    'load-balance full',
    'mirror-host full',
    'mirror-request-body full',
    'mirror-target full',
    'preserve-trailing-slash full',
    'proxy-body-size full',
    'proxy-buffer-size full',
    'proxy-connect-timeout full',
    'proxy-next-upstream full',
    'proxy-next-upstream-timeout full',
    'proxy-next-upstream-tries full',
    'proxy-read-timeout full',
    'proxy-request-buffering partial',
    'proxy-send-timeout full',
    'service-upstream full',
    'session-cookie-change-on-failure full',
    'session-cookie-conditional-samesite-none full',
    'session-cookie-domain full',
    'session-cookie-expires full',
    'session-cookie-max-age full',
    'session-cookie-name full',
    'session-cookie-path full',
    'session-cookie-samesite full',
    'session-cookie-secure full',
    'ssl-passthrough full',
    'ssl-redirect full',
    'upstream-hash-by full',
    'upstream-hash-by-subset full',
    'upstream-hash-by-subset-size full',
    'use-port-in-redirects full',
  ]);
});
