// The order of the routes of one virtual host. Workers keep it and never sort again; docs/design/0003-route-precedence.md
// says why it is this one.

import type { PathMatch, Route } from '#proxy/table/types.ts';
import { compareText } from '../objects/diagnostic.ts';

/**
 * Matching order in `path` mode: the longer path first; at equal length exact before prefix (Kubernetes docs, Ingress,
 * "Multiple matches"); then by text, so that the order is total. A request matches the first route that covers its path.
 */
export function compareRoutes(a: Route, b: Route): number {
  const [left, right] = [pathOf(a.match), pathOf(b.match)];
  return right.length - left.length || rank(a.match) - rank(b.match) || compareText(left, right);
}

function pathOf(match: PathMatch): string {
  return match.kind === 'regex' ? match.pattern : match.path;
}

function rank(match: PathMatch): number {
  return match.kind === 'exact' ? 0 : match.kind === 'prefix' ? 1 : 2;
}
