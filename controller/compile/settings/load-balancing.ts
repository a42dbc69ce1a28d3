// Annotations that choose how an endpoint is picked. Annotation reference section 7.

import type { Template } from '#proxy/table/template.ts';
import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { templateNamed } from './template-type.ts';
import { bool, integer, oneOf } from './types.ts';
import { variableChars } from './validators.ts';

const balancing = annotationFamily({
  group: 'Load balancing',
  scope: 'service',
  support: 'full',
});

/** Names of ingress-nginx's balancers. */
export const balancerName = oneOf([
  'round_robin',
  'ewma',
  'chash',
  'chashsubset',
  'sticky_balanced',
  'sticky_persistent',
]);

/** The balancer of the upstream. */
export const loadBalance: AnnotationRecord<
  'round_robin' | 'ewma' | 'chash' | 'chashsubset' | 'sticky_balanced' | 'sticky_persistent'
> = balancing({
  name: 'load-balance',
  type: balancerName,
  default: 'round_robin',
  globalKey: 'load-balance',
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'How an endpoint is picked. Hash and sticky balancers are chosen by their own annotations.',
});

/** Key of consistent hashing. */
export const upstreamHashBy: AnnotationRecord<Template> = balancing({
  name: 'upstream-hash-by',
  type: templateNamed('variables and text'),
  validate: variableChars,
  risk: 'High',
  onInvalid: 'rejectIngress',
  onUnparsable: 'useDefault',
  doc: 'Requests with an equal key go to the same endpoint, e.g. `$request_uri`.',
});

/** Hash to a group instead of to one endpoint. */
export const upstreamHashBySubset: AnnotationRecord<boolean> = balancing({
  name: 'upstream-hash-by-subset',
  type: bool,
  default: false,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'The key chooses a group of endpoints, then one of the group at random.',
});

/** Size of a group; 0 counts as 3. */
export const upstreamHashBySubsetSize: AnnotationRecord<number> = balancing({
  name: 'upstream-hash-by-subset-size',
  type: integer,
  default: 3,
  inert: [0],
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Endpoints in a group of `upstream-hash-by-subset`.',
});

/** All of this family, in the order of the reference. */
export const loadBalancingAnnotations: readonly AnnotationRecord<unknown>[] = [
  loadBalance,
  upstreamHashBy,
  upstreamHashBySubset,
  upstreamHashBySubsetSize,
];
