// Sluice's own annotations against overload: circuit breaking of an upstream, and bounds on further attempts.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { bool, integerFrom, timeFromOne } from './types.ts';

const breaking = annotationFamily({
  group: 'Circuit breaking (Sluice)',
  scope: 'service',
  support: 'full',
});
const BREAKERS = [
  'max-connections',
  'max-requests',
  'max-connections-per-endpoint',
  'max-requests-per-endpoint',
  'adaptive-concurrency',
];

function breaker(name: string, doc: string): AnnotationRecord<number> {
  return breaking({ name, type: integerFrom(0), default: 0, risk: 'Low', doc: `${doc}; \`0\` is no limit.` });
}

export const maxConnections = breaker(
  'max-connections',
  'Connections in use to all endpoints of the Service together, one for each request',
);
export const maxRequests = breaker('max-requests', 'Requests at one time to all endpoints of the Service together');
export const maxConnectionsPerEndpoint = breaker(
  'max-connections-per-endpoint',
  'Connections in use to each endpoint, one for each request',
);
export const maxRequestsPerEndpoint = breaker('max-requests-per-endpoint', 'Requests at one time to each endpoint');

export const maxPending: AnnotationRecord<number> = breaking({
  name: 'max-pending',
  type: integerFrom(0, 100_000),
  default: 100,
  risk: 'Low',
  dependsOn: BREAKERS,
  doc: 'Requests over a limit that may wait for a place; further ones are answered 503 with Retry-After.',
});

export const pendingTimeout: AnnotationRecord<number> = breaking({
  name: 'pending-timeout',
  type: timeFromOne,
  default: 1000,
  risk: 'Low',
  dependsOn: BREAKERS,
  doc: 'How long a request may wait for a place.',
});

export const retryAfter: AnnotationRecord<number> = breaking({
  name: 'retry-after',
  type: integerFrom(1, 86_400, 'seconds, 1 or more'),
  default: 1,
  risk: 'Low',
  dependsOn: BREAKERS,
  doc: 'Retry-After of those answers.',
});

/** A limit of requests that is found from response times. */
export const adaptiveConcurrency: AnnotationRecord<boolean> = breaking({
  name: 'adaptive-concurrency',
  type: bool,
  default: false,
  risk: 'Low',
  doc: 'Bounds the requests at one time by a limit that follows the response times of the Service.',
});

const adaptive = { risk: 'Low', dependsOn: ['adaptive-concurrency'] } as const;

export const adaptiveMin: AnnotationRecord<number> = breaking({
  ...adaptive,
  name: 'adaptive-concurrency-min',
  type: integerFrom(1, 100_000),
  default: 5,
  doc: 'The lowest limit that is set.',
});

export const adaptiveMax: AnnotationRecord<number> = breaking({
  ...adaptive,
  name: 'adaptive-concurrency-max',
  type: integerFrom(1, 100_000),
  default: 1000,
  doc: 'The highest limit that is set; at least the lowest.',
});

/** Percent. */
export const adaptiveTolerance: AnnotationRecord<number> = breaking({
  ...adaptive,
  name: 'adaptive-concurrency-tolerance',
  type: integerFrom(5, 1000, 'percent, 5 to 1000'),
  default: 50,
  doc: 'By how much responses may be slower than with few requests before the limit falls.',
});

/** Milliseconds. */
export const adaptiveInterval: AnnotationRecord<number> = breaking({
  ...adaptive,
  name: 'adaptive-concurrency-interval',
  type: timeFromOne,
  default: 60_000,
  doc: 'How often response times with few requests are measured, `1s` at least; the limit is halved for this moment.',
});

const attempts = annotationFamily({ group: 'Further attempts (Sluice)', scope: 'path', support: 'full' });

/** Milliseconds. */
export const perTryTimeout: AnnotationRecord<number> = attempts({
  name: 'per-try-timeout',
  type: timeFromOne,
  risk: 'Low',
  doc: 'Time from the start of an attempt to the head of its response; beyond it the next endpoint is tried.',
});

/** Percent. */
export const retryBudget: AnnotationRecord<number> = attempts({
  name: 'retry-budget',
  type: integerFrom(0, 100, 'percent, 0 to 100'),
  risk: 'Low',
  doc: 'Percent of the recent requests of a path that may be further attempts, so that retries do not become a storm.',
});

export const retryBudgetMin: AnnotationRecord<number> = attempts({
  name: 'retry-budget-min',
  type: integerFrom(0, 100_000),
  default: 10,
  risk: 'Low',
  dependsOn: ['retry-budget'],
  doc: 'Further attempts per second that `retry-budget` always allows.',
});

/** Milliseconds. */
export const hedgeAfter: AnnotationRecord<number> = attempts({
  name: 'hedge-after',
  type: timeFromOne,
  risk: 'Medium',
  doc: 'Sends an idempotent request to a second endpoint as well when the first has not answered within this time.',
});

/** Percent. */
export const hedgeBudget: AnnotationRecord<number> = attempts({
  name: 'hedge-budget',
  type: integerFrom(0, 100, 'percent, 0 to 100'),
  default: 10,
  risk: 'Low',
  dependsOn: ['hedge-after'],
  doc: 'Percent of the recent requests of a path that `hedge-after` may send twice.',
});

export const hedgeBudgetMin: AnnotationRecord<number> = attempts({
  name: 'hedge-budget-min',
  type: integerFrom(0, 100_000),
  default: 10,
  risk: 'Low',
  dependsOn: ['hedge-after'],
  doc: 'Requests per second that `hedge-after` may send twice whatever `hedge-budget` says.',
});

/** All of this file. */
export const ownOverloadAnnotations: readonly AnnotationRecord<unknown>[] = [
  maxConnections,
  maxRequests,
  maxConnectionsPerEndpoint,
  maxRequestsPerEndpoint,
  maxPending,
  pendingTimeout,
  retryAfter,
  adaptiveConcurrency,
  adaptiveMin,
  adaptiveMax,
  adaptiveTolerance,
  adaptiveInterval,
  perTryTimeout,
  retryBudget,
  retryBudgetMin,
  hedgeAfter,
  hedgeBudget,
  hedgeBudgetMin,
];
