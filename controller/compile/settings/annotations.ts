// The complete list of annotations that ingress-nginx v1.15.1 knows, in the order of the annotation reference: 136
// canonical names and 2 aliases; and Sluice's own. Whoever adds a family adds it here.

import { affinityAnnotations } from './affinity.ts';
import { authAnnotations } from './auth.ts';
import { backendProtocolAnnotations } from './backend-protocol.ts';
import { canaryAnnotations } from './canary.ts';
import { corsAnnotations } from './cors.ts';
import { errorAnnotations } from './errors-and-headers.ts';
import { ipListAnnotations } from './ip-lists.ts';
import { loadBalancingAnnotations } from './load-balancing.ts';
import { mirroringAnnotations } from './mirroring.ts';
import { modsecurityAnnotations } from './modsecurity.ts';
import { observabilityAnnotations } from './observability.ts';
import { ownBalancingAnnotations } from './own-balancing.ts';
import { ownHealthAnnotations } from './own-health.ts';
import { ownOverloadAnnotations } from './own-overload.ts';
import { proxyingAnnotations } from './proxying.ts';
import { rateLimitAnnotations } from './rate-limits.ts';
import type { AnnotationRecord } from './record.ts';
import { redirectAnnotations } from './redirects.ts';
import { routingAnnotations } from './routing.ts';
import { snippetAnnotations } from './snippets.ts';
import { tlsAnnotations } from './tls.ts';

/** Prefix that annotations have unless `--annotations-prefix` says otherwise. */
export const DEFAULT_PREFIX = 'nginx.ingress.kubernetes.io';

/** Prefix of Sluice's own annotations, whatever `--annotations-prefix` says. */
export const OWN_PREFIX = 'sluice.ingress.kubernetes.io';

/** Every record of ingress-nginx, once. */
export const annotations: readonly AnnotationRecord<unknown>[] = [
  ...routingAnnotations,
  ...redirectAnnotations,
  ...tlsAnnotations,
  ...authAnnotations,
  ...canaryAnnotations,
  ...affinityAnnotations,
  ...loadBalancingAnnotations,
  ...rateLimitAnnotations,
  ...corsAnnotations,
  ...proxyingAnnotations,
  ...backendProtocolAnnotations,
  ...mirroringAnnotations,
  ...ipListAnnotations,
  ...errorAnnotations,
  ...snippetAnnotations,
  ...observabilityAnnotations,
  ...modsecurityAnnotations,
];

/** What ingress-nginx never had, under `OWN_PREFIX`. No name is also one of `annotations`. */
export const ownAnnotations: readonly AnnotationRecord<unknown>[] = [
  ...ownBalancingAnnotations,
  ...ownHealthAnnotations,
  ...ownOverloadAnnotations,
];

export type AnnotationsByName = ReadonlyMap<string, AnnotationRecord<unknown>>;

/** Records of ingress-nginx by canonical name and by alias. */
export const annotationsByName: AnnotationsByName = byName(annotations);
export const ownAnnotationsByName: AnnotationsByName = byName(ownAnnotations);

function byName(records: readonly AnnotationRecord<unknown>[]): AnnotationsByName {
  return new Map(records.flatMap((record) => [record.name, ...record.aliases].map((name) => [name, record] as const)));
}
