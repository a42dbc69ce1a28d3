import { expect, test } from '@jest/globals';
import type { Secret } from '../objects/types.ts';
import { pairOfFixture } from './testing/fixtures.ts';
import { metaOf } from './testing/objects.ts';
import { nextValidityChangeMs, warnAboutValidity } from './tls-secrets.ts';

const secret: Secret = { kind: 'Secret', meta: metaOf('tls'), type: 'kubernetes.io/tls', data: {} };
const pair = pairOfFixture('foo-bar-com', 'default/tls');
const { notBeforeMs, notAfterMs } = pair.info;
const tenDaysMs = 10 * 24 * 60 * 60 * 1000;

const reasonAt = (nowMs: number) => warnAboutValidity(secret, pair, nowMs)[0]?.reason ?? 'none';

test.each([
  ['before it begins', notBeforeMs - 5, 'CertificateNotYetValid', 'none', notBeforeMs],
  ['while it is valid', notBeforeMs, 'none', 'CertificateExpiresSoon', notAfterMs - tenDaysMs + 1],
  ['at exactly ten days', notAfterMs - tenDaysMs, 'none', 'CertificateExpiresSoon', notAfterMs - tenDaysMs + 1],
  ['in the last ten days', notAfterMs - 5, 'CertificateExpiresSoon', 'CertificateExpired', notAfterMs],
])('the next change of the warning, %s', (_name, nowMs, now, then, changeMs) => {
  expect(nextValidityChangeMs(pair, nowMs)).toBe(changeMs);
  expect([reasonAt(nowMs), reasonAt(changeMs - 1), reasonAt(changeMs)]).toEqual([now, now, then]);
});

test('after the end the warning never changes', () => {
  expect(nextValidityChangeMs(pair, notAfterMs)).toBe(Number.POSITIVE_INFINITY);
});
