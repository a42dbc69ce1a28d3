// What /metrics says about a whole table: its hash and how many entries it has, at the cost of what changed since the last
// time it was asked.
//
// A version of a table shares its chunks with the one before (compile/sorted-list.ts), so what is known of a chunk is known
// for good. The hash is a sum over entries: it must not depend on where one chunk ends and the next begins, which is a
// matter of history, so that replicas with equal tables agree.

import { hash } from 'node:crypto';
import { renderCanonical } from '#proxy/table/codec.ts';
import type { SortedList } from '../compile/sorted-list.ts';
import type { TableVersion } from '../compile/table-version.ts';

export interface TableSummary {
  /** Equal for equal tables; 48 bits: what a float64, all that Prometheus has, holds exactly. Never 0. */
  readonly hash: number;
  readonly entries: Readonly<Record<'virtualHost' | 'route' | 'upstream' | 'endpoint' | 'certificate', number>>;
}

interface ChunkSummary {
  readonly hash: number;
  /** Routes of hosts, endpoints of upstreams. */
  readonly parts: number;
}

/** How to see one kind of list. */
interface ListView<T> {
  readonly name: string;
  /** What of an entry belongs to the table: JSON. */
  readonly shown: (entry: T) => unknown;
  readonly parts: (entry: T) => number;
}

const modulus = 2 ** 48;
/** Some milliseconds of work. */
const chunksPerTurn = 4;

export class TableSummaries {
  readonly #known = new WeakMap<object, ChunkSummary>();
  readonly #pause: () => Promise<void>;

  /** `pause` lets others work; it is called every few milliseconds while much is new. */
  constructor(pause: () => Promise<void>) {
    this.#pause = pause;
  }

  /** Looks at the chunks it has not seen before: all of them the first time. */
  async summarize({ global, virtualHosts, upstreams, policies, certificates }: TableVersion): Promise<TableSummary> {
    const none = () => 0;
    const hosts = await this.#sum(virtualHosts, { name: 'host', shown: same, parts: ({ routes }) => routes.length });
    const backends = await this.#sum(upstreams, {
      name: 'upstream',
      shown: same,
      parts: ({ endpoints }) => endpoints.length,
    });
    const rules = await this.#sum(policies, { name: 'policy', shown: same, parts: none });
    const pairs = await this.#sum(certificates, { name: 'certificate', shown: ({ info }) => info, parts: none });
    const sum = [hosts, backends, rules, pairs].reduce(
      (total, list) => (total + list.hash) % modulus,
      hashOf('global', global),
    );
    return {
      hash: Math.max(1, sum),
      entries: {
        virtualHost: virtualHosts.size,
        route: hosts.parts,
        upstream: upstreams.size,
        endpoint: backends.parts,
        certificate: certificates.size,
      },
    };
  }

  async #sum<T>(list: SortedList<T>, view: ListView<T>): Promise<ChunkSummary> {
    let [sum, parts, added] = [0, 0, 0];
    for (const chunk of list.chunks) {
      let known = this.#known.get(chunk);
      if (known === undefined) {
        known = summarizeChunk(chunk, view);
        this.#known.set(chunk, known);
        added += 1;
        if (added % chunksPerTurn === 0) await this.#pause();
      }
      sum = (sum + known.hash) % modulus;
      parts += known.parts;
    }
    return { hash: sum, parts };
  }
}

function summarizeChunk<T>(chunk: readonly T[], { name, shown, parts }: ListView<T>): ChunkSummary {
  const summary = { hash: 0, parts: 0 };
  for (const entry of chunk) {
    summary.hash = (summary.hash + hashOf(name, shown(entry))) % modulus;
    summary.parts += parts(entry);
  }
  return summary;
}

const same = <T>(entry: T): T => entry;

function hashOf(name: string, value: unknown): number {
  return Number.parseInt(hash('sha256', `${name} ${renderCanonical(value)}`, 'hex').slice(0, 12), 16);
}
