// The request filters of a route, in the table's order, for one client stream. The first one that answers ends the
// request; what filters hold for a request is given back by `end`.
//
//   begin -> answer or null at once; 'waiting' when a store is asked for rates -> onFiltered
// All rates are asked in one step, at the first of them.

import { applyHttpsRedirect } from '../filters/https-redirect.ts';
import { ConnectionHold } from '../filters/limits.ts';
import type { Answer } from '../http/answer.ts';
import type { Filter, HttpsRedirectFilter } from '../table/types.ts';
import type { ClientStream } from './client-stream.ts';
import type { CurrentTable, ProxyContext } from './context.ts';
import { hostSentUpstream } from './forwarding.ts';
import type { RequestFacts } from './request-facts.ts';

export interface FilterUser {
  /** What `begin` would have given, after it gave 'waiting'. Not called once `end` was. */
  onFiltered(answer: Answer | null, current: CurrentTable): void;
}

/** Who counts the rates of the request at hand. */
type RateMode = 'unknown' | 'store' | 'local';

export class RouteFilters {
  readonly #context: ProxyContext;
  readonly #client: ClientStream;
  readonly #facts: RequestFacts;
  readonly #user: FilterUser;
  readonly #hold = new ConnectionHold();
  #rates: RateMode = 'unknown';
  /** Tells the answers for this request from those for earlier ones of the stream. */
  #request = 0;

  /** `facts` must be bound to the request before `begin`. */
  constructor(context: ProxyContext, client: ClientStream, facts: RequestFacts, user: FilterUser) {
    this.#context = context;
    this.#client = client;
    this.#facts = facts;
    this.#user = user;
  }

  /** Gives the answer of the first filter that has one, or null when the request goes on. Follow each with `end`. */
  begin(filters: readonly Filter[], current: CurrentTable): Answer | null | 'waiting' {
    this.#rates = 'unknown';
    return this.#run(filters, 0, current);
  }

  /** The request has ended, however it did. */
  end(): void {
    this.#request++;
    this.#context.limits.release(this.#hold);
  }

  #run(filters: readonly Filter[], from: number, current: CurrentTable): Answer | null | 'waiting' {
    const { limits } = this.#context;
    for (let at = from; at < filters.length; at++) {
      const filter = filters[at] as Filter;
      if (filter.kind === 'rateLimit') {
        if (this.#rates === 'unknown' && this.#askStore(filters, at, current)) return 'waiting';
        if (this.#rates === 'store') continue;
      }
      const answer =
        filter.kind === 'httpsRedirect'
          ? this.#redirect(filter, current)
          : limits.take(filters, at, this.#facts, this.#hold);
      if (answer !== null) return answer;
    }
    return null;
  }

  #askStore(filters: readonly Filter[], at: number, current: CurrentTable): boolean {
    this.#rates = 'local';
    if (!this.#context.limits.hasStore) return false;
    const request = this.#request;
    const isAsked = this.#context.limits.askStore(filters, this.#facts, (answer) => {
      if (request !== this.#request) return;
      this.#rates = answer === 'local' ? 'local' : 'store';
      const next = answer === 'local' || answer === null ? this.#run(filters, at, current) : answer;
      if (next !== 'waiting') this.#user.onFiltered(next, current);
    });
    return isAsked;
  }

  #redirect(filter: HttpsRedirectFilter, current: CurrentTable): Answer | null {
    const { head } = this.#client;
    const host = hostSentUpstream(head, this.#client, current);
    return applyHttpsRedirect(filter, { scheme: this.#facts.scheme, host, target: head.target });
  }
}
