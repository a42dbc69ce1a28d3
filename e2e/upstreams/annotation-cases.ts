// What an annotation is tested with: cases as tables, one row for each value.

import type { Site, Surroundings } from './site.ts';

/** Asks a site and looks at what comes back. */
export type Check = (site: Site) => Promise<void>;

/**
 * What an invalid value does. `rejected`: the Ingress is not loaded, its host answers 404. Otherwise the diagnostic's
 * text of the value that holds in its place.
 */
export type Outcome = 'rejected' | { readonly holds: string };

/** An accepted value, what it does, and what is about this case besides. */
export type ValueCase = readonly [value: string, check: Check, surroundings?: Surroundings];

export interface AnnotationCases extends Surroundings {
  /** What holds without the annotation; where an invalid value falls back, it must hold for that as well. */
  readonly absent: Check;
  readonly values: readonly ValueCase[];
  /** Refused values with what the diagnostic says of them behind the quoted value. */
  readonly invalid: readonly (readonly [value: string, why: string, outcome?: Outcome])[];
  /** Of invalid values, unless they say otherwise. */
  readonly whenInvalid: Outcome;
}

/** By name, Sluice's own as `sluice/<name>`. */
export type CaseTable = Readonly<Record<string, AnnotationCases>>;
