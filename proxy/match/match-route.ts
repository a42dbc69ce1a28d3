// Finds the virtual host and the route of a request. Runs for every request: allocates nothing, cuts no string, and its
// cost depends on the length of host and path only, not on how many hosts and routes there are (regex hosts excepted).
//
// In: the index, a host (lower case, no port, no trailing dot) and a normalised path (decoded, dot segments resolved,
// no query). Out: the route, or null. Nothing is checked here; the parser of the request has done that.

import type { HostIndex, IndexedRoute, PathRoutes, RegexRoutes, RouteIndex } from './index.ts';
import { emptyHash, hashSpan, hashStep } from './span-table.ts';

const dot = 0x2e;
const slash = 0x2f;

/**
 * Finds the virtual host of a request: the exact name, else a wildcard whose first label stands for exactly one label of
 * word characters or `-`, else `_`. '' (no Host header) and IP addresses end at `_`.
 */
export function matchHost(index: RouteIndex, host: string): HostIndex {
  const exact = index.exact.find(hashSpan(host, 0, host.length), host, 0, host.length);
  if (exact !== undefined) return exact;
  const labelEnd = endOfLabel(host);
  if (labelEnd <= 0 || host.charCodeAt(labelEnd) !== dot) return index.catchAll;
  const rest = labelEnd + 1;
  return index.wildcard.find(hashSpan(host, rest, host.length), host, rest, host.length) ?? index.catchAll;
}

/**
 * Finds the route of `path` in a virtual host, or null. An exact match wins over every prefix, a longer prefix over a
 * shorter one (Kubernetes docs, Ingress, "Multiple matches"); in regex mode the first match in table order wins.
 */
export function matchRoute(host: HostIndex, path: string): IndexedRoute | null {
  if (host.only !== null) return host.only;
  return host.routes.kind === 'path' ? matchPath(host.routes, path) : matchPatterns(host.routes, path);
}

function matchPath(routes: PathRoutes, path: string): IndexedRoute | null {
  const { byPath, longestPath } = routes;
  let best = routes.root;
  let hash = emptyHash;
  // A prefix of length n is followed by a slash at n, hence one step more than the longest key.
  const end = Math.min(path.length, longestPath + 1);
  for (let i = 0; i < end; i++) {
    const code = path.charCodeAt(i);
    // Each slash ends an element: what stands before it may be a prefix. The later the slash, the longer the prefix.
    if (code === slash && i > 0) best = byPath.find(hash, path, 0, i)?.prefix ?? best;
    hash = hashStep(hash, code);
  }
  if (path.length > longestPath) return best;
  const whole = byPath.find(hash, path, 0, path.length);
  return whole?.exact ?? whole?.prefix ?? best;
}

function matchPatterns(routes: RegexRoutes, path: string): IndexedRoute | null {
  for (const { pattern, indexed } of routes.ordered) {
    if (pattern.test(path)) return indexed;
  }
  return null;
}

/** Index of the first character that is neither a word character nor `-`. */
function endOfLabel(host: string): number {
  let i = 0;
  while (i < host.length && isLabelCharacter(host.charCodeAt(i))) i++;
  return i;
}

function isLabelCharacter(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) || // a-z
    (code >= 0x30 && code <= 0x39) || // 0-9
    (code >= 0x41 && code <= 0x5a) || // A-Z
    code === 0x2d || // -
    code === 0x5f // _
  );
}
