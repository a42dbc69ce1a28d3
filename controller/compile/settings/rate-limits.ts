// Annotations that limit requests, connections and bandwidth of a client. Annotation reference section 8.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { cidrList, integer } from './types.ts';

const limits = annotationFamily({
  group: 'Rate limits',
  scope: 'path',
  support: 'full',
});

/** Requests per second. */
export const limitRps: AnnotationRecord<number> = limits({
  name: 'limit-rps',
  type: integer,
  default: 0,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Requests per second and client address, beyond which 503 is answered.',
});

/** Requests per minute. */
export const limitRpm: AnnotationRecord<number> = limits({
  name: 'limit-rpm',
  type: integer,
  default: 0,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Requests per minute and client address, beyond which 503 is answered.',
});

/** Requests at the same time. */
export const limitConnections: AnnotationRecord<number> = limits({
  name: 'limit-connections',
  type: integer,
  default: 0,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Requests at the same time per client address, beyond which 503 is answered.',
});

/** Burst allowance. */
export const limitBurstMultiplier: AnnotationRecord<number> = limits({
  name: 'limit-burst-multiplier',
  type: integer,
  default: 5,
  risk: 'Low',
  doc: 'Burst allowed by `limit-rps` and `limit-rpm`, as a multiple of them.',
});

/** Clients that are not counted. */
export const limitAllowlist: AnnotationRecord<readonly string[]> = limits({
  name: 'limit-allowlist',
  aliases: ['limit-whitelist'],
  type: cidrList,
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Client networks that are not limited.',
});

/** Bandwidth of one response, KiB/s. */
export const limitRate: AnnotationRecord<number> = limits({
  name: 'limit-rate',
  type: integer,
  default: 0,
  globalKey: 'limit-rate',
  risk: 'Low',
  doc: 'Bandwidth of one response, KiB per second.',
});

/** First part that is not slowed, KiB. */
export const limitRateAfter: AnnotationRecord<number> = limits({
  name: 'limit-rate-after',
  type: integer,
  default: 0,
  globalKey: 'limit-rate-after',
  risk: 'Low',
  doc: 'First part of a response that `limit-rate` leaves alone, KiB.',
});

/** All of this family, in the order of the reference. */
export const rateLimitAnnotations: readonly AnnotationRecord<unknown>[] = [
  limitRps,
  limitRpm,
  limitConnections,
  limitBurstMultiplier,
  limitAllowlist,
  limitRate,
  limitRateAfter,
];
