// The list of ConfigMap keys against the reference: names and support marks, copied from it by hand here.

import { describe, expect, test } from '@jest/globals';
import { configMapKeys, configMapKeysByName, ownKeys, readKeys } from './configmap.ts';
import { removedKeys } from './configmap-removed.ts';
import { renderValue } from './types.ts';

/** ConfigMap reference sections A to L, one line each. */
const REFERENCE = `
allow-snippet-annotations annotations-risk-level annotation-value-word-blocklist allow-cross-namespace-resources strict-validate-path-type global-allowed-response-headers block-cidrs block-user-agents block-referers hide-headers debug-connections
use-http2 http2-max-concurrent-streams http2-max-field-size http2-max-header-size http2-max-requests keep-alive keep-alive-requests client-header-timeout client-header-buffer-size large-client-header-buffers client-body-timeout client-body-buffer-size enable-underscores-in-headers ignore-invalid-headers default-type server-tokens allow-backend-server-header generate-request-id reuse-port bind-address disable-ipv6 disable-ipv6-dns use-gzip gzip-level gzip-min-length gzip-types gzip-disable enable-brotli brotli-level brotli-min-length brotli-types
ssl-protocols ssl-ciphers ssl-ecdh-curve ssl-dh-param ssl-early-data ssl-session-cache ssl-session-cache-size ssl-session-tickets ssl-session-ticket-key ssl-session-timeout ssl-buffer-size ssl-reject-handshake enable-ocsp hsts hsts-max-age hsts-include-subdomains hsts-preload ssl-redirect force-ssl-redirect preserve-trailing-slash http-redirect-code no-tls-redirect-locations proxy-ssl-location-only use-port-in-redirects relative-redirects
use-forwarded-headers enable-real-ip forwarded-for-header forwarded-host-header forwarded-for-proxy-protocol-header compute-full-forwarded-for proxy-add-original-uri-header proxy-real-ip-cidr use-proxy-protocol proxy-protocol-header-timeout proxy-set-headers add-headers
proxy-connect-timeout proxy-read-timeout proxy-send-timeout proxy-body-size proxy-buffering proxy-buffer-size proxy-buffers-number proxy-busy-buffers-size proxy-max-temp-file-size proxy-request-buffering proxy-http-version proxy-cookie-domain proxy-cookie-path proxy-redirect-from proxy-redirect-to proxy-next-upstream proxy-next-upstream-timeout proxy-next-upstream-tries retry-non-idempotent load-balance service-upstream upstream-hash-by upstream-hash-by-subset upstream-hash-by-subset-size app-root upstream-keepalive-connections upstream-keepalive-timeout upstream-keepalive-requests upstream-keepalive-time grpc-buffer-size-kb custom-http-errors disable-proxy-intercept-errors whitelist-source-range denylist-source-range limit-rate limit-rate-after limit-req-status-code limit-conn-status-code limit-conn-zone-variable
global-auth-url global-auth-method global-auth-signin global-auth-signin-redirect-param global-auth-response-headers global-auth-request-redirect global-auth-cache-key global-auth-cache-duration global-auth-always-set-cookie global-auth-snippet no-auth-locations
disable-access-log disable-http-access-log disable-stream-access-log access-log-path http-access-log-path stream-access-log-path access-log-params error-log-path error-log-level log-format-upstream log-format-stream log-format-escape-json log-format-escape-none skip-access-log-urls enable-access-log-for-default-backend enable-auth-access-log enable-syslog syslog-host syslog-port
enable-opentelemetry opentelemetry-operation-name opentelemetry-trust-incoming-span opentelemetry-config otlp-collector-host otlp-collector-port otel-service-name otel-sampler otel-sampler-ratio otel-sampler-parent-based otel-max-queuesize otel-schedule-delay-millis otel-max-export-batch-size
enable-modsecurity enable-owasp-modsecurity-crs modsecurity-snippet use-geoip2 geoip2-autoreload-in-minutes
proxy-stream-timeout proxy-stream-next-upstream proxy-stream-next-upstream-timeout proxy-stream-next-upstream-tries proxy-stream-responses
main-snippet http-snippet server-snippet location-snippet stream-snippet
worker-processes worker-cpu-affinity worker-shutdown-timeout enable-serial-reloads max-worker-connections max-worker-open-files enable-multi-accept enable-aio-write map-hash-bucket-size variables-hash-bucket-size variables-hash-max-size server-name-hash-max-size server-name-hash-bucket-size proxy-headers-hash-max-size proxy-headers-hash-bucket-size lua-shared-dicts nginx-status-ipv4-whitelist nginx-status-ipv6-whitelist
`;

const reference = REFERENCE.trim().split(/\s+/);

test('the list is the reference: 194 keys in its order, and the 14 that are only documented', () => {
  expect(readKeys).toHaveLength(194);
  expect(readKeys.map(({ key }) => key)).toEqual(reference);
  expect(removedKeys).toHaveLength(14);
  expect(configMapKeys).toHaveLength(208 + ownKeys.length);
  expect(configMapKeysByName.size).toBe(208 + ownKeys.length);
});

test('own keys cannot be taken for those of ingress-nginx', () => {
  expect(ownKeys.map(({ key }) => key).filter((key) => !key.startsWith('sluice-'))).toEqual([]);
});

describe.each(configMapKeys.map((record) => [record.key, record] as const))('key %s', (_, record) => {
  test('names what is missing unless it is full', () => {
    expect(record.note === '').toBe(record.support === 'full');
    expect(record.note).not.toMatch(/[.;]$/);
    expect(record.doc).toMatch(/^[A-Z`].*\.$/);
  });

  test('asks for nothing with its default, and takes it as text', () => {
    expect(record.shortfall(record.default)).toBeNull();
    const rendered = renderValue(record.type, record.default);
    const parsed = record.type.parse(
      rendered === 'unset' || rendered === 'empty' ? '' : withSpaces(record.key, rendered),
    );
    expect(parsed).toEqual({ ok: true, value: record.default });
  });
});

/** Lists print with commas; the keys that are words separated by spaces take those. */
function withSpaces(key: string, rendered: string): string {
  return key === 'proxy-next-upstream' ? rendered.replaceAll(',', '') : rendered;
}

test('what protects paths closes them while it is not carried out', () => {
  const closing = configMapKeys.filter(({ whenUnsupported }) => whenUnsupported === 'denyRoutes');
  expect(closing.map(({ key }) => key).sort()).toEqual([
    'block-cidrs',
    'denylist-source-range',
    'global-auth-url',
    'whitelist-source-range',
  ]);
});

test('an invalid value never opens more than the default', () => {
  const differing = configMapKeys.filter(({ default: fallback, whenInvalid }) => fallback !== whenInvalid);
  expect(differing.map(({ key, whenInvalid }) => [key, whenInvalid])).toEqual([
    ['annotations-risk-level', 'Low'],
    ['proxy-real-ip-cidr', []],
  ]);
});

test('full and partial are what the first version builds', () => {
  const built = readKeys.filter(({ support }) => support === 'full' || support === 'partial');
  expect(built.map(({ key }) => key).sort()).toEqual([
    'allow-backend-server-header',
    'allow-snippet-annotations',
    'annotation-value-word-blocklist',
    'annotations-risk-level',
    'bind-address',
    'client-body-buffer-size',
    'client-body-timeout',
    'client-header-buffer-size',
    'client-header-timeout',
    'compute-full-forwarded-for',
    'disable-access-log',
    'disable-http-access-log',
    'disable-ipv6',
    'disable-stream-access-log',
    'enable-access-log-for-default-backend',
    'enable-underscores-in-headers',
    'force-ssl-redirect',
    'generate-request-id',
    'hsts',
    'hsts-include-subdomains',
    'hsts-max-age',
    'hsts-preload',
    'http-redirect-code',
    'http2-max-concurrent-streams',
    'ignore-invalid-headers',
    'keep-alive',
    'keep-alive-requests',
    'large-client-header-buffers',
    'limit-conn-status-code',
    'limit-conn-zone-variable',
    'limit-rate',
    'limit-rate-after',
    'limit-req-status-code',
    'load-balance',
    'log-format-stream',
    'max-worker-connections',
    'no-tls-redirect-locations',
    'preserve-trailing-slash',
    'proxy-body-size',
    'proxy-buffer-size',
    'proxy-connect-timeout',
    'proxy-next-upstream',
    'proxy-next-upstream-timeout',
    'proxy-next-upstream-tries',
    'proxy-protocol-header-timeout',
    'proxy-read-timeout',
    'proxy-real-ip-cidr',
    'proxy-request-buffering',
    'proxy-send-timeout',
    'proxy-stream-next-upstream',
    'proxy-stream-next-upstream-timeout',
    'proxy-stream-next-upstream-tries',
    'proxy-stream-responses',
    'proxy-stream-timeout',
    'retry-non-idempotent',
    'server-tokens',
    'service-upstream',
    'ssl-ciphers',
    'ssl-protocols',
    'ssl-redirect',
    'ssl-reject-handshake',
    'strict-validate-path-type',
    'upstream-keepalive-connections',
    'upstream-keepalive-requests',
    'upstream-keepalive-time',
    'upstream-keepalive-timeout',
    'use-forwarded-headers',
    'use-http2',
    'use-port-in-redirects',
    'use-proxy-protocol',
    'worker-shutdown-timeout',
  ]);
});
