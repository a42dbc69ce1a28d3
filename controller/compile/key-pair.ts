// PEM text of a certificate and its key -> a checked pair (Secret type kubernetes.io/tls).
//
// In: text from a Secret. Out: the pair, or why it cannot be used. Messages never quote the text: it may be a key that
// somebody put in the wrong field.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { CertificateInfo } from '#proxy/table/types.ts';
import { contentId } from './content-id.ts';
import type { CertificatePair } from './types.ts';

/** `field` is the Secret key at fault, `why` completes a sentence that begins with it. */
export type PairResult =
  | { readonly ok: true; readonly pair: CertificatePair }
  | { readonly ok: false; readonly field: 'tls.crt' | 'tls.key'; readonly why: string };

/**
 * Parses and checks a pair: every certificate of the chain parses, the key parses without a passphrase and belongs to
 * the first certificate (the leaf, RFC 8446 §4.4.2). `secret` is `namespace/name`, '' for a generated pair.
 */
export function pairFromPem(certPem: string, keyPem: string, secret: string): PairResult {
  const chain = parseChain(certPem);
  if (!chain.ok) return { ok: false, field: 'tls.crt', why: chain.why };
  const key = parseKey(keyPem);
  if (key === null) return { ok: false, field: 'tls.key', why: 'holds no readable, unencrypted PEM private key' };
  if (!chain.leaf.checkPrivateKey(key)) {
    return { ok: false, field: 'tls.key', why: 'is not the key of the certificate in tls.crt' };
  }
  const id = pairId(certPem, keyPem);
  return { ok: true, pair: { info: describe(chain.leaf, id, secret), material: { id, certPem, keyPem } } };
}

/** Id of a pair: known before parsing, so that an unchanged pair need not be parsed again. */
export function pairId(certPem: string, keyPem: string): string {
  return contentId(certPem, keyPem);
}

/**
 * True when the certificate is valid for the host: its DNS names, or its common name when it has none; `*.` stands for
 * one label (RFC 9525 §6.3). A wildcard host is covered only by the same wildcard.
 */
export function coversHost(info: CertificateInfo, host: string): boolean {
  const names = coveredNames(info);
  return names.includes(host) || names.includes(wildcardOf(host));
}

/** The host with its first label replaced by `*`; '' when it has one label only, which no wildcard stands for. */
export function wildcardOf(host: string): string {
  const dot = host.indexOf('.');
  return dot < 0 ? '' : `*${host.slice(dot)}`;
}

/** The names a certificate is valid for, in lower case. */
export function coveredNames(info: CertificateInfo): string[] {
  const names = info.dnsNames.length > 0 ? info.dnsNames : [info.commonName];
  return names.filter((name) => name !== '').map((name) => name.toLowerCase());
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

type Chain = { readonly ok: true; readonly leaf: X509Certificate } | { readonly ok: false; readonly why: string };

function parseChain(pem: string): Chain {
  const blocks = pem.match(certificateBlock) ?? [];
  if (blocks.length === 0) return { ok: false, why: 'holds no PEM certificate' };
  const certificates: X509Certificate[] = [];
  for (const [i, block] of blocks.entries()) {
    const certificate = parseCertificate(block);
    if (certificate === null) return { ok: false, why: `holds a certificate that cannot be read (number ${i + 1})` };
    certificates.push(certificate);
  }
  const [leaf] = certificates;
  return leaf === undefined ? { ok: false, why: 'holds no PEM certificate' } : { ok: true, leaf };
}

function parseCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    // OpenSSL's words name ASN.1 internals: "cannot be read" says as much to the owner of the Secret.
    return null;
  }
}

function parseKey(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem);
  } catch {
    return null;
  }
}

const algorithmNames: Readonly<Record<string, string>> = {
  rsa: 'RSA',
  'rsa-pss': 'RSA',
  ec: 'ECDSA',
  ed25519: 'Ed25519',
};

function describe(certificate: X509Certificate, id: string, secret: string): CertificateInfo {
  const algorithm = certificate.publicKey.asymmetricKeyType ?? '';
  return {
    id,
    secret,
    commonName: attribute(certificate.subject, 'CN'),
    dnsNames: dnsNames(certificate.subjectAltName ?? ''),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
    serialNumber: decimalOf(certificate.serialNumber),
    issuerCommonName: attribute(certificate.issuer, 'CN'),
    issuerOrganization: attribute(certificate.issuer, 'O'),
    publicKeyAlgorithm: algorithmNames[algorithm] ?? algorithm,
  };
}

/** RFC 5280 §4.1.2.2 wants positive numbers, but others are met; Node prints those with a leading `-`. */
function decimalOf(hex: string): string {
  return hex.startsWith('-') ? `-${BigInt(`0x${hex.slice(1)}`)}` : BigInt(`0x${hex}`).toString();
}

/** First value of an attribute in Node's multi-line form of a distinguished name; '' when there is none. */
function attribute(name: string | undefined, key: string): string {
  const line = (name ?? '').split('\n').find((text) => text.startsWith(`${key}=`));
  return line === undefined ? '' : line.slice(key.length + 1);
}

/** Items of Node's `subjectAltName` text. Values with commas or quotes are JSON strings there (CVE-2021-44532): no host name. */
function dnsNames(subjectAltName: string): string[] {
  return subjectAltName
    .split(', ')
    .filter((item) => item.startsWith('DNS:') && !item.includes('"'))
    .map((item) => item.slice('DNS:'.length));
}
