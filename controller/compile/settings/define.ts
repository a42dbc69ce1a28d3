// Builds records from what is particular to each: families share the rest, and the diagnostics' logic (`shortfall`) is
// derived from `support` here, once, instead of being written in 136 places.

import type { Ingress } from '../../objects/types.ts';
import type {
  AnnotationRecord,
  ConfigMapRecord,
  OnInvalid,
  Risk,
  Scope,
  Support,
  ValueType,
  WhenUnsupported,
} from './record.ts';

/** What one annotation says about itself; see `AnnotationRecord` for the meaning of each. */
export interface AnnotationSpec<T> {
  readonly name: string;
  readonly type: ValueType<T>;
  readonly risk: Risk;
  readonly doc: string;
  /** Default `[]`. */
  readonly aliases?: readonly string[];
  /** Default null. */
  readonly validate?: ((text: string) => string | null) | null;
  /** Default null: off. */
  readonly default?: T | null;
  /** Default null. */
  readonly globalKey?: string | null;
  /** Default: the family's. */
  readonly scope?: Scope;
  /** Default `useDefault`. */
  readonly onInvalid?: OnInvalid;
  /** Default: the same as `onInvalid`. */
  readonly onUnparsable?: OnInvalid;
  /** Default: the family's, else `[]`. */
  readonly dependsOn?: readonly string[];
  /** Default: the family's. */
  readonly support?: Support;
  /** Default: the family's, else `warn`. */
  readonly whenUnsupported?: WhenUnsupported;
  /** Values that ask for nothing Sluice does not do anyway, besides the default: they give no diagnostic. */
  readonly inert?: readonly NoInfer<T>[];
  /** For `partial`: what of this value is not carried out. Replaces the rule derived from `support`. */
  readonly shortfall?: (value: NoInfer<T>, ingress: Ingress) => string | null;
  /** Default: the family's, else ''. */
  readonly note?: string;
}

/** What the annotations of one family have in common. */
export interface AnnotationFamily {
  readonly group: string;
  readonly scope: Scope;
  readonly support: Support;
  readonly whenUnsupported?: WhenUnsupported;
  readonly dependsOn?: readonly string[];
  readonly note?: string;
}

/** Gives the record builder of a family. */
export function annotationFamily(family: AnnotationFamily): <T>(spec: AnnotationSpec<T>) => AnnotationRecord<T> {
  return (spec) => defineAnnotation(family, spec);
}

function defineAnnotation<T>(family: AnnotationFamily, spec: AnnotationSpec<T>): AnnotationRecord<T> {
  const support = spec.support ?? family.support;
  const onInvalid = spec.onInvalid ?? 'useDefault';
  const fallback = spec.default ?? null;
  const note = support === 'full' ? (spec.note ?? '') : (spec.note ?? family.note ?? '');
  return {
    name: spec.name,
    aliases: spec.aliases ?? [],
    group: family.group,
    type: spec.type,
    validate: spec.validate ?? null,
    default: fallback,
    globalKey: spec.globalKey ?? null,
    scope: spec.scope ?? family.scope,
    risk: spec.risk,
    onInvalid,
    onUnparsable: spec.onUnparsable ?? onInvalid,
    dependsOn: spec.dependsOn ?? family.dependsOn ?? [],
    support,
    whenUnsupported: spec.whenUnsupported ?? family.whenUnsupported ?? 'warn',
    shortfall: spec.shortfall ?? shortfallRule(support, [...(spec.inert ?? []), fallback], note),
    doc: spec.doc,
    note,
  };
}

/** What one ConfigMap key says about itself; see `ConfigMapRecord`. */
export interface ConfigMapSpec<T> {
  readonly key: string;
  readonly type: ValueType<T>;
  readonly default: NoInfer<T>;
  readonly doc: string;
  /** Default: `default`. */
  readonly whenInvalid?: NoInfer<T>;
  /** Default: the family's. */
  readonly support?: Support;
  /** Default `warn`. */
  readonly whenUnsupported?: WhenUnsupported;
  /** As in `AnnotationSpec`. */
  readonly inert?: readonly NoInfer<T>[];
  readonly shortfall?: (value: NoInfer<T>) => string | null;
  /** Default: the family's, else ''. */
  readonly note?: string;
}

/** What the keys of one family have in common. */
export interface ConfigMapFamily {
  readonly group: string;
  readonly support: Support;
  readonly note?: string;
}

/** Gives the record builder of a family. */
export function configMapFamily(family: ConfigMapFamily): <T>(spec: ConfigMapSpec<T>) => ConfigMapRecord<T> {
  return (spec) => defineConfigMapKey(family, spec);
}

function defineConfigMapKey<T>(family: ConfigMapFamily, spec: ConfigMapSpec<T>): ConfigMapRecord<T> {
  const support = spec.support ?? family.support;
  const note = support === 'full' ? (spec.note ?? '') : (spec.note ?? family.note ?? '');
  return {
    key: spec.key,
    group: family.group,
    type: spec.type,
    default: spec.default,
    whenInvalid: spec.whenInvalid === undefined ? spec.default : spec.whenInvalid,
    support,
    whenUnsupported: spec.whenUnsupported ?? 'warn',
    shortfall: spec.shortfall ?? shortfallRule(support, [...(spec.inert ?? []), spec.default], note),
    doc: spec.doc,
    note,
  };
}

/** `full` misses nothing; of the others, a value that asks for nothing misses nothing, and any other all of it. */
function shortfallRule<T>(support: Support, inert: readonly T[], note: string): (value: T) => string | null {
  if (support === 'full') return () => null;
  return (value) => (inert.some((candidate) => isEqualValue(candidate, value)) ? null : note);
}

/** Values are JSON values, lists of them included: equal text is equality. */
export function isEqualValue(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
