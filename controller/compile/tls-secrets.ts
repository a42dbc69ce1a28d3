// TLS Secrets as compile() reads them: each parsed at most once per run, unchanged ones not at all, bad ones reported once.

import type { Diagnostic } from '../objects/diagnostic.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import type { ObjectKey, Secret } from '../objects/types.ts';
import { pairFromPem, pairId } from './key-pair.ts';
import { diagnose } from './report.ts';
import type { CertificatePair, CompileMemory } from './types.ts';

export interface TlsSecrets {
  has(key: ObjectKey): boolean;
  /** The pair of a Secret, or its last good one when it no longer holds one; null when the Secret is gone or never was good. */
  pairOf(key: ObjectKey): CertificatePair | null;
  /** Pairs of the Secrets asked for so far: the memory of the next run. */
  goodPairs(): CompileMemory['goodPairs'];
  diagnostics(): readonly Diagnostic[];
}

/** Opens the Secrets of one snapshot. `goodPairs` is the memory of the previous run. */
export function openTlsSecrets(
  secrets: Snapshot['secrets'],
  goodPairs: CompileMemory['goodPairs'],
  nowMs: number,
): TlsSecrets {
  const read = new Map<ObjectKey, CertificatePair | null>();
  const diagnostics: Diagnostic[] = [];
  const pairOf = (key: ObjectKey): CertificatePair | null => {
    const known = read.get(key);
    if (known !== undefined) return known;
    const secret = secrets.get(key);
    const pair = secret === undefined ? null : readSecret(secret, key, goodPairs.get(key) ?? null, diagnostics);
    if (secret !== undefined && pair !== null) diagnostics.push(...warnAboutValidity(secret, pair, nowMs));
    read.set(key, pair);
    return pair;
  };
  return {
    has: (key) => secrets.has(key),
    pairOf,
    goodPairs: () => new Map([...read].flatMap(([key, pair]) => (pair === null ? [] : [[key, pair] as const]))),
    diagnostics: () => diagnostics,
  };
}

function readSecret(
  secret: Secret,
  key: ObjectKey,
  lastGood: CertificatePair | null,
  diagnostics: Diagnostic[],
): CertificatePair | null {
  const certPem = secret.data['tls.crt']?.reveal() ?? '';
  const keyPem = secret.data['tls.key']?.reveal() ?? '';
  // The id is a hash of both texts, so that an equal id is an equal pair: no need to parse it again on every compile.
  if (lastGood !== null && lastGood.info.id === pairId(certPem, keyPem)) return lastGood;
  const parsed = pairFromPem(certPem, keyPem, key);
  if (parsed.ok) return parsed.pair;
  const consequence =
    lastGood === null
      ? 'hosts that name this Secret get the default certificate'
      : 'HTTPS with this Secret keeps its last good certificate';
  const message = `${parsed.field} ${parsed.why}; ${consequence}`;
  diagnostics.push(diagnose('error', 'BadKeyPair', secret, `data[${parsed.field}]`, message));
  return lastGood;
}

const tenDaysMs = 10 * 24 * 60 * 60 * 1000;

/** Expired certificates are still served, as by ingress-nginx; the same 10 days of warning. */
function warnAboutValidity(secret: Secret, { info }: CertificatePair, nowMs: number): Diagnostic[] {
  const warn = (reason: string, text: string) => [
    diagnose('warning', reason, secret, 'data[tls.crt]', `the certificate ${text}; it is served as it is`),
  ];
  if (nowMs >= info.notAfterMs) return warn('CertificateExpired', `expired at ${isoTime(info.notAfterMs)}`);
  if (nowMs < info.notBeforeMs)
    return warn('CertificateNotYetValid', `is not valid before ${isoTime(info.notBeforeMs)}`);
  if (info.notAfterMs - nowMs >= tenDaysMs) return [];
  return warn('CertificateExpiresSoon', `expires at ${isoTime(info.notAfterMs)}`);
}

function isoTime(ms: number): string {
  // Years beyond 9999 and unreadable dates must not throw.
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : 'an unreadable date';
}
