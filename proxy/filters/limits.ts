// Rate and connection limits of a route, asked for one request: ingress-nginx's `limit-rps`, `limit-rpm` and
// `limit-connections`. The counters are in `limit-table.ts`, shared by all workers.
//
//   rates (all of them pass, or none is counted) -> connections; what a request holds goes back when it ends

import type { Answer } from '../http/answer.ts';
import type { ConnectionLimitFilter, RateLimitFilter } from '../table/route-settings.ts';
import type { Filter } from '../table/types.ts';
import { addressList } from './address-list.ts';
import { type LimitTable, REFUSED, UNCOUNTED } from './limit-table.ts';
import type { RateQuestion, RateStore, RateVerdict, StoreFailure } from './rate-store.ts';
import { renderTemplate, type TemplateSource } from './template.ts';

export type LimitFilter = RateLimitFilter | ConnectionLimitFilter;

/** The place in a connection limit that a request occupies; one belongs to each client stream and is used again. */
export class ConnectionHold {
  /** As the table gave it; UNCOUNTED while nothing is held. */
  place = UNCOUNTED;
}

/** What follows from a filter alone. */
interface PreparedLimit {
  readonly zone: string;
  /** null: everybody is counted. */
  readonly isExempt: ((address: string) => boolean) | null;
  /** Of a rate: time for one request, ms. */
  readonly intervalMs: number;
  readonly answer: Answer;
}

const STORE_DOWN: Answer = { status: 503, reason: 'limitStoreFailed', headerLines: '' };
const INTERVAL_MS = { second: 1000, minute: 60_000 };

export class RequestLimits {
  readonly #table: LimitTable;
  readonly #nowMs: () => number;
  readonly #prepared = new WeakMap<LimitFilter, PreparedLimit>();
  /** What the store said, by outcome. */
  readonly storeOutcomes = { passed: 0, refused: 0, failed: 0 };
  #store: { readonly store: RateStore; readonly onFailure: StoreFailure } | null = null;

  /** `nowMs` is a monotonic clock that all workers of the process share. */
  constructor(table: LimitTable, nowMs: () => number) {
    this.#table = table;
    this.#nowMs = nowMs;
  }

  /** Lets replicas count rates together; connections are counted by each process. */
  useStore(store: RateStore, onFailure: StoreFailure): void {
    this.#store = { store, onFailure };
  }

  get hasStore(): boolean {
    return this.#store !== null;
  }

  /** Entries in use that this worker gave up for others: the table is too small. */
  get givenUp(): number {
    return this.#table.ownGivenUp;
  }

  /**
   * Counts the request with the limit `filters[at]`; the answer when it is refused, null when it passes. A refused rate
   * gives back what the rates before it have counted; a refused connection does not, as in nginx.
   */
  take(filters: readonly Filter[], at: number, source: TemplateSource, hold: ConnectionHold): Answer | null {
    const filter = filters[at] as LimitFilter;
    const prepared = this.#prepare(filter);
    if (prepared.isExempt?.(source.remoteAddr)) return null;
    const client = renderTemplate(filter.key, source);
    if (client === '') return null;
    if (filter.kind === 'connectionLimit') {
      const place = this.#table.openConnection(prepared.zone, client, this.#nowMs(), filter.max);
      if (place === REFUSED) return prepared.answer;
      hold.place = place;
      return null;
    }
    if (this.#table.takeRequest(prepared.zone, client, this.#nowMs(), prepared.intervalMs, filter.burst)) return null;
    this.#returnRates(filters, at, source);
    return prepared.answer;
  }

  /**
   * Asks the store for all rates of `filters`. False: there is no store, or nothing to ask; else `decided` is called
   * later, with the answer of a rate that refuses, null when all pass, or `local`: ask `take` for each of them.
   */
  askStore(
    filters: readonly Filter[],
    source: TemplateSource,
    decided: (answer: Answer | null | 'local') => void,
  ): boolean {
    if (this.#store === null) return false;
    const asked: RateLimitFilter[] = [];
    const questions: RateQuestion[] = [];
    for (const filter of filters) {
      if (filter.kind !== 'rateLimit') continue;
      const { zone, isExempt, intervalMs } = this.#prepare(filter);
      const client = isExempt?.(source.remoteAddr) ? '' : renderTemplate(filter.key, source);
      if (client === '') continue;
      asked.push(filter);
      questions.push({ zone, client, intervalMs, burst: filter.burst });
    }
    if (questions.length === 0) return false;
    this.#store.store.ask(questions, (verdict) => decided(this.#afterVerdict(verdict, asked)));
    return true;
  }

  /** Gives back what the request held. To be called once it has ended, however it did; again does nothing. */
  release(hold: ConnectionHold): void {
    if (hold.place === UNCOUNTED) return;
    this.#table.closeConnection(hold.place);
    hold.place = UNCOUNTED;
  }

  #afterVerdict(verdict: RateVerdict, asked: readonly RateLimitFilter[]): Answer | null | 'local' {
    if (verdict === 'failed') {
      this.storeOutcomes.failed++;
      if (this.#store?.onFailure === 'open') return null;
      if (this.#store?.onFailure === 'closed') return STORE_DOWN;
      return 'local';
    }
    this.storeOutcomes[verdict === 'passed' ? 'passed' : 'refused']++;
    return verdict === 'passed' ? null : this.#prepare(asked[verdict] as RateLimitFilter).answer;
  }

  #returnRates(filters: readonly Filter[], end: number, source: TemplateSource): void {
    for (let at = 0; at < end; at++) {
      const filter = filters[at] as Filter;
      if (filter.kind !== 'rateLimit') continue;
      const { zone, isExempt, intervalMs } = this.#prepare(filter);
      if (isExempt?.(source.remoteAddr)) continue;
      const client = renderTemplate(filter.key, source);
      if (client !== '') this.#table.returnRequest(zone, client, intervalMs);
    }
  }

  #prepare(filter: LimitFilter): PreparedLimit {
    let prepared = this.#prepared.get(filter);
    if (prepared === undefined) {
      prepared = prepare(filter);
      this.#prepared.set(filter, prepared);
    }
    return prepared;
  }
}

function prepare(filter: LimitFilter): PreparedLimit {
  const isRate = filter.kind === 'rateLimit';
  return {
    zone: `${filter.zone}|${isRate ? filter.per : 'connections'}`,
    isExempt: filter.allowCidrs.length === 0 ? null : addressList(filter.allowCidrs),
    intervalMs: isRate ? INTERVAL_MS[filter.per] / filter.requests : 0,
    answer: { status: filter.status, reason: isRate ? 'rateLimited' : 'connectionLimited', headerLines: '' },
  };
}
