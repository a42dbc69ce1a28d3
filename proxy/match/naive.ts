// The oracle for tests: routing written straight from the rules, slowly, with nothing shared with the index.
//
// Source: Kubernetes docs, Ingress ("Path types", "Multiple matches", "Hostname wildcards") and ingress-nginx's host order
// and regex mode. It looks at every host and every route; only order between equal matches is taken from the table.

import type { Route, RoutingTable, VirtualHost } from '../table/types.ts';

/** Finds the virtual host for `host`: exact, then wildcard, then `_`. Throws when the table has no `_`. */
export function matchHostNaively(table: RoutingTable, host: string): VirtualHost {
  // `_` and `*.rest` are names of the table, not host names somebody can ask for.
  const isTableName = host === '_' || host.startsWith('*');
  const exact = table.virtualHosts.find((candidate) => candidate.name === host && !isTableName);
  const wildcard = table.virtualHosts.find((candidate) => isCoveredByWildcard(candidate.name, host));
  const found = exact ?? wildcard ?? table.virtualHosts.find((candidate) => candidate.name === '_');
  if (found === undefined) throw new Error('the table has no virtual host _');
  return found;
}

/** Finds the route for a normalised path in a virtual host, or null. */
export function matchRouteNaively(host: VirtualHost, path: string): Route | null {
  if (host.mode === 'regex') return host.routes.find((route) => matchesRegex(route, path)) ?? null;
  const exact = host.routes.find((route) => route.match.kind === 'exact' && route.match.path === path);
  if (exact !== undefined) return exact;
  const prefixes = host.routes.filter((route) => route.match.kind === 'prefix' && isPrefix(route.match.path, path));
  return prefixes.reduce<Route | null>((best, route) => (lengthOf(route) > lengthOf(best) ? route : best), null);
}

function isCoveredByWildcard(name: string, host: string): boolean {
  if (!name.startsWith('*.')) return false;
  const [label = '', ...rest] = host.split('.');
  return /^[A-Za-z0-9_-]+$/.test(label) && rest.join('.') === name.slice('*.'.length) && rest.length > 0;
}

/** Element-wise: every element of the prefix equals the element of the path at the same place. */
function isPrefix(prefix: string, path: string): boolean {
  const wanted = prefix.split('/');
  const given = path.split('/');
  return wanted.every((element, i) => element === given[i]);
}

function matchesRegex(route: Route, path: string): boolean {
  const source = route.match.kind === 'regex' ? route.match.pattern : RegExp.escape(route.match.path);
  return new RegExp(`^${source}`, 'i').test(path);
}

function lengthOf(route: Route | null): number {
  return route === null || route.match.kind === 'regex' ? -1 : route.match.path.length;
}
