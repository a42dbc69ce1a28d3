// Annotations of canary Ingresses: a second set of endpoints for part of the requests of another Ingress. Annotation
// reference section 5. Canaries are compiled into the routes that they join.

import { parsePattern } from '#proxy/table/pattern.ts';
import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { bool, integer, textNamed } from './types.ts';
import { basicChars, regexChars } from './validators.ts';

const canaries = annotationFamily({
  group: 'Canary',
  scope: 'path',
  support: 'full',
  dependsOn: ['canary'],
});

/** True: the Ingress makes no host and no route of its own. compile() asks for this value. */
export const canary: AnnotationRecord<boolean> = canaries({
  name: 'canary',
  type: bool,
  default: false,
  risk: 'Low',
  dependsOn: [],
  doc: 'Merges this Ingress into the one with the same host and path; part of its requests go to the Service of this one.',
});

/** Header that decides. */
export const canaryByHeader: AnnotationRecord<string> = canaries({
  name: 'canary-by-header',
  type: textNamed('header name'),
  validate: basicChars,
  risk: 'Medium',
  doc: 'Header whose value `always` or `never` decides for or against the canary.',
});

/** Value of that header. */
export const canaryByHeaderValue: AnnotationRecord<string> = canaries({
  name: 'canary-by-header-value',
  type: textNamed('text'),
  validate: basicChars,
  risk: 'Medium',
  doc: 'Value of the header of `canary-by-header` that chooses the canary.',
});

/** Expression over that header. */
export const canaryByHeaderPattern: AnnotationRecord<string> = canaries({
  name: 'canary-by-header-pattern',
  type: textNamed('regular expression'),
  validate: regexChars,
  risk: 'Medium',
  support: 'partial',
  shortfall: patternShortfall,
  doc: 'Regular expression over the header of `canary-by-header`; unused when a value is given.',
  note: 'look-around and back-references are refused: requests with the header go to the primary Ingress',
});

/** An expression that needs back-tracking is never run: see proxy/table/pattern.ts. */
function patternShortfall(pattern: string): string | null {
  const parsed = parsePattern(pattern);
  return parsed.ok ? null : `it ${parsed.why}; requests with the header go to the primary Ingress`;
}

/** Cookie that decides. */
export const canaryByCookie: AnnotationRecord<string> = canaries({
  name: 'canary-by-cookie',
  type: textNamed('cookie name'),
  validate: basicChars,
  risk: 'Medium',
  doc: 'Cookie whose value `always` or `never` decides for or against the canary.',
});

/** Share of the canary. */
export const canaryWeight: AnnotationRecord<number> = canaries({
  name: 'canary-weight',
  type: integer,
  default: 0,
  risk: 'Low',
  doc: 'Share of the requests that go to the canary, out of `canary-weight-total`.',
});

/** What the share is out of. */
export const canaryWeightTotal: AnnotationRecord<number> = canaries({
  name: 'canary-weight-total',
  type: integer,
  default: 100,
  risk: 'Low',
  doc: 'What `canary-weight` is out of; less than 100 counts as 100.',
});

/** All of this family, in the order of the reference. */
export const canaryAnnotations: readonly AnnotationRecord<unknown>[] = [
  canary,
  canaryByHeader,
  canaryByHeaderValue,
  canaryByHeaderPattern,
  canaryByCookie,
  canaryWeight,
  canaryWeightTotal,
];
