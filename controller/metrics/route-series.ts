// Which series of the workers belong to a route that is served. A live worker forgets the others itself; this is for what
// is kept of dead ones.

import type { Route, RouteLabels } from '#proxy/table/types.ts';
import type { TableVersion } from '../compile/table-version.ts';

/**
 * Gives a predicate: false for a series of a route that the table does not have (any more); true for series that are about
 * no route. Without the label `host` (`--metrics-per-host=false`) a series is of all hosts that have its path. The routes
 * of a host are looked through once, however many series are asked about.
 */
export function servedIn({ virtualHosts }: TableVersion): (series: Readonly<Record<string, string>>) => boolean {
  const keysByHost = new Map<string, ReadonlySet<string>>();
  let allKeys: ReadonlySet<string> | null = null;
  const keysOf = (host: string): ReadonlySet<string> => {
    const keys = keysByHost.get(host) ?? keysOfRoutes(virtualHosts.get(host)?.routes ?? []);
    keysByHost.set(host, keys);
    return keys;
  };
  return (series) => {
    const { host, ingress } = series;
    if (ingress === undefined) return true;
    if (host !== undefined) return keysOf(host).has(keyOf(series));
    allKeys ??= keysOfRoutes(virtualHosts.toArray().flatMap(({ routes }) => routes));
    return allKeys.has(keyOf(series));
  };
}

function keysOfRoutes(routes: readonly Route[]): ReadonlySet<string> {
  return new Set(routes.map(({ labels }) => keyOf(labels)));
}

function keyOf({ namespace, ingress, path }: Partial<Pick<RouteLabels, 'namespace' | 'ingress' | 'path'>>): string {
  return `${namespace}/${ingress} ${path}`;
}
