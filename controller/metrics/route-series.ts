// Which series of the workers belong to a route that is served. A live worker forgets the others itself; this is for what
// is kept of dead ones.

import type { TableVersion } from '../compile/table-version.ts';

/** False for a series of a route that the table does not have (any more); true for series that are about no route. */
export function isServed({ virtualHosts }: TableVersion, series: Readonly<Record<string, string>>): boolean {
  const { host, path, namespace, ingress } = series;
  if (host === undefined || ingress === undefined) return true;
  const routes = virtualHosts.get(host)?.routes ?? [];
  return routes.some(
    ({ labels }) => labels.path === path && labels.ingress === ingress && labels.namespace === namespace,
  );
}
