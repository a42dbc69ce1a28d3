// Annotations of which each is valid, but not what they say together.

import type { Finding } from './finding.ts';
import { mirrorProblem } from './mirror-values.ts';
import { mirrorTarget } from './mirroring.ts';
import type { AnnotationRecord, AnnotationValues } from './record.ts';

interface Combination {
  /** The annotation that has no effect, and is named in the diagnostic. */
  readonly record: AnnotationRecord<unknown>;
  /** What is wrong, as the rest of a clause that begins with the annotation; null when all is well. */
  readonly problem: (values: AnnotationValues) => string | null;
}

const combinations: readonly Combination[] = [{ record: mirrorTarget, problem: mirrorProblem }];

/** A warning for each annotation that the others leave without effect. `fieldOf`: its path in the object. */
export function checkCombinations(
  values: AnnotationValues,
  fieldOf: (record: AnnotationRecord<unknown>) => string,
): Finding[] {
  return combinations.flatMap(({ record, problem }) => {
    const wrong = values.isSet(record) ? problem(values) : null;
    if (wrong === null) return [];
    return {
      severity: 'warning',
      reason: 'AnnotationNoEffect',
      field: fieldOf(record),
      problem: `${record.name} ${wrong}`,
      consequence: 'requests are served without it',
      effect: 'none',
    };
  });
}
