// Annotations that replace error answers and set response headers. Annotation reference section 14.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { bool, statusList, textNamed } from './types.ts';
import { basicChars } from './validators.ts';

const errors = annotationFamily({ group: 'Errors and headers', scope: 'path', support: 'notYet' });

/** Statuses that another Service answers. */
export const customHttpErrors: AnnotationRecord<readonly number[]> = errors({
  name: 'custom-http-errors',
  type: statusList(400, 599),
  globalKey: 'custom-http-errors',
  risk: 'Low',
  onInvalid: 'rejectIngress',
  doc: 'Statuses whose answers the `default-backend` Service writes.',
  note: 'error answers of the Service reach the client unchanged',
});

/** Leaves the answers of the upstream alone. */
export const disableProxyInterceptErrors: AnnotationRecord<boolean> = errors({
  name: 'disable-proxy-intercept-errors',
  type: bool,
  default: false,
  inert: [true],
  globalKey: 'disable-proxy-intercept-errors',
  risk: 'Low',
  doc: 'Leaves error answers of the Service alone, despite `custom-http-errors`.',
  note: 'no answers are replaced, whatever is set here',
});

/** Response headers from a ConfigMap. */
export const customHeaders: AnnotationRecord<string> = errors({
  name: 'custom-headers',
  type: textNamed('`namespace/name` of a ConfigMap'),
  validate: basicChars,
  risk: 'Medium',
  doc: 'ConfigMap with response headers to set.',
  note: 'the headers are not added to responses',
});

/** All of this family, in the order of the reference. */
export const errorAnnotations: readonly AnnotationRecord<unknown>[] = [
  customHttpErrors,
  disableProxyInterceptErrors,
  customHeaders,
];
