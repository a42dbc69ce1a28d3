// TLS Secrets as compile() reads them: each parsed at most once per run, unchanged ones not at all, bad ones reported once.

import type { Diagnostic } from '../objects/diagnostic.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import { keyOf, type ObjectKey, type Secret } from '../objects/types.ts';
import { pairFromPem, pairId } from './key-pair.ts';
import { diagnose } from './report.ts';
import type { CertificatePair, CompileMemory } from './types.ts';

/** The pairs of Secrets, as the choice of certificates asks for them. */
export interface TlsSecretPairs {
  has(key: ObjectKey): boolean;
  /** The pair of a Secret, or its last good one when it no longer holds one; null when the Secret is gone or never was good. */
  pairOf(key: ObjectKey): CertificatePair | null;
}

export interface TlsSecrets extends TlsSecretPairs {
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
    if (secret === undefined) {
      read.set(key, null);
      return null;
    }
    const { pair, diagnostics: problems } = readTlsSecret(secret, goodPairs.get(key) ?? null);
    diagnostics.push(...problems, ...warnAboutValidity(secret, pair, nowMs));
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

export interface TlsSecretReading {
  readonly pair: CertificatePair | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads the pair of a Secret; a bad one gives `lastGood`, the pair it held before. */
export function readTlsSecret(secret: Secret, lastGood: CertificatePair | null): TlsSecretReading {
  const certPem = secret.data['tls.crt']?.reveal() ?? '';
  const keyPem = secret.data['tls.key']?.reveal() ?? '';
  // The id is a hash of both texts, so that an equal id is an equal pair: no need to parse it again on every compile.
  if (lastGood !== null && lastGood.info.id === pairId(certPem, keyPem)) return { pair: lastGood, diagnostics: [] };
  const parsed = pairFromPem(certPem, keyPem, keyOf(secret.meta));
  if (parsed.ok) return { pair: parsed.pair, diagnostics: [] };
  const consequence =
    lastGood === null
      ? 'hosts that name this Secret get the default certificate'
      : 'HTTPS with this Secret keeps its last good certificate';
  const message = `${parsed.field} ${parsed.why}; ${consequence}`;
  return {
    pair: lastGood,
    diagnostics: [diagnose('error', 'BadKeyPair', secret, `data[${parsed.field}]`, message)],
  };
}

const tenDaysMs = 10 * 24 * 60 * 60 * 1000;

/** Expired certificates are still served, as by ingress-nginx; the same 10 days of warning. No pair, no warning. */
export function warnAboutValidity(secret: Secret, pair: CertificatePair | null, nowMs: number): Diagnostic[] {
  if (pair === null) return [];
  const { info } = pair;
  const warn = (reason: string, text: string) => [
    diagnose('warning', reason, secret, 'data[tls.crt]', `the certificate ${text}; it is served as it is`),
  ];
  if (nowMs >= info.notAfterMs) return warn('CertificateExpired', `expired at ${isoTime(info.notAfterMs)}`);
  if (nowMs < info.notBeforeMs)
    return warn('CertificateNotYetValid', `is not valid before ${isoTime(info.notBeforeMs)}`);
  if (info.notAfterMs - nowMs >= tenDaysMs) return [];
  return warn('CertificateExpiresSoon', `expires at ${isoTime(info.notAfterMs)}`);
}

/** The first moment after `nowMs` at which `warnAboutValidity` may answer differently; Infinity when it never will. */
export function nextValidityChangeMs({ info }: CertificatePair, nowMs: number): number {
  const moments = [info.notBeforeMs, info.notAfterMs - tenDaysMs + 1, info.notAfterMs];
  return Math.min(...moments.filter((moment) => moment > nowMs));
}

function isoTime(ms: number): string {
  // Years beyond 9999 and unreadable dates must not throw.
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : 'an unreadable date';
}
