// What reading the settings of one object found: the bridge between a rule and its diagnostic.
//
// A finding keeps the problem apart from its consequence, because the verdict on an Ingress lists problems only.

import type { Diagnostic, Severity } from '../../objects/diagnostic.ts';
import { quoteShort } from '../../objects/host-name.ts';
import type { ObjectMeta } from '../../objects/types.ts';
import type { ValueType } from './record.ts';

/** What a finding does to the Ingress. */
export type Effect = 'none' | 'denyRoutes' | 'rejectIngress';

export interface Finding {
  readonly severity: Severity;
  /** As in `Diagnostic`. */
  readonly reason: string;
  /** As in `Diagnostic`. */
  readonly field: string;
  /** What is wrong, as one clause. */
  readonly problem: string;
  /** What happens to traffic, as one clause; '' when the problem says it already. */
  readonly consequence: string;
  readonly effect: Effect;
}

/** Consequences that several rules share. */
export const DENIED = 'every path of this Ingress answers 503';
export const REJECTED = 'the whole Ingress is not loaded (an edited one keeps serving its last accepted version)';

/** Turns findings into diagnostics about one object. `source` stays null: only the snapshot knows the place. */
export function diagnosticsOf(
  findings: readonly Finding[],
  about: { readonly kind: string; readonly meta: ObjectMeta },
): Diagnostic[] {
  const object = { kind: about.kind, namespace: about.meta.namespace, name: about.meta.name };
  return findings.map(({ severity, reason, field, problem, consequence }) => ({
    severity,
    reason,
    object,
    field,
    message: consequence === '' ? problem : `${problem}; ${consequence}`,
    source: null,
  }));
}

/**
 * Quotes a value for a message: cut, escaped, and without what may be secret. Of a URL, the user information
 * (`//user:password@host`) and the query (`?token=`) are left out, even where they make the value invalid.
 */
export function quoteValue(value: string, type: ValueType<unknown>): string {
  if (type.sensitive === true) return '(value not shown)';
  const authority = value.indexOf('//');
  return quoteShort(authority === -1 ? value : withoutSecrets(value, authority + 2));
}

function withoutSecrets(url: string, authority: number): string {
  // The last "@" first: a password may hold a "?" as well, against the rules of URLs.
  const at = url.lastIndexOf('@');
  const open = at > authority ? `${url.slice(0, authority)}[redacted]${url.slice(at)}` : url;
  const query = open.indexOf('?', authority);
  return query === -1 ? open : `${open.slice(0, query)}?[redacted]`;
}
