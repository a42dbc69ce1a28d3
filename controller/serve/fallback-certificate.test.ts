// The generated certificate has the subject that ingress-nginx users look for, and a key that fits.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { generateFallbackCertificate } from './fallback-certificate.ts';

test('is the fake certificate of ingress-nginx, with a fitting P-256 key', async () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const { certPem, keyPem } = await generateFallbackCertificate(nowMs);
  const certificate = new X509Certificate(certPem);
  const key = createPrivateKey(keyPem);
  expect(certificate.subject).toBe('O=Acme Co\nCN=Kubernetes Ingress Controller Fake Certificate');
  expect(certificate.issuer).toBe(certificate.subject);
  expect(certificate.subjectAltName).toBe('DNS:ingress.local');
  expect(certificate.ca).toBe(false);
  expect(certificate.checkPrivateKey(key)).toBe(true);
  expect(key.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  expect(certificate.validFromDate.getTime()).toBe(nowMs);
  expect(certificate.validToDate.getTime() - nowMs).toBe(365 * 24 * 3600 * 1000);
});

test('is another one each time', async () => {
  const [a, b] = await Promise.all([generateFallbackCertificate(0), generateFallbackCertificate(0)]);
  expect(a.keyPem).not.toBe(b.keyPem);
});
