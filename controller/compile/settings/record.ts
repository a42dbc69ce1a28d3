// Settings are data: one record per annotation and per ConfigMap key. Parsing, defaults, diagnostics, `sluice
// annotations`, docs/annotations.md and docs/settings.md all read the same records.

import type { Ingress } from '../../objects/types.ts';

/** Result of parsing one value. `why` completes the sentence "value "x" ...", e.g. `is not a whole number`. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string };

/**
 * Which values there are, for programs: tests try each word and both ends of the numbers. `bool` and `words`: these, `many`
 * of them at a time or one. `numbers`: whole ones or decimals, null where nothing bounds them. `times`: with or without none.
 */
export type ValueRange =
  | { readonly kind: 'bool' }
  | { readonly kind: 'words'; readonly words: readonly string[]; readonly many: boolean }
  | { readonly kind: 'numbers'; readonly isWhole: boolean; readonly min: number | null; readonly max: number | null }
  | { readonly kind: 'times'; readonly hasNone: boolean };

/** How text becomes a value. One per kind of value, shared by many records (`types.ts`). */
export interface ValueType<T> {
  /** For documentation, e.g. `bool`, `seconds`, `size`, `comma list of CIDR`. */
  readonly describe: string;
  /** Left out: text of some form. */
  readonly range?: ValueRange;
  /** Type parsing: always on. Gets the text as written; types that ignore outer white space trim it themselves. */
  readonly parse: (text: string) => Parsed<T>;
  /** True for text that may hold secrets (snippets, keys): diagnostics then never quote it. Default false. */
  readonly sensitive?: boolean;
  /** Text of a value for documentation and messages, where `String()` reads badly. A method, as `shortfall` below. */
  render?(value: T): string;
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
 * path of the Ingress answers 503. `useDefault`: the default or global value holds. `useBuiltIn`: the record's own
 * default holds, even where the ConfigMap says otherwise. `ignoreGroup`: as if the whole annotation family were absent -
 * except where that would fail open (authentication), which is `denyRoutes` here.
 */
export type OnInvalid = 'rejectIngress' | 'denyRoutes' | 'useDefault' | 'useBuiltIn' | 'ignoreGroup';

/**
 * What happens when a setting asks for something Sluice does not carry out. `denyRoutes`: paths answer 503, because
 * serving them without the setting would open what it closes (authentication, address lists) or send requests to the
 * wrong place. `warn`: they are served without it, and a diagnostic says so.
 */
export type WhenUnsupported = 'warn' | 'denyRoutes';

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
  /** When `validate` refuses the text, or, without a validator, when `type` does. */
  readonly onInvalid: OnInvalid;
  /** When `validate` accepts the text but `type` does not. Mostly the same as `onInvalid`. */
  readonly onUnparsable: OnInvalid;
  /** Canonical names, one of which must be set and not false; else ingress-nginx does not read this one at all. */
  readonly dependsOn: readonly string[];
  readonly support: Support;
  readonly whenUnsupported: WhenUnsupported;
  /**
   * What of this value is not carried out, and what happens to traffic instead, as one clause; null when nothing is
   * missing. A method, so that a record of any type is also an `AnnotationRecord<unknown>`.
   */
  shortfall(value: T, ingress: Ingress): string | null;
  /** One or two sentences for users: what it does. */
  readonly doc: string;
  /** What differs or is missing and what happens to traffic, for every support but `full`; '' otherwise. */
  readonly note: string;
}

export interface ConfigMapRecord<T> {
  readonly key: string;
  readonly group: string;
  readonly type: ValueType<T>;
  readonly default: T;
  /** Value that holds when the text is invalid: the default, except where that would fail open. */
  readonly whenInvalid: T;
  readonly support: Support;
  /** `denyRoutes`: while the key asks for what is not carried out, or is invalid, all Ingresses' paths answer 503. */
  readonly whenUnsupported: WhenUnsupported;
  /** As in `AnnotationRecord`. */
  shortfall(value: T): string | null;
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
  /** By key, for annotation fallbacks; undefined when the key is unknown, invalid or not set in the ConfigMap. */
  valueOf(key: string): unknown;
  /** ConfigMap keys that close every Ingress, see `ConfigMapRecord.whenUnsupported`. Sorted by key. */
  readonly denials: readonly GlobalDenial[];
}

/** One ConfigMap key that closes routes. `reason` says why, as one clause without the consequence. */
export interface GlobalDenial {
  readonly key: string;
  readonly reason: string;
}
