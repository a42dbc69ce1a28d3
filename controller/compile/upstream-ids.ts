// Ids of upstreams: ingress-nginx's names, which dashboards and log queries know, made unambiguous.

import type { UpstreamId } from '#proxy/table/types.ts';
import { compareText } from '../objects/diagnostic.ts';
import { contentId } from './content-id.ts';
import { type BackendUse, backendKey } from './host-plan.ts';

/** Id of the upstream of `--default-backend-service`. */
export const defaultBackendId: UpstreamId = 'upstream-default-backend';

/**
 * Gives each backend the id `<namespace>-<service>-<port>`, by `backendKey`.
 *
 * Deviation: the dashes make the name ambiguous (`a` + `b-c` and `a-b` + `c`), and ingress-nginx then sends both
 * namespaces to one of the Services. Here all but the first by namespace and Service get `~` and a hash appended (`~` stands in no
 * Kubernetes name). A Service that would take the id of the default backend gets one too.
 */
export function upstreamIds(
  backends: Iterable<{ readonly namespace: string; readonly use: BackendUse }>,
): Map<string, UpstreamId> {
  const groups = Map.groupBy(backends, plainId);
  return new Map(
    [...groups].flatMap(([plain, group]) => [
      ...tellApart(
        plain,
        group.map(({ namespace, use }) => backendKey(namespace, use)),
      ),
    ]),
  );
}

/** The name that ingress-nginx gives a backend. */
export function plainId({ namespace, use }: { readonly namespace: string; readonly use: BackendUse }): UpstreamId {
  return `${namespace}-${use.service}-${use.port}`;
}

/** Ids of the backends with one plain id, by key. */
export function tellApart(plain: UpstreamId, keys: readonly string[]): Map<string, UpstreamId> {
  const [first] = plain === defaultBackendId ? [] : [...keys].sort(compareText);
  return new Map(keys.map((key) => [key, key === first ? plain : `${plain}~${contentId(key).slice(0, 8)}`]));
}
