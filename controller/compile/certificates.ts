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
import { openTlsSecrets, type TlsSecrets } from './tls-secrets.ts';
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
  const diagnostics: Diagnostic[] = [];
  const defaultPair = chooseDefault(secrets, options, diagnostics);
  const choices = new Map<AcceptedIngress, TlsEntries>();
  const byHost = new Map<VirtualHostName, CertificateId>();
  const pairs = new Map([[defaultPair.info.id, defaultPair]]);
  for (const plan of plans) {
    const decider = plan.ingresses.find(({ ingress }) => ingress.tls.length > 0);
    // The catch-all host always presents the default certificate and never counts as TLS for redirects.
    if (decider === undefined || plan.name === catchAllHost) continue;
    const entries = choices.get(decider) ?? indexEntries(decider, secrets);
    choices.set(decider, entries);
    const pair = pairForHost(plan.name, decider, entries, secrets, diagnostics) ?? defaultPair;
    byHost.set(plan.name, pair.info.id);
    rememberPair(pairs, pair);
  }
  return {
    byHost,
    defaultCertificate: defaultPair.info.id,
    pairs,
    goodPairs: secrets.goodPairs(),
    diagnostics: [...diagnostics, ...secrets.diagnostics()],
  };
}

/** Two Secrets may hold one pair; the table names the first by key, so that the order of hosts does not matter. */
function rememberPair(pairs: Map<CertificateId, CertificatePair>, pair: CertificatePair): void {
  const known = pairs.get(pair.info.id);
  if (known === undefined || pair.info.secret < known.info.secret) pairs.set(pair.info.id, pair);
}

function chooseDefault(secrets: TlsSecrets, options: CompileOptions, diagnostics: Diagnostic[]): CertificatePair {
  const key = options.defaultSslCertificate;
  if (key === '') return options.fallbackCertificate;
  const pair = secrets.pairOf(key);
  if (pair !== null) return pair;
  const problem = secrets.has(key) ? 'holds no usable pair' : 'does not exist';
  const message = `Secret ${key} (--default-ssl-certificate) ${problem}; HTTPS without a certificate of its own gets the generated self-signed one`;
  diagnostics.push(diagnose('error', 'DefaultCertificateUnusable', absentObject('Secret', key), '', message));
  return options.fallbackCertificate;
}

/** The TLS entries of one Ingress, indexed so that 10,000 hosts need 10,000 lookups and not 10,000 scans. */
interface TlsEntries {
  /** By host in `tls[].hosts`. The decoder lets only lower-case names through. */
  readonly literal: ReadonlyMap<string, IngressTls>;
  /** By name in the entry's certificate; the first entry keeps a name. */
  readonly covering: ReadonlyMap<string, IngressTls>;
}

function indexEntries({ ingress }: AcceptedIngress, secrets: TlsSecrets): TlsEntries {
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

/** Rule (1) of §8, then rule (2). Null: the default certificate, and the host still counts as TLS. */
function pairForHost(
  host: VirtualHostName,
  { ingress }: AcceptedIngress,
  entries: TlsEntries,
  secrets: TlsSecrets,
  diagnostics: Diagnostic[],
): CertificatePair | null {
  const entry = entries.literal.get(host) ?? coveringEntry(host, entries);
  if (entry === null) {
    const message = `no entry names ${hostText(host)} and no certificate of them covers it; ${defaultIsUsed(host)}`;
    diagnostics.push(diagnose('warning', 'NoTlsEntryForHost', ingress, 'spec.tls', message));
    return null;
  }
  if (entry.secretName === '') return null;
  const key: ObjectKey = `${ingress.meta.namespace}/${entry.secretName}`;
  const pair = secrets.pairOf(key);
  if (pair !== null && coversHost(pair.info, host)) return pair;
  const [reason, problem] =
    pair !== null
      ? ['CertificateNameMismatch', `the certificate in Secret ${key} is not valid for ${hostText(host)}`]
      : secrets.has(key)
        ? ['SecretUnusable', `Secret ${key} holds no usable certificate and key`]
        : ['SecretNotFound', `Secret ${key} does not exist`];
  const message = `${problem}; ${defaultIsUsed(host)}`;
  diagnostics.push(diagnose('error', reason, ingress, `spec.tls[${entry.index}].secretName`, message));
  return null;
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
