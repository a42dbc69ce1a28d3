// Incremental half of certificates.ts: the certificate of each host, chosen again when the host was planned again or a
// Secret of the Ingress that decides changed.

import type { CertificateId, VirtualHostName } from '#proxy/table/types.ts';
import type { Snapshot, SnapshotChanges } from '../../objects/snapshot.ts';
import type { ObjectKey } from '../../objects/types.ts';
import {
  chooseDefaultPair,
  chooseHostPair,
  indexTlsEntries,
  type TlsEntries,
  tlsDecider,
  tlsSecretKeys,
} from '../certificates.ts';
import type { AcceptedIngress } from '../select.ts';
import type { SortedList } from '../sorted-list.ts';
import type { CertificatePair, CompileMemory, CompileOptions } from '../types.ts';
import type { DiagnosticBook } from './diagnostic-book.ts';
import type { PlanChange } from './host-stage.ts';
import { PairUses } from './pair-uses.ts';
import { SecretStage } from './secret-stage.ts';

/** An Ingress that decides about the certificates of some hosts. */
interface Decider {
  readonly accepted: AcceptedIngress;
  readonly secretKeys: readonly ObjectKey[];
  readonly hosts: Set<VirtualHostName>;
  /** null: to be made again, because a Secret changed. */
  entries: TlsEntries | null;
}

interface HostState {
  readonly decider: Decider;
  /** What the host presents; null before the first choice. */
  pair: CertificatePair | null;
  /** The pair is the default one, for want of its own. */
  isDefault: boolean;
}

export class CertificateStage {
  readonly #options: CompileOptions;
  readonly #book: DiagnosticBook;
  readonly #secrets: SecretStage;
  readonly #pairs = new PairUses();
  readonly #hosts = new Map<VirtualHostName, HostState>();
  readonly #deciders = new Map<AcceptedIngress, Decider>();
  readonly #decidersOfSecret = new Map<ObjectKey, Set<Decider>>();
  readonly #byHost = new Map<VirtualHostName, CertificateId>();
  #defaultPair: CertificatePair;
  /** The Secret of the default pair has been acquired; it is never released. */
  #holdsDefault = false;

  constructor(options: CompileOptions, memory: CompileMemory['goodPairs'], book: DiagnosticBook) {
    this.#options = options;
    this.#book = book;
    this.#secrets = new SecretStage(memory, book);
    this.#defaultPair = options.fallbackCertificate;
    this.#pairs.add(this.#defaultPair);
  }

  /** As `CertificatesPass.byHost`. */
  get byHost(): ReadonlyMap<VirtualHostName, CertificateId> {
    return this.#byHost;
  }

  get defaultCertificate(): CertificateId {
    return this.#defaultPair.info.id;
  }

  /** Every pair in use. */
  pairs(): SortedList<CertificatePair> {
    return this.#pairs.list();
  }

  /** The memory given to the constructor has served its purpose. */
  forgetEarlierLife(): void {
    this.#secrets.forgetEarlierLife();
  }

  /** As `CompileMemory.goodPairs`. */
  goodPairs(): CompileMemory['goodPairs'] {
    return this.#secrets.goodPairs();
  }

  /** Gives the hosts whose entry in `byHost` changed. */
  update(
    plans: readonly PlanChange[],
    { secrets }: Snapshot,
    changes: SnapshotChanges,
    nowMs: number,
  ): Set<VirtualHostName> {
    const dirty = new Set<VirtualHostName>();
    for (const key of this.#secrets.refresh(secrets, changes.secrets, nowMs)) {
      for (const decider of this.#decidersOfSecret.get(key) ?? []) {
        decider.entries = null;
        for (const name of decider.hosts) dirty.add(name);
      }
    }
    for (const name of this.#chooseDefault()) dirty.add(name);
    for (const plan of plans) {
      this.#assignDecider(plan);
      dirty.add(plan.name);
    }
    const changed = new Set([...dirty].filter((name) => this.#chooseFor(name)));
    this.#secrets.dropUnused();
    return changed;
  }

  /** Chooses the default pair again; gives the hosts that depend on it when it is another one. */
  #chooseDefault(): VirtualHostName[] {
    const key = this.#options.defaultSslCertificate;
    if (key !== '' && !this.#holdsDefault) this.#secrets.acquire(key);
    this.#holdsDefault = true;
    const { pair, diagnostics } = chooseDefaultPair(this.#secrets, this.#options);
    this.#book.set('defaultCertificate', diagnostics);
    if (pair === this.#defaultPair) return [];
    this.#pairs.add(pair);
    this.#pairs.remove(this.#defaultPair);
    this.#defaultPair = pair;
    return [...this.#hosts].filter(([, { isDefault }]) => isDefault).map(([name]) => name);
  }

  #assignDecider({ name, after }: PlanChange): void {
    const before = this.#hosts.get(name);
    const accepted = after === null ? null : tlsDecider(after);
    if ((before?.decider.accepted ?? null) === accepted) return;
    // The new one first: a Secret that both use keeps its reading.
    const decider = accepted === null ? null : this.#openDecider(accepted);
    decider?.hosts.add(name);
    if (before !== undefined) this.#leaveDecider(name, before);
    const pair = before?.pair ?? null;
    if (decider !== null) {
      this.#hosts.set(name, { decider, pair, isDefault: before?.isDefault ?? false });
      return;
    }
    this.#hosts.delete(name);
    if (pair !== null) this.#pairs.remove(pair);
  }

  #openDecider(accepted: AcceptedIngress): Decider {
    const known = this.#deciders.get(accepted);
    if (known !== undefined) return known;
    const decider: Decider = { accepted, secretKeys: tlsSecretKeys(accepted), hosts: new Set(), entries: null };
    this.#deciders.set(accepted, decider);
    for (const key of decider.secretKeys) {
      this.#secrets.acquire(key);
      const users = this.#decidersOfSecret.get(key);
      if (users === undefined) this.#decidersOfSecret.set(key, new Set([decider]));
      else users.add(decider);
    }
    return decider;
  }

  #leaveDecider(name: VirtualHostName, { decider }: HostState): void {
    decider.hosts.delete(name);
    if (decider.hosts.size > 0) return;
    this.#deciders.delete(decider.accepted);
    for (const key of decider.secretKeys) {
      this.#secrets.release(key);
      const users = this.#decidersOfSecret.get(key);
      users?.delete(decider);
      if (users?.size === 0) this.#decidersOfSecret.delete(key);
    }
  }

  /** Chooses for one host; true when its entry in `byHost` changed. */
  #chooseFor(name: VirtualHostName): boolean {
    const state = this.#hosts.get(name);
    const before = this.#byHost.get(name);
    if (state === undefined) return this.#clearHost(name);
    const { decider } = state;
    decider.entries ??= indexTlsEntries(decider.accepted, this.#secrets);
    const choice = chooseHostPair(name, decider.accepted, decider.entries, this.#secrets);
    this.#book.set(`tls/${name}`, choice.diagnostics);
    const pair = choice.pair ?? this.#defaultPair;
    this.#pairs.add(pair);
    if (state.pair !== null) this.#pairs.remove(state.pair);
    state.pair = pair;
    state.isDefault = choice.pair === null;
    this.#byHost.set(name, pair.info.id);
    return before !== pair.info.id;
  }

  #clearHost(name: VirtualHostName): boolean {
    this.#book.set(`tls/${name}`, []);
    return this.#byHost.delete(name);
  }
}
