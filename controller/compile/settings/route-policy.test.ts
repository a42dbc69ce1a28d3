// How requests of an Ingress are forwarded.

import { describe, expect, test } from '@jest/globals';
import type { RoutePolicy } from '#proxy/table/types.ts';
import { routePolicy } from './route-policy.ts';
import { parse, settings } from './testing/inputs.ts';

function policy(given: Record<string, string>, data: Record<string, string> = {}): RoutePolicy {
  return routePolicy(parse(given, { data }).values, settings(data).values);
}

test('the defaults of ingress-nginx', () => {
  expect(policy({})).toEqual({
    protocol: 'http',
    upstreamTls: null,
    connectTimeoutMs: 5000,
    sendTimeoutMs: 60_000,
    readTimeoutMs: 60_000,
    maxResponseHeadBytes: 4096,
    maxBodyBytes: 1_048_576,
    maxAttempts: 3,
    retryTimeoutMs: null,
    retryOn: ['error', 'timeout'],
    perTryTimeoutMs: null,
    retryBudget: null,
    bufferRequestBytes: 8192,
    hedge: null,
    bandwidth: null,
    accessLog: true,
  });
});

describe('annotations', () => {
  const cases: readonly [string, string, Partial<RoutePolicy>][] = [
    ['backend-protocol', 'Https', { protocol: 'https' }],
    ['backend-protocol', 'AUTO_HTTP', { protocol: 'auto' }],
    ['backend-protocol', 'GRPC', { protocol: 'grpc' }],
    ['backend-protocol', 'grpcs', { protocol: 'grpcs' }],
    ['backend-protocol', 'HTTP2', { protocol: 'http2' }],
    ['proxy-connect-timeout', '2', { connectTimeoutMs: 2000 }],
    ['proxy-send-timeout', '7', { sendTimeoutMs: 7000 }],
    ['proxy-read-timeout', '3600', { readTimeoutMs: 3_600_000 }],
    ['proxy-read-timeout', '0', { readTimeoutMs: 60_000 }],
    ['proxy-read-timeout', '-1', { readTimeoutMs: 60_000 }],
    ['proxy-read-timeout', '31536000', { readTimeoutMs: 2_147_483_647 }],
    ['proxy-buffer-size', '128K', { maxResponseHeadBytes: 131_072 }],
    ['proxy-buffer-size', 'large', { maxResponseHeadBytes: 4096 }],
    ['proxy-body-size', '8m', { maxBodyBytes: 8_388_608 }],
    ['proxy-body-size', '0', { maxBodyBytes: null }],
    ['proxy-body-size', '1b', { maxBodyBytes: 1_048_576 }],
    ['proxy-next-upstream', 'off', { retryOn: [] }],
    ['proxy-next-upstream', 'error off', { retryOn: [] }],
    ['proxy-next-upstream', 'http_503 invalid_header', { retryOn: ['invalidHeader', 'http503'] }],
    [
      'proxy-next-upstream',
      'http_429 http_404 http_403 http_504 http_502 http_500',
      { retryOn: ['http500', 'http502', 'http504', 'http403', 'http404', 'http429'] },
    ],
    ['proxy-next-upstream', 'non_idempotent timeout', { retryOn: ['timeout', 'nonIdempotent'] }],
    ['proxy-next-upstream-tries', '5', { maxAttempts: 5 }],
    ['proxy-next-upstream-tries', '0', { maxAttempts: null }],
    ['proxy-next-upstream-tries', '-1', { maxAttempts: 3 }],
    ['proxy-next-upstream-timeout', '10', { retryTimeoutMs: 10_000 }],
    ['proxy-request-buffering', 'off', { bufferRequestBytes: 0 }],
    ['client-body-buffer-size', '1m', { bufferRequestBytes: 1_048_576 }],
    ['client-body-buffer-size', '1b', { bufferRequestBytes: 8192 }],
    ['enable-access-log', 'false', { accessLog: false }],
  ];

  test.each(cases)('%s: %s', (name, text, expected) => {
    expect(policy({ [name]: text })).toEqual({ ...policy({}), ...expected });
  });
});

describe('ConfigMap', () => {
  const cases: readonly [string, string, Partial<RoutePolicy>][] = [
    ['proxy-connect-timeout', '2', { connectTimeoutMs: 2000 }],
    ['proxy-send-timeout', '7', { sendTimeoutMs: 7000 }],
    ['proxy-read-timeout', '9', { readTimeoutMs: 9000 }],
    ['proxy-buffer-size', '16k', { maxResponseHeadBytes: 16_384 }],
    ['proxy-body-size', '0', { maxBodyBytes: null }],
    ['proxy-next-upstream', 'timeout', { retryOn: ['timeout'] }],
    ['proxy-next-upstream-tries', '1', { maxAttempts: 1 }],
    ['proxy-next-upstream-timeout', '3', { retryTimeoutMs: 3000 }],
    ['proxy-request-buffering', 'off', { bufferRequestBytes: 0 }],
    ['client-body-buffer-size', '16k', { bufferRequestBytes: 16_384 }],
    ['retry-non-idempotent', 'true', { retryOn: ['error', 'timeout', 'nonIdempotent'] }],
    // Logs that the ConfigMap turns off are off for all of Sluice, not for one route.
    ['disable-access-log', 'true', {}],
  ];

  test.each(cases)('%s: %s', (key, text, expected) => {
    expect(policy({}, { [key]: text })).toEqual({ ...policy({}), ...expected });
  });

  test('retry-non-idempotent adds to the annotation, once, but does not turn retries on', () => {
    const data = { 'retry-non-idempotent': 'true' };
    expect(policy({ 'proxy-next-upstream': 'error' }, data).retryOn).toEqual(['error', 'nonIdempotent']);
    expect(policy({ 'proxy-next-upstream': 'error non_idempotent' }, data).retryOn).toEqual(['error', 'nonIdempotent']);
    expect(policy({ 'proxy-next-upstream': 'off' }, data).retryOn).toEqual([]);
  });
});
