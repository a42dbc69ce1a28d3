// Names that manifests carry although nobody reads them: annotation reference section 18.

import { expect, test } from '@jest/globals';
import { annotationsByName } from './annotations.ts';
import { configMapKeysByName } from './configmap.ts';
import { findUnread, unreadAnnotations } from './unknown-annotations.ts';

const REFERENCE = [
  'secure-backends',
  'secure-verify-ca-secret',
  'session-cookie-hash',
  'add-base-url',
  'base-url-scheme',
  'enable-opentracing',
  'opentracing-operation-name',
  'enable-influxdb',
  'influxdb-host',
  'global-rate-limit',
  'global-rate-limit-window',
  'auth-tls-verify-clients',
  'large-client-header-buffers',
  'client-header-buffer-size',
  'proxy-set-headers',
  'add-headers',
  'hsts',
  'hsts-max-age',
  'enable-underscores-in-headers',
  'use-forwarded-headers',
  'enable-websockets',
  'websocket-services',
  'server-snippets',
  'limit-req-status-code',
  'proxy-hide-headers',
  'ssl-protocols',
  'grpc-backend',
];

test.each(REFERENCE)('%s is known as unread', (name) => {
  expect(findUnread(name)).not.toBeNull();
});

test('other names are not', () => {
  expect(findUnread('something-else')).toBeNull();
  expect(findUnread('secure-backends-2')).toBeNull();
});

test('none is the name of a real annotation, and none is listed twice', () => {
  const names = unreadAnnotations.map(({ name }) => name);
  expect(names.filter((name) => annotationsByName.has(name))).toEqual([]);
  expect(new Set(names).size).toBe(names.length);
});

test('a hint to the ConfigMap names a key that exists', () => {
  for (const { hint } of unreadAnnotations) {
    const key = /^set (\S+) in the ConfigMap/.exec(hint)?.[1];
    if (key !== undefined) expect(configMapKeysByName.has(key)).toBe(true);
  }
});
