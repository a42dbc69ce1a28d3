// The request filters of a route, in the table's order, for one client stream. The first one that answers ends the
// request; what filters hold for a request is given back by `end`.

import { applyHttpsRedirect } from '../filters/https-redirect.ts';
import { ConnectionHold } from '../filters/limits.ts';
import type { Answer } from '../http/answer.ts';
import type { Filter, HttpsRedirectFilter } from '../table/types.ts';
import type { ClientStream } from './client-stream.ts';
import type { CurrentTable, ProxyContext } from './context.ts';
import { hostSentUpstream } from './forwarding.ts';
import type { RequestFacts } from './request-facts.ts';

export class RouteFilters {
  readonly #context: ProxyContext;
  readonly #client: ClientStream;
  readonly #facts: RequestFacts;
  readonly #hold = new ConnectionHold();

  /** `facts` must be bound to the request before `begin`. */
  constructor(context: ProxyContext, client: ClientStream, facts: RequestFacts) {
    this.#context = context;
    this.#client = client;
    this.#facts = facts;
  }

  /** Gives the answer of the first filter that has one, or null when the request goes on. Follow either with `end`. */
  begin(filters: readonly Filter[], current: CurrentTable): Answer | null {
    for (let at = 0; at < filters.length; at++) {
      const filter = filters[at] as Filter;
      const answer =
        filter.kind === 'httpsRedirect'
          ? this.#redirect(filter, current)
          : this.#context.limits.take(filters, at, this.#facts, this.#hold);
      if (answer !== null) return answer;
    }
    return null;
  }

  /** The request has ended, however it did. */
  end(): void {
    this.#context.limits.release(this.#hold);
  }

  #redirect(filter: HttpsRedirectFilter, current: CurrentTable): Answer | null {
    const { head } = this.#client;
    const host = hostSentUpstream(head, this.#client, current);
    return applyHttpsRedirect(filter, { scheme: this.#facts.scheme, host, target: head.target });
  }
}
