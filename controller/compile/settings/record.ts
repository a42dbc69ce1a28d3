// Settings are data: one record per annotation and per ConfigMap key. Parsing, defaults, diagnostics, `sluice
// annotations`, docs/annotations.md and docs/settings.md all read the same records.

/** Result of parsing one value. `why` completes the sentence "value "x" ...", e.g. `is not a whole number`. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

/** How text becomes a value. One per kind of value, shared by many records (`types.ts`). */
export interface ValueType<T> {
  /** For documentation, e.g. `bool`, `seconds`, `size`, `comma list of CIDR`. */
  readonly describe: string;
  /** Type parsing: always on. */
  readonly parse: (text: string) => Parsed<T>;
}

/**
 * What Sluice does with the setting today.
 * `full`: as the reference says. `partial`: see `note`. `noEffect`: accepted on purpose, does nothing here (nginx
 * internals). `refused`: never carried out, for the reason in `note`. `notYet`: planned; using it gives a diagnostic.
 */
export type Support = 'full' | 'partial' | 'noEffect' | 'refused' | 'notYet';

export type Risk = 'Low' | 'Medium' | 'High' | 'Critical';

/** Where the value takes hold: this Ingress's paths, the whole host (first Ingress wins), or the upstream (oldest wins). */
export type Scope = 'path' | 'host' | 'service';

/**
 * What an invalid value does (codes D, X, F, I of the annotation reference).
 * `rejectIngress`: the whole Ingress is not loaded, an edited one keeps its last accepted version. `denyRoutes`: every
 * path of the Ingress answers 503. `useDefault`: the default or global value holds. `ignoreGroup`: as if the whole
 * annotation family were absent - except where that would fail open (authentication), which is `denyRoutes` here.
 */
export type OnInvalid = 'rejectIngress' | 'denyRoutes' | 'useDefault' | 'ignoreGroup';

export interface AnnotationRecord<T> {
  /** Suffix after the annotations prefix, e.g. `ssl-redirect`. */
  readonly name: string;
  /** Other suffixes, looked at only when the canonical one is empty or missing. */
  readonly aliases: readonly string[];
  /** Family: heading in the documentation, and the unit of `ignoreGroup`. */
  readonly group: string;
  readonly type: ValueType<T>;
  /** The validator that `--enable-annotation-validation` switches: a check of the text before parsing; null when the type is enough. */
  readonly validate: ((text: string) => string | null) | null;
  /** Value when neither the annotation nor the global key is set; null means off. */
  readonly default: T | null;
  /** ConfigMap key that gives the default; null when there is none. */
  readonly globalKey: string | null;
  readonly scope: Scope;
  readonly risk: Risk;
  readonly onInvalid: OnInvalid;
  readonly support: Support;
  /** One or two sentences for users: what it does. */
  readonly doc: string;
  /** What differs or is missing, for every support but `full`; '' otherwise. */
  readonly note: string;
}

export interface ConfigMapRecord<T> {
  readonly key: string;
  readonly group: string;
  readonly type: ValueType<T>;
  readonly default: T;
  readonly support: Support;
  readonly doc: string;
  readonly note: string;
}

/** Typed values of one parsed set. A record that was not set gives its default (for annotations: the global key first). */
export interface AnnotationValues {
  get<T>(record: AnnotationRecord<T>): T | null;
  /** True when the object itself carries the annotation with a valid value. */
  isSet(record: AnnotationRecord<unknown>): boolean;
}

export interface GlobalValues {
  get<T>(record: ConfigMapRecord<T>): T;
  /** By key, for annotation fallbacks; undefined when the key is unknown or not set in the ConfigMap. */
  valueOf(key: string): unknown;
}
