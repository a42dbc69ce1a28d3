// Sluice's own annotations about picking an endpoint, which ingress-nginx never had.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { bool, decimalFrom, integerFrom, oneOf } from './types.ts';

const balancing = annotationFamily({
  group: 'Load balancing (Sluice)',
  scope: 'service',
  support: 'full',
});

/** Names of the balancers, by what they do. */
export type OwnBalancer =
  | 'round-robin'
  | 'ewma'
  | 'least-connections'
  | 'random-two-choices'
  | 'source-hash'
  | 'destination-hash'
  | 'shortest-expected-delay'
  | 'never-queue';

/** Balancer of the upstream; wins over `load-balance`, not over `upstream-hash-by`. */
export const balancer: AnnotationRecord<OwnBalancer> = balancing({
  name: 'balancer',
  type: oneOf([
    'round-robin',
    'ewma',
    'least-connections',
    'random-two-choices',
    'source-hash',
    'destination-hash',
    'shortest-expected-delay',
    'never-queue',
  ]),
  risk: 'Low',
  doc: 'How an endpoint is picked. Wins over `load-balance`; `upstream-hash-by` and affinity win over it.',
});

/** Bound of a consistent hash. */
export const hashBoundedLoad: AnnotationRecord<number> = balancing({
  name: 'hash-bounded-load',
  type: decimalFrom(1.01, 100),
  risk: 'Low',
  dependsOn: ['upstream-hash-by'],
  doc: 'With `upstream-hash-by`: an endpoint with more than this many times the mean load is passed over, e.g. `1.25`.',
});

/** Endpoints near this node first. */
export const zonePreference: AnnotationRecord<boolean> = balancing({
  name: 'zone-preference',
  type: bool,
  default: false,
  risk: 'Low',
  doc: 'Prefers endpoints whose EndpointSlice hints name the zone of the node that Sluice runs on.',
});

/** `zone-spill-over` where nothing is said. */
export const DEFAULT_SPILL_OVER_PERCENT = 50;

/** When the preference gives way, percent. */
export const zoneSpillOver: AnnotationRecord<number> = balancing({
  name: 'zone-spill-over',
  type: integerFrom(0, 100, 'percent, 0 to 100'),
  default: DEFAULT_SPILL_OVER_PERCENT,
  risk: 'Low',
  dependsOn: ['zone-preference'],
  doc: 'Endpoints of other zones are used as well while fewer than this percent of the near ones can be picked.',
});

/** All of this family. */
export const ownBalancingAnnotations: readonly AnnotationRecord<unknown>[] = [
  balancer,
  hashBoundedLoad,
  zonePreference,
  zoneSpillOver,
];
