// Pass: which certificate each virtual host presents (routing-semantics §8).
//
// In: host plans, Secrets, the last good pairs. Out: the certificate of each host that counts as TLS, the default
// certificate, and every pair in use. A Secret that turns bad keeps its last good pair; one that is gone does not.

import type { CertificateId, VirtualHostName } from '#proxy/table/types.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import type { IngressTls, ObjectKey } from '../objects/types.ts';
import { hostText } from './conflicts.ts';
import { catchAllHost, type HostPlan } from './host-plan.ts';
import { coveredNames, coversHost, wildcardOf } from './key-pair.ts';
import { absentObject, diagnose } from './report.ts';
import type { AcceptedIngress } from './select.ts';
import { openTlsSecrets, type TlsSecretPairs } from './tls-secrets.ts';
import type { CertificatePair, CompileMemory, CompileOptions } from './types.ts';

export interface CertificatesPass {
  /** By host name. A host without entry does not count as TLS by itself; its wildcard host may. */
  readonly byHost: ReadonlyMap<VirtualHostName, CertificateId>;
  readonly defaultCertificate: CertificateId;
  /** Every pair named above, by id. */
  readonly pairs: ReadonlyMap<CertificateId, CertificatePair>;
  readonly goodPairs: CompileMemory['goodPairs'];
  readonly diagnostics: readonly Diagnostic[];
}

/** Chooses the certificate of every host. `nowMs` (Unix time) is only used to warn about validity: expired ones are served. */
export function chooseCertificates(
  plans: Iterable<HostPlan>,
  snapshot: Snapshot,
  options: CompileOptions,
  memory: CompileMemory,
  nowMs: number,
): CertificatesPass {
  const secrets = openTlsSecrets(snapshot.secrets, memory.goodPairs, nowMs);
  const fallback = chooseDefaultPair(secrets, options);
  const diagnostics: Diagnostic[] = [...fallback.diagnostics];
  const entriesOf = new Map<AcceptedIngress, TlsEntries>();
  const byHost = new Map<VirtualHostName, CertificateId>();
  const pairs = new Map([[fallback.pair.info.id, fallback.pair]]);
  for (const plan of plans) {
    const decider = tlsDecider(plan);
    if (decider === null) continue;
    const entries = entriesOf.get(decider) ?? indexTlsEntries(decider, secrets);
    entriesOf.set(decider, entries);
    const choice = chooseHostPair(plan.name, decider, entries, secrets);
    diagnostics.push(...choice.diagnostics);
    const pair = choice.pair ?? fallback.pair;
    byHost.set(plan.name, pair.info.id);
    const known = pairs.get(pair.info.id);
    pairs.set(pair.info.id, known === undefined ? pair : preferredPair(known, pair));
  }
  return {
    byHost,
    defaultCertificate: fallback.pair.info.id,
    pairs,
    goodPairs: secrets.goodPairs(),
    diagnostics: [...diagnostics, ...secrets.diagnostics()],
  };
}

/** Two Secrets may hold one pair; the table names the first by key, so that the order of hosts does not matter. */
export function preferredPair(a: CertificatePair, b: CertificatePair): CertificatePair {
  return b.info.secret < a.info.secret ? b : a;
}

/**
 * The Ingress whose TLS entries hold for the host: the oldest that has any. null: the host does not count as TLS. The
 * catch-all host never does, it always presents the default certificate.
 */
export function tlsDecider(plan: HostPlan): AcceptedIngress | null {
  if (plan.name === catchAllHost) return null;
  return plan.ingresses.find(({ ingress }) => ingress.tls.length > 0) ?? null;
}

/** The pair of `--default-ssl-certificate`, else the generated one. */
export function chooseDefaultPair(
  secrets: TlsSecretPairs,
  options: CompileOptions,
): { readonly pair: CertificatePair; readonly diagnostics: readonly Diagnostic[] } {
  const key = options.defaultSslCertificate;
  if (key === '') return { pair: options.fallbackCertificate, diagnostics: [] };
  const pair = secrets.pairOf(key);
  if (pair !== null) return { pair, diagnostics: [] };
  const problem = secrets.has(key) ? 'holds no usable pair' : 'does not exist';
  const message = `Secret ${key} (--default-ssl-certificate) ${problem}; HTTPS without a certificate of its own gets the generated self-signed one`;
  const diagnostic = diagnose('error', 'DefaultCertificateUnusable', absentObject('Secret', key), '', message);
  return { pair: options.fallbackCertificate, diagnostics: [diagnostic] };
}

/** The TLS entries of one Ingress, indexed so that 10,000 hosts need 10,000 lookups and not 10,000 scans. */
export interface TlsEntries {
  /** By host in `tls[].hosts`. The decoder lets only lower-case names through. */
  readonly literal: ReadonlyMap<string, IngressTls>;
  /** By name in the entry's certificate; the first entry keeps a name. */
  readonly covering: ReadonlyMap<string, IngressTls>;
}

/** Keys of the Secrets that the TLS entries of an Ingress name. */
export function tlsSecretKeys({ ingress }: AcceptedIngress): ObjectKey[] {
  const names = new Set(ingress.tls.map(({ secretName }) => secretName).filter((name) => name !== ''));
  return [...names].map((name) => `${ingress.meta.namespace}/${name}`);
}

/** Depends on the pairs of the Secrets that `tlsSecretKeys` gives. */
export function indexTlsEntries({ ingress }: AcceptedIngress, secrets: TlsSecretPairs): TlsEntries {
  const literal = new Map<string, IngressTls>();
  const covering = new Map<string, IngressTls>();
  const setFirst = (map: Map<string, IngressTls>, name: string, entry: IngressTls) => {
    if (!map.has(name)) map.set(name, entry);
  };
  for (const entry of ingress.tls) {
    for (const host of entry.hosts) setFirst(literal, host, entry);
    const pair = entry.secretName === '' ? null : secrets.pairOf(`${ingress.meta.namespace}/${entry.secretName}`);
    for (const name of pair === null ? [] : coveredNames(pair.info)) setFirst(covering, name, entry);
  }
  return { literal, covering };
}

export interface HostPairChoice {
  /** null: the default certificate, and the host still counts as TLS. */
  readonly pair: CertificatePair | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** Rule (1) of §8, then rule (2). `entries` are those of the decider. */
export function chooseHostPair(
  host: VirtualHostName,
  { ingress }: AcceptedIngress,
  entries: TlsEntries,
  secrets: TlsSecretPairs,
): HostPairChoice {
  const entry = entries.literal.get(host) ?? coveringEntry(host, entries);
  if (entry === null) {
    const message = `no entry names ${hostText(host)} and no certificate of them covers it; ${defaultIsUsed(host)}`;
    return { pair: null, diagnostics: [diagnose('warning', 'NoTlsEntryForHost', ingress, 'spec.tls', message)] };
  }
  if (entry.secretName === '') return { pair: null, diagnostics: [] };
  const key: ObjectKey = `${ingress.meta.namespace}/${entry.secretName}`;
  const pair = secrets.pairOf(key);
  if (pair !== null && coversHost(pair.info, host)) return { pair, diagnostics: [] };
  const [reason, problem] =
    pair !== null
      ? ['CertificateNameMismatch', `the certificate in Secret ${key} is not valid for ${hostText(host)}`]
      : secrets.has(key)
        ? ['SecretUnusable', `Secret ${key} holds no usable certificate and key`]
        : ['SecretNotFound', `Secret ${key} does not exist`];
  const message = `${problem}; ${defaultIsUsed(host)}`;
  const field = `spec.tls[${entry.index}].secretName`;
  return { pair: null, diagnostics: [diagnose('error', reason, ingress, field, message)] };
}

function defaultIsUsed(host: VirtualHostName): string {
  return `HTTPS for ${hostText(host)} gets the default certificate, and it still counts as TLS for redirects`;
}

function coveringEntry(host: VirtualHostName, { covering }: TlsEntries): IngressTls | null {
  const exact = covering.get(host);
  const wildcard = covering.get(wildcardOf(host));
  if (exact === undefined || wildcard === undefined) return exact ?? wildcard ?? null;
  return exact.index <= wildcard.index ? exact : wildcard;
}
