// Annotations about logs and traces. Annotation reference section 16.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { bool, textNamed } from './types.ts';
import { operationName } from './validators.ts';

const observability = annotationFamily({ group: 'Observability', scope: 'path', support: 'notYet' });

/** Access log of these paths. It cannot turn a log on that the ConfigMap turned off, as in ingress-nginx. */
export const enableAccessLog: AnnotationRecord<boolean> = observability({
  name: 'enable-access-log',
  type: bool,
  default: true,
  risk: 'Low',
  support: 'full',
  doc: 'False leaves requests of this Ingress out of the access log.',
});

/** Log of rewrite decisions. */
export const enableRewriteLog: AnnotationRecord<boolean> = observability({
  name: 'enable-rewrite-log',
  type: bool,
  default: false,
  risk: 'Low',
  support: 'noEffect',
  doc: "Log of nginx's rewrite decisions.",
  note: 'there is no nginx rewrite engine',
});

const tracing = annotationFamily({
  group: 'Tracing',
  scope: 'path',
  support: 'notYet',
  note: 'no spans are recorded; requests are served as usual',
});

/** Traces of these paths. */
export const enableOpentelemetry: AnnotationRecord<boolean> = tracing({
  name: 'enable-opentelemetry',
  type: bool,
  inert: [false],
  globalKey: 'enable-opentelemetry',
  risk: 'Low',
  onInvalid: 'ignoreGroup',
  doc: 'Records a span for each request.',
});

/** Whether the trace of the client goes on. */
export const opentelemetryTrustIncomingSpan: AnnotationRecord<boolean> = tracing({
  name: 'opentelemetry-trust-incoming-span',
  type: bool,
  default: true,
  globalKey: 'opentelemetry-trust-incoming-span',
  risk: 'Low',
  dependsOn: ['enable-opentelemetry'],
  doc: 'Whether spans continue the trace that the client names.',
});

/** Name of the spans. */
export const opentelemetryOperationName: AnnotationRecord<string> = tracing({
  name: 'opentelemetry-operation-name',
  type: textNamed('name'),
  validate: operationName,
  globalKey: 'opentelemetry-operation-name',
  risk: 'Medium',
  onInvalid: 'rejectIngress',
  dependsOn: ['enable-opentelemetry'],
  doc: 'Name of the spans.',
});

/** All of this file, in the order of the reference. */
export const observabilityAnnotations: readonly AnnotationRecord<unknown>[] = [
  enableAccessLog,
  enableRewriteLog,
  enableOpentelemetry,
  opentelemetryTrustIncomingSpan,
  opentelemetryOperationName,
];
