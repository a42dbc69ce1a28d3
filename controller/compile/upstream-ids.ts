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
  const taken = new Set<UpstreamId>([defaultBackendId]);
  const ids = new Map<string, UpstreamId>();
  const keyed = [...backends].map((backend) => ({ ...backend, key: backendKey(backend.namespace, backend.use) }));
  for (const { namespace, use, key } of keyed.sort((a, b) => compareText(a.key, b.key))) {
    const plain = `${namespace}-${use.service}-${use.port}`;
    const id = taken.has(plain) ? `${plain}~${contentId(key).slice(0, 8)}` : plain;
    taken.add(id);
    ids.set(key, id);
  }
  return ids;
}
