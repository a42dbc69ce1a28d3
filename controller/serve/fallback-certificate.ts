// The certificate of last resort: shown to clients whose name has no certificate, when --default-ssl-certificate gives
// none either. Made anew at each start, never stored. Subject and name are ingress-nginx's, so that existing checks for
// "the fake certificate" keep working (internal/net/ssl/ssl.go, GetFakeSSLCert).

import { generate } from 'selfsigned';

const LIFETIME_MS = 365 * 24 * 3600 * 1000;

/** PEM texts. The key leaves the process never. */
export interface PemPair {
  readonly certPem: string;
  readonly keyPem: string;
}

/** Makes a self-signed EC P-256 pair for `ingress.local`, valid for a year from `nowMs`. Takes about 40 ms. */
export async function generateFallbackCertificate(nowMs: number): Promise<PemPair> {
  const subject = [
    { name: 'organizationName', value: 'Acme Co' },
    { name: 'commonName', value: 'Kubernetes Ingress Controller Fake Certificate' },
  ];
  const pair = await generate(subject, {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(nowMs),
    notAfterDate: new Date(nowMs + LIFETIME_MS),
    extensions: [
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'ingress.local' }] },
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
    ],
  });
  return { certPem: pair.cert, keyPem: pair.private };
}
