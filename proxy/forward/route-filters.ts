// The request filters of a route, in the table's order, for one client stream. The first one that answers ends the
// request; what filters hold for a request is given back by `end`.
//
//   begin -> answer or null at once; 'waiting' when a store is asked for rates -> onFiltered
// All rates are asked in one step, at the first of them.

import { applyHttpsRedirect } from '../filters/https-redirect.ts';
import { ConnectionHold } from '../filters/limits.ts';
import type { Answer } from '../http/answer.ts';
import type { IndexedRoute } from '../match/index.ts';
import type { Filter, HttpsRedirectFilter, RouteTarget } from '../table/types.ts';
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
  begin(route: IndexedRoute, current: CurrentTable): Answer | null | 'waiting' {
    this.#rates = 'unknown';
    return this.#run(route, 0, current);
  }

  /** The request has ended, however it did. */
  end(): void {
    this.#request++;
    this.#context.limits.release(this.#hold);
  }

  #run(route: IndexedRoute, from: number, current: CurrentTable): Answer | null | 'waiting' {
    const { filters } = route;
    for (let at = from; at < filters.length; at++) {
      const filter = filters[at] as Filter;
      if (filter.kind === 'httpsRedirect') {
        const answer = this.#redirect(filter, current);
        if (answer !== null) return answer;
        continue;
      }
      // Where nobody can answer, nobody is counted: ingress-nginx says 503 before it asks limits. They are the last filters.
      if (this.#rates === 'unknown' && !this.#hasEndpoints(route.target)) return null;
      if (filter.kind === 'rateLimit') {
        if (this.#rates === 'unknown' && this.#askStore(route, at, current)) return 'waiting';
        if (this.#rates === 'store') continue;
      }
      const answer = this.#context.limits.take(filters, at, this.#facts, this.#hold);
      if (answer !== null) return answer;
    }
    return null;
  }

  /** Whether the Service has any; canaries are not asked without it. */
  #hasEndpoints(target: RouteTarget): boolean {
    if (target.kind !== 'upstream') return false;
    return (this.#context.endpoints.get(target.upstream)?.members.length ?? 0) > 0;
  }

  #askStore(route: IndexedRoute, at: number, current: CurrentTable): boolean {
    this.#rates = 'local';
    if (!this.#context.limits.hasStore) return false;
    const request = this.#request;
    return this.#context.limits.askStore(route.filters, this.#facts, (answer) => {
      if (request !== this.#request) return;
      this.#rates = answer === 'local' ? 'local' : 'store';
      const next = answer === 'local' || answer === null ? this.#run(route, at, current) : answer;
      if (next !== 'waiting') this.#user.onFiltered(next, current);
    });
  }

  #redirect(filter: HttpsRedirectFilter, current: CurrentTable): Answer | null {
    const { head } = this.#client;
    const host = hostSentUpstream(head, this.#client, current);
    return applyHttpsRedirect(filter, { scheme: this.#facts.scheme, host, target: head.target });
  }
}
