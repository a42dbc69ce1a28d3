// Runs the request filters of a route, in the table's order. The first one that answers ends the request.

import { applyHttpsRedirect } from '../filters/https-redirect.ts';
import type { Answer } from '../http/answer.ts';
import type { RequestHead } from '../http/request-head.ts';
import type { Filter } from '../table/types.ts';
import type { CurrentTable } from './context.ts';
import { believedValues, type ForwardingClient, hostSentUpstream } from './forwarding.ts';

/** Gives the answer of the first filter that has one, or null when the request goes on. */
export function applyRequestFilters(
  filters: readonly Filter[],
  client: ForwardingClient & { readonly head: RequestHead },
  current: CurrentTable,
): Answer | null {
  const { head } = client;
  const scheme = believedValues(head, client, current)?.scheme ?? (client.isTls ? 'https' : 'http');
  const host = hostSentUpstream(head, client, current);
  for (const filter of filters) {
    // TODO(#5): limits are compiled, but not carried out yet; their annotations say so.
    if (filter.kind !== 'httpsRedirect') continue;
    const answer = applyHttpsRedirect(filter, { scheme, host, target: head.target });
    if (answer !== null) return answer;
  }
  return null;
}
