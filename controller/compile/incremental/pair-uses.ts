// Which key pairs are in use, counted, and the sorted list of them for the table.

import type { CertificateId } from '#proxy/table/types.ts';
import { preferredPair } from '../certificates.ts';
import type { SortedList } from '../sorted-list.ts';
import { emptyCertificates } from '../table-version.ts';
import type { CertificatePair } from '../types.ts';

interface PairUse {
  readonly pair: CertificatePair;
  users: number;
}

export class PairUses {
  /** By id and Secret: Secrets may hold equal pairs, of which the table names one. */
  readonly #uses = new Map<CertificateId, Map<string, PairUse>>();
  readonly #touched = new Set<CertificateId>();
  #list: SortedList<CertificatePair> = emptyCertificates;

  add(pair: CertificatePair): void {
    const { id, secret } = pair.info;
    this.#touched.add(id);
    const bySecret = this.#uses.get(id) ?? new Map<string, PairUse>();
    this.#uses.set(id, bySecret);
    const use = bySecret.get(secret);
    if (use === undefined) bySecret.set(secret, { pair, users: 1 });
    else use.users++;
  }

  remove(pair: CertificatePair): void {
    const { id, secret } = pair.info;
    const bySecret = this.#uses.get(id);
    const use = bySecret?.get(secret);
    if (bySecret === undefined || use === undefined) throw new Error(`certificate ${id} was not in use`);
    if (--use.users > 0) return;
    this.#touched.add(id);
    bySecret.delete(secret);
    if (bySecret.size === 0) this.#uses.delete(id);
  }

  /** Every pair in use, one for each id. */
  list(): SortedList<CertificatePair> {
    const changes = new Map<CertificateId, CertificatePair | null>();
    for (const id of this.#touched) changes.set(id, this.#preferred(id));
    this.#touched.clear();
    this.#list = this.#list.with(changes);
    return this.#list;
  }

  #preferred(id: CertificateId): CertificatePair | null {
    const pairs = [...(this.#uses.get(id)?.values() ?? [])].map(({ pair }) => pair);
    return pairs.length === 0 ? null : pairs.reduce(preferredPair);
  }
}
