// When a path redirects to HTTPS, and how.

import { expect, test } from '@jest/globals';
import { httpsRedirectFilter, type RedirectPlace } from './redirect.ts';
import { parse, settings } from './testing/inputs.ts';

const withTls: RedirectPlace = { hostHasCertificate: true, ingressPath: '/app', httpsPort: 8443 };
const withoutTls: RedirectPlace = { ...withTls, hostHasCertificate: false };
const plain = { kind: 'httpsRedirect', status: 308, port: null, preserveTrailingSlash: false };

function filter(place: RedirectPlace, given: Record<string, string>, data: Record<string, string>) {
  return httpsRedirectFilter(parse(given, { data }).values, settings(data).values, place);
}

const cases: readonly [string, RedirectPlace, Record<string, string>, Record<string, string>, object | null][] = [
  ['a host with TLS redirects', withTls, {}, {}, plain],
  ['a host without TLS does not', withoutTls, {}, {}, null],
  ['switched off by the annotation', withTls, { 'ssl-redirect': 'false' }, {}, null],
  ['switched off by the ConfigMap', withTls, {}, { 'ssl-redirect': 'false' }, null],
  ['the annotation wins', withTls, { 'ssl-redirect': 'true' }, { 'ssl-redirect': 'false' }, plain],
  ['forced without TLS', withoutTls, { 'force-ssl-redirect': 'true' }, {}, plain],
  ['forced by the ConfigMap', withoutTls, {}, { 'force-ssl-redirect': 'true' }, plain],
  ['force wins over off', withoutTls, { 'force-ssl-redirect': 'true', 'ssl-redirect': 'false' }, {}, plain],
  ['an invalid value keeps the default', withTls, { 'ssl-redirect': 'no' }, {}, plain],
  ['status', withTls, {}, { 'http-redirect-code': '301' }, { ...plain, status: 301 }],
  ['an invalid status is 308', withTls, {}, { 'http-redirect-code': '303' }, plain],
  ['port', withTls, { 'use-port-in-redirects': 'true' }, {}, { ...plain, port: 8443 }],
  ['no port that is not known', { ...withTls, httpsPort: 0 }, { 'use-port-in-redirects': 'true' }, {}, plain],
  ['slash', withTls, { 'preserve-trailing-slash': 'true' }, {}, { ...plain, preserveTrailingSlash: true }],
  [
    'slash by the ConfigMap',
    withTls,
    {},
    { 'preserve-trailing-slash': 'true' },
    { ...plain, preserveTrailingSlash: true },
  ],
  ['ACME challenges stay on HTTP', { ...withTls, ingressPath: '/.well-known/acme-challenge/x' }, {}, {}, null],
  [
    'even where forced',
    { ...withTls, ingressPath: '/.well-known/acme-challenge' },
    { 'force-ssl-redirect': 'true' },
    {},
    null,
  ],
  ['an own exemption', withTls, {}, { 'no-tls-redirect-locations': '/x, /ap' }, null],
  [
    'an own exemption replaces the default',
    { ...withTls, ingressPath: '/.well-known/acme-challenge' },
    {},
    { 'no-tls-redirect-locations': '' },
    plain,
  ],
];

test.each(cases)('%s', (_, place, given, data, expected) => {
  expect(filter(place, given, data)).toEqual(expected);
});
