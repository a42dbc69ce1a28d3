// The annotations that end up in the upstream and so speak for every Ingress of the same Service and port.

import { affinityCanaryBehavior, affinityMode } from './affinity.ts';
import { annotations, ownAnnotations } from './annotations.ts';
import type { AnnotationRecord, AnnotationValues } from './record.ts';

const serviceRecords = [...annotations, ...ownAnnotations].filter(
  // Of a canary and its route alone, although it stands in this family.
  (record) => record.scope === 'service' && record !== affinityCanaryBehavior,
);

/** Those that the oldest Ingress decides: all but affinity. */
export const upstreamRecords: readonly AnnotationRecord<unknown>[] = serviceRecords.filter(
  ({ group }) => group !== affinityMode.group,
);

/** Whether an Ingress with these annotations has a word about the upstreams that it names. */
export function speaksOfServices(values: AnnotationValues): boolean {
  return serviceRecords.some((record) => values.isSet(record));
}
