// The settings ConfigMap: values, fallbacks, and a diagnostic for everything that does not do what it says.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { configMapKeys } from './configmap.ts';
import { globalAuthUrl } from './configmap-auth.ts';
import { proxyRealIpCidr } from './configmap-forwarding.ts';
import { keepAlive } from './configmap-http.ts';
import { globalProxyReadTimeout } from './configmap-proxying.ts';
import { annotationsRiskLevel } from './configmap-security.ts';
import { globalSslRedirect } from './configmap-tls.ts';
import { parseConfigMap } from './parse-configmap.ts';
import { settings } from './testing/inputs.ts';

test('no ConfigMap: all defaults, nothing to say', () => {
  const { values, diagnostics } = parseConfigMap(null);
  expect(diagnostics).toEqual([]);
  for (const record of configMapKeys) expect(values.get(record)).toEqual(record.default);
  expect(values.denials).toEqual([]);
});

test('valid values are read; valueOf tells what was set', () => {
  const { values, diagnostics } = settings({ 'proxy-read-timeout': '90' });
  expect(diagnostics).toEqual([]);
  expect(values.get(globalProxyReadTimeout)).toBe(90);
  expect(values.valueOf('proxy-read-timeout')).toBe(90);
  expect(values.valueOf('proxy-send-timeout')).toBeUndefined();
  expect(values.valueOf('no-such-key')).toBeUndefined();
});

describe('invalid values', () => {
  test('the default holds, and the diagnostic says so', () => {
    const { values, diagnostics } = settings({ 'ssl-redirect': 'yes', 'keep-alive': '75' });
    expect(values.get(globalSslRedirect)).toBe(true);
    expect(values.get(keepAlive)).toBe(75);
    expect(values.valueOf('ssl-redirect')).toBeUndefined();
    expect(diagnostics).toEqual([
      {
        severity: 'error',
        reason: 'SettingInvalid',
        object: { kind: 'ConfigMap', namespace: 'shop', name: 'web' },
        field: 'data[ssl-redirect]',
        message:
          'ConfigMap key ssl-redirect "yes" is not a bool (true or false); the value that holds for all traffic is: true',
        source: null,
      },
    ]);
  });

  test('a misspelt risk level is Low, a bad trust list trusts nobody', () => {
    const { values } = settings({ 'annotations-risk-level': 'Hihg', 'proxy-real-ip-cidr': '10.0.0.0/8, lan' });
    expect(values.get(annotationsRiskLevel)).toBe('Low');
    expect(values.get(proxyRealIpCidr)).toEqual([]);
  });

  test.each([
    ['http-redirect-code', '303', /is not one of 301, 302, 307, 308/],
    ['ssl-protocols', 'TLSv1 TLSv1.1', /names neither TLSv1.2 nor TLSv1.3/],
    ['ssl-protocols', 'TLSv1.4', /names a version that is not one of/],
    ['ssl-ciphers', 'A B;', /not allowed/],
    ['proxy-body-size', '1b', /is not a size/],
    ['proxy-read-timeout', '0', /is below 1/],
    ['worker-shutdown-timeout', 'soon', /is not a time/],
  ])('%s %j', (key, text, why) => {
    const { diagnostics } = settings({ [key]: text });
    expect(diagnostics).toMatchObject([{ reason: 'SettingInvalid', message: expect.stringMatching(why) }]);
  });
});

describe('keys that do not do what they say', () => {
  test.each([
    [
      'proxy-conect-timeout',
      '5',
      'warning SettingUnknown',
      /unknown \(did you mean proxy-connect-timeout\?\); it has no effect/,
    ],
    ['my-own-key', '5', 'warning SettingUnknown', /is unknown; it has no effect/],
    ['use-gzip', 'true', 'warning SettingNotSupported', /is not carried out yet: responses are sent as the upstream/],
    [
      'ssl-protocols',
      'TLSv1 TLSv1.2',
      'warning SettingNotSupported',
      /only in part: clients that speak only TLSv1 are turned/,
    ],
    [
      'server-snippet',
      'deny all;',
      'warning SettingRefused',
      /\(value not shown\) is refused: Sluice runs no nginx text/,
    ],
    ['reuse-port', 'false', 'info SettingNoEffect', /has no effect here: workers always share/],
    ['jaeger-endpoint', 'x', 'warning SettingRemoved', /ingress-nginx has dropped Jaeger/],
    ['ssl-session-ticket-key', 'c2VjcmV0', 'warning SettingNotSupported', /\(value not shown\)/],
  ])('%s: %j', (key, text, kind, message) => {
    const { diagnostics } = settings({ [key]: text });
    expect(diagnostics.map(({ severity, reason }) => `${severity} ${reason}`)).toEqual([kind]);
    expect(diagnostics[0]?.message).toMatch(message);
    expect(diagnostics[0]?.field).toBe(`data[${key}]`);
  });

  test.each([
    ['use-gzip', 'false'],
    ['use-http2', 'true'],
    ['use-http2', 'false'],
    ['proxy-request-buffering', 'off'],
    ['load-balance', ''],
    ['load-balance', 'round_robin'],
    ['worker-processes', 'auto'],
    ['nginx-status-ipv4-whitelist', '127.0.0.1'],
  ])('%s: %j asks for nothing', (key, text) => {
    expect(settings({ [key]: text }).diagnostics).toEqual([]);
  });
});

describe('keys that close every Ingress', () => {
  test('give an error and a denial', () => {
    const { values, diagnostics } = settings({ 'global-auth-url': 'http://u:hunter2@auth/', 'block-cidrs': '::/129' });
    expect(diagnostics.map(({ severity, reason }) => `${severity} ${reason}`)).toEqual([
      'error SettingInvalid',
      'error SettingNotSupported',
    ]);
    for (const { message } of diagnostics) {
      expect(message).toMatch(/; every path of every Ingress that is not exempt answers 503$/);
      expect(message).not.toContain('hunter2');
    }
    expect(values.denials.map(({ key }) => key)).toEqual(['block-cidrs', globalAuthUrl.key]);
  });

  test('do not close anything while empty', () => {
    const { values, diagnostics } = settings({ 'global-auth-url': '', 'whitelist-source-range': ' ' });
    expect([values.denials, diagnostics]).toEqual([[], []]);
  });
});

test('parsing never throws and does not depend on the order of keys', () => {
  const keys = fc.constantFrom(...configMapKeys.map(({ key }) => key), 'nonsense', '__proto__', 'constructor');
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('true', '1', '4 8k', '1h', 'on', '10.0.0.0/8'));
  fc.assert(
    fc.property(fc.array(fc.tuple(keys, texts), { maxLength: 12 }), (entries) => {
      const unique = [...new Map(entries)];
      const forwards = settings(Object.fromEntries(unique));
      const backwards = settings(Object.fromEntries(unique.reverse()));
      expect(backwards.diagnostics).toEqual(forwards.diagnostics);
      const all = ({ values }: typeof forwards) => configMapKeys.map((record) => values.get(record));
      expect(all(backwards)).toEqual(all(forwards));
    }),
  );
});
