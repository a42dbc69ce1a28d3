// The main thread's side of the shared counters: which upstream and endpoint has a row in them.
//
//   before a table update is sent:        apply(upserts, removed)     rows for what is new
//   when every worker has acknowledged:   settle()                    rows of what is gone may be used again
//   when a worker has died:               forgetWorker(id)            its share of all counts is given back
//
// Without a free row an endpoint is counted per worker only: picks get less even, nothing fails.

import type { Upstream, UpstreamId } from '../table/types.ts';
import { endpointKey } from './endpoint-key.ts';
import { needsSharedLoad } from './needs.ts';
import { rowKey, type SharedLoads } from './shared-loads.ts';
import { adaptiveRow, gateRows } from './upstream-gate.ts';

export class LoadDirectory {
  readonly #loads: SharedLoads;
  /** Rows by upstream, then by endpoint; '' is the upstream itself. */
  readonly #rows = new Map<UpstreamId, Map<string, number>>();
  readonly #leaving: number[] = [];
  #missing = 0;

  constructor(loads: SharedLoads) {
    this.#loads = loads;
  }

  /** Endpoints and upstreams in force that found no row: for a metric; above 0 the capacity is too small. */
  get missing(): number {
    return this.#missing;
  }

  /** Gives rows to what a table update brings. Call it before the update is sent. */
  apply(upserts: readonly Upstream[], removed: readonly UpstreamId[]): void {
    for (const id of removed) this.#replace(id, []);
    for (const upstream of upserts) {
      this.#replace(upstream.id, needsSharedLoad(upstream) ? countersOf(upstream) : []);
    }
  }

  /** Applies a whole table: what it does not name is gone. */
  replace(upstreams: readonly Upstream[]): void {
    const kept = new Set(upstreams.map(({ id }) => id));
    this.apply(
      upstreams,
      [...this.#rows.keys()].filter((id) => !kept.has(id)),
    );
  }

  /** Frees the rows of what has left. Call it when no worker serves an older table any more. */
  settle(): void {
    for (const row of this.#leaving) this.#loads.release(row);
    this.#leaving.length = 0;
  }

  forgetWorker(column: number): void {
    this.#loads.clearColumn(column);
  }

  #replace(id: UpstreamId, keys: readonly string[]): void {
    const before = this.#rows.get(id);
    const after = new Map<string, number>();
    for (const key of keys) {
      const known = before?.get(key);
      if (known === -1) this.#missing--;
      const row = known === undefined || known === -1 ? this.#claim(id, key) : known;
      if (row === -1) this.#missing++;
      after.set(key, row);
      before?.delete(key);
    }
    for (const row of before?.values() ?? []) {
      if (row === -1) this.#missing--;
      else this.#leaving.push(row);
    }
    if (after.size === 0) this.#rows.delete(id);
    else this.#rows.set(id, after);
  }

  /** An endpoint that comes back before its old row was released gets that row again: workers would find it anyway. */
  #claim(id: UpstreamId, key: string): number {
    const wanted = rowKey(id, key);
    const old = this.#loads.find(wanted);
    if (old === -1) return this.#loads.claim(wanted);
    const at = this.#leaving.indexOf(old);
    if (at !== -1) this.#leaving.splice(at, 1);
    return old;
  }
}

/** What is counted of an upstream: the whole of it, its gate, and each endpoint. */
function countersOf({ limits, endpoints }: Upstream): readonly string[] {
  const ofGate = limits === null ? [] : limits.adaptive === null ? gateRows : [...gateRows, adaptiveRow];
  return ['', ...ofGate, ...endpoints.map(endpointKey)];
}
