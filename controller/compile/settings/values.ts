// Typed access to parsed settings, with their fallbacks: annotation, then ConfigMap, then built-in default.

import type { AnnotationRecord, AnnotationValues, ConfigMapRecord, GlobalDenial, GlobalValues } from './record.ts';

/** Value of a record that has a default. Throws for one that has none: a mistake in the code, not in an Ingress. */
export function requiredValue<T>(record: AnnotationRecord<T>, values: AnnotationValues): T {
  const value = values.get(record);
  if (value === null) throw new Error(`annotation record ${record.name} has no default`);
  return value;
}

/** What parsing a ConfigMap gave. */
export interface ConfigMapReading {
  /** Valid values by key. */
  readonly valid: ReadonlyMap<string, unknown>;
  /** Keys whose text is invalid. */
  readonly invalid: ReadonlySet<string>;
  readonly denials: readonly GlobalDenial[];
}

/** Makes the view of a ConfigMap that all later passes read. */
export function globalValuesOf({ valid, invalid, denials }: ConfigMapReading): GlobalValues {
  return {
    get<T>(record: ConfigMapRecord<T>): T {
      // Keys are unique (a test says so), and only `record.type` makes the value stored under its key: it is a T.
      if (valid.has(record.key)) return valid.get(record.key) as T;
      return invalid.has(record.key) ? record.whenInvalid : record.default;
    },
    valueOf: (key) => valid.get(key),
    denials,
  };
}

/** What parsing the annotations of one Ingress gave. */
export interface AnnotationReading {
  /** Valid values by canonical name. */
  readonly valid: ReadonlyMap<string, unknown>;
  /** Canonical names whose invalid value leaves the built-in default, not the ConfigMap's. */
  readonly builtInOnly: ReadonlySet<string>;
}

/** Makes the view of an Ingress's annotations that all later passes read. */
export function annotationValuesOf({ valid, builtInOnly }: AnnotationReading, global: GlobalValues): AnnotationValues {
  return {
    get<T>(record: AnnotationRecord<T>): T | null {
      if (valid.has(record.name)) return valid.get(record.name) as T;
      if (record.globalKey === null || builtInOnly.has(record.name)) return record.default;
      // A test checks that every annotation and its global key hold values of one kind.
      const inherited = global.valueOf(record.globalKey) as T | null | undefined;
      return inherited ?? record.default;
    },
    isSet: (record) => valid.has(record.name),
  };
}
