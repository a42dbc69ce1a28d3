// Sluice's own annotations about the health of endpoints: what requests show (passive), what probes show (active), and
// the slow start of new ones. ingress-nginx has none of it.

import { defaultOutliers } from '#proxy/table/defaults.ts';
import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import {
  decimalFrom,
  integerFrom,
  nginxTime,
  type OnOff,
  oneOf,
  onOff,
  type StatusRange,
  statusRange,
  textNamed,
  timeFromOne,
} from './types.ts';
import { basicChars, hostName, probePath } from './validators.ts';

const passive = annotationFamily({
  group: 'Passive health (Sluice)',
  scope: 'service',
  support: 'full',
});
const percent = integerFrom(0, 100, 'percent, 0 to 100');

/** The switch of all passive health. */
export const passiveHealth: AnnotationRecord<OnOff> = passive({
  name: 'passive-health',
  type: onOff,
  default: 'on',
  inert: ['off'],
  risk: 'Low',
  doc: 'Leaves endpoints out for a while that answer badly. When all are out, all are used.',
});

export const passiveErrors: AnnotationRecord<number> = passive({
  name: 'passive-health-errors',
  type: integerFrom(0, 1000),
  default: defaultOutliers.consecutiveErrors ?? 0,
  risk: 'Low',
  doc: 'Failed attempts in a row after which an endpoint is left out; `0` is never.',
});

export const passiveErrorRate: AnnotationRecord<number> = passive({
  name: 'passive-health-error-rate',
  type: percent,
  default: defaultOutliers.errorRatePercent ?? 0,
  risk: 'Low',
  doc: 'Percent of failed attempts in a window from which an endpoint is left out; `0` is never.',
});

export const passiveLatencyFactor: AnnotationRecord<number> = passive({
  name: 'passive-health-latency-factor',
  type: decimalFrom(1.1, 1000),
  risk: 'Low',
  doc: 'An endpoint whose mean latency is above this many times the median of all is left out.',
});

export const passiveWindow: AnnotationRecord<number> = passive({
  name: 'passive-health-window',
  type: timeFromOne,
  default: defaultOutliers.windowMs,
  risk: 'Low',
  doc: 'Window of the error rate and the latency.',
});

export const passiveMinRequests: AnnotationRecord<number> = passive({
  name: 'passive-health-min-requests',
  type: integerFrom(1),
  default: defaultOutliers.minRequests,
  risk: 'Low',
  doc: 'Attempts in a window below which error rate and latency say nothing.',
});

export const passiveEjection: AnnotationRecord<number> = passive({
  name: 'passive-health-ejection',
  type: timeFromOne,
  default: defaultOutliers.ejectionMs,
  risk: 'Low',
  doc: 'How long an endpoint is left out first; each further time in a row lasts longer.',
});

export const passiveMaxEjection: AnnotationRecord<number> = passive({
  name: 'passive-health-max-ejection',
  type: timeFromOne,
  default: defaultOutliers.maxEjectionMs,
  risk: 'Low',
  doc: 'Longest time that an endpoint is left out.',
});

export const passiveMaxEjected: AnnotationRecord<number> = passive({
  name: 'passive-health-max-ejected',
  type: percent,
  default: defaultOutliers.maxEjectedPercent,
  risk: 'Low',
  doc: 'Percent of the endpoints that may be left out at one time; one always stays.',
});

const active = annotationFamily({
  group: 'Active checks (Sluice)',
  scope: 'service',
  support: 'full',
  dependsOn: ['active-check'],
});

/** The switch of all active checks. */
export const activeCheck: AnnotationRecord<'off' | 'http' | 'tcp' | 'grpc'> = active({
  name: 'active-check',
  type: oneOf(['off', 'http', 'tcp', 'grpc']),
  default: 'off',
  risk: 'Low',
  dependsOn: [],
  doc: 'Probes every endpoint: `http` asks for a path, `tcp` connects, `grpc` asks grpc.health.v1. Over TLS with `backend-protocol` HTTPS or GRPCS, unless `active-check-port` is set.',
});

export const activePath: AnnotationRecord<string> = active({
  name: 'active-check-path',
  type: textNamed('path'),
  validate: probePath,
  default: '/',
  risk: 'Low',
  doc: 'Path of an `http` probe.',
});

export const activeHost: AnnotationRecord<string> = active({
  name: 'active-check-host',
  type: textNamed('host name'),
  validate: hostName,
  risk: 'Low',
  doc: 'Host header of an `http` probe; by default address and port of the endpoint.',
});

export const activeStatus: AnnotationRecord<StatusRange> = active({
  name: 'active-check-status',
  type: statusRange,
  default: { min: 200, max: 399 },
  risk: 'Low',
  doc: 'Statuses of an `http` probe that are good.',
});

export const activeService: AnnotationRecord<string> = active({
  name: 'active-check-grpc-service',
  type: textNamed('gRPC service name'),
  validate: basicChars,
  risk: 'Low',
  doc: 'Service that a `grpc` probe asks for; by default the server as a whole.',
});

export const activePort: AnnotationRecord<number> = active({
  name: 'active-check-port',
  type: integerFrom(1, 65_535, 'port'),
  risk: 'Low',
  doc: 'Port of the probes; by default that of the endpoint.',
});

export const activeInterval: AnnotationRecord<number> = active({
  name: 'active-check-interval',
  type: timeFromOne,
  default: 10_000,
  risk: 'Low',
  doc: 'Time between two probes of an endpoint.',
});

export const activeTimeout: AnnotationRecord<number> = active({
  name: 'active-check-timeout',
  type: timeFromOne,
  default: 2000,
  risk: 'Low',
  doc: 'Time in which a probe must succeed, at most `1m`: all probes share `--max-active-checks` places.',
});

export const activeHealthy: AnnotationRecord<number> = active({
  name: 'active-check-healthy',
  type: integerFrom(1, 100),
  default: 2,
  risk: 'Low',
  doc: 'Good probes in a row after which an endpoint is used again.',
});

export const activeUnhealthy: AnnotationRecord<number> = active({
  name: 'active-check-unhealthy',
  type: integerFrom(1, 100),
  default: 3,
  risk: 'Low',
  doc: 'Bad probes in a row after which an endpoint is not used.',
});

/** Milliseconds; 0 is off. */
export const slowStart: AnnotationRecord<number> = annotationFamily({
  group: 'Slow start (Sluice)',
  scope: 'service',
  support: 'full',
})({
  name: 'slow-start',
  type: nginxTime,
  default: 0,
  risk: 'Low',
  doc: 'Time in which a new endpoint comes to its full share of the requests; `0` is at once.',
});

/** Any of them turns the passive health check from its default to these values. */
export const passiveTuningAnnotations: readonly AnnotationRecord<unknown>[] = [
  passiveErrors,
  passiveErrorRate,
  passiveLatencyFactor,
  passiveWindow,
  passiveMinRequests,
  passiveEjection,
  passiveMaxEjection,
  passiveMaxEjected,
];

/** All of this file. */
export const ownHealthAnnotations: readonly AnnotationRecord<unknown>[] = [
  passiveHealth,
  ...passiveTuningAnnotations,
  activeCheck,
  activePath,
  activeHost,
  activeStatus,
  activeService,
  activePort,
  activeInterval,
  activeTimeout,
  activeHealthy,
  activeUnhealthy,
  slowStart,
];
