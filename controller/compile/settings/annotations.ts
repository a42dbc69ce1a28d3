// The complete list of annotations that ingress-nginx v1.15.1 knows, in the order of the annotation reference: 136
// canonical names and 2 aliases. Whoever adds a family adds it here.

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
import { proxyingAnnotations } from './proxying.ts';
import { rateLimitAnnotations } from './rate-limits.ts';
import type { AnnotationRecord } from './record.ts';
import { redirectAnnotations } from './redirects.ts';
import { routingAnnotations } from './routing.ts';
import { snippetAnnotations } from './snippets.ts';
import { tlsAnnotations } from './tls.ts';

/** Prefix that annotations have unless `--annotations-prefix` says otherwise. */
export const DEFAULT_PREFIX = 'nginx.ingress.kubernetes.io';

/** Prefix of Sluice's own annotations. There are none yet. */
export const OWN_PREFIX = 'sluice.ingress.kubernetes.io';

/** Every record, once. */
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

/** Records by canonical name and by alias. */
export const annotationsByName: ReadonlyMap<string, AnnotationRecord<unknown>> = new Map(
  annotations.flatMap((record) => [record.name, ...record.aliases].map((name) => [name, record] as const)),
);
