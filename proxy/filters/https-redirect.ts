// Redirects plain HTTP to HTTPS: ingress-nginx's `ssl-redirect` and `force-ssl-redirect`.

import type { Answer } from '../http/answer.ts';
import type { HttpsRedirectFilter } from '../table/types.ts';

/** The facts of the request this filter looks at. */
export interface RedirectInput {
  /** `http`, `https`, or `ws` or `wss` where a trusted peer says so. */
  readonly scheme: string;
  /** Host to redirect to, as written: a port in it is dropped. */
  readonly host: string;
  /** Original target, with query. */
  readonly target: string;
}

/**
 * Gives the redirect, or null when the request did not come over plain HTTP. One trailing slash of the whole target is
 * removed, `/` becomes the bare host, as ingress-nginx does, unless `preserve-trailing-slash` is on.
 */
export function applyHttpsRedirect(filter: HttpsRedirectFilter, input: RedirectInput): Answer | null {
  if (input.scheme !== 'http') return null;
  const port = filter.port === null || filter.port === 443 ? '' : `:${filter.port}`;
  const target = !filter.preserveTrailingSlash && input.target.endsWith('/') ? input.target.slice(0, -1) : input.target;
  const location = `https://${withoutPort(input.host)}${port}${target}`;
  return { status: filter.status, reason: 'httpsRedirect', headerLines: `Location: ${location}\r\n` };
}

function withoutPort(host: string): string {
  const end = host.startsWith('[') ? host.indexOf(']') + 1 : host.indexOf(':');
  return end <= 0 ? host : host.slice(0, end);
}
