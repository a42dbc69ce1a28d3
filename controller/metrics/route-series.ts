// Which series of the workers belong to a route that is served. A live worker forgets the others itself; this is for what
// is kept of dead ones.

import type { Route } from '#proxy/table/types.ts';
import type { TableVersion } from '../compile/table-version.ts';

/**
 * False for a series of a route that the table does not have (any more); true for series that are about no route. Without
 * the label `host` (`--metrics-per-host=false`) a series is of all hosts that have its path.
 */
export function isServed({ virtualHosts }: TableVersion, series: Readonly<Record<string, string>>): boolean {
  const { host, path, namespace, ingress } = series;
  if (ingress === undefined) return true;
  const isItsRoute = ({ labels }: Route): boolean =>
    labels.path === path && labels.ingress === ingress && labels.namespace === namespace;
  if (host !== undefined) return virtualHosts.get(host)?.routes.some(isItsRoute) ?? false;
  for (const { routes } of virtualHosts.toArray()) if (routes.some(isItsRoute)) return true;
  return false;
}
