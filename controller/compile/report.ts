// Making and finishing diagnostics of the compile passes.
//
// In: what a pass found about one object. Out: `Diagnostic` values; `finishDiagnostics` gives the one sorted list that
// leaves compile(). Passes leave `source` null: where an object stands is known to the snapshot only.

import {
  boundDiagnostic,
  compareDiagnostics,
  compareText,
  type Diagnostic,
  type Severity,
} from '../objects/diagnostic.ts';
import type { Snapshot } from '../objects/snapshot.ts';
import { type KubernetesObject, keyOf } from '../objects/types.ts';

/** Makes a diagnostic about one object. `field` is the path in it, '' for the whole; see `Diagnostic` for `message`. */
export function diagnose(
  severity: Severity,
  reason: string,
  about: Pick<KubernetesObject, 'kind' | 'meta'>,
  field: string,
  message: string,
): Diagnostic {
  const { namespace, name } = about.meta;
  return { severity, reason, object: { kind: about.kind, namespace, name }, field, message, source: null };
}

/** Names an object of the process options that may not exist, so that a diagnostic can be about it. */
export function absentObject(
  kind: 'ConfigMap' | 'Secret' | 'Service',
  key: string,
): Pick<KubernetesObject, 'kind' | 'meta'> {
  const slash = key.indexOf('/');
  const [namespace, name] = slash < 0 ? ['', key] : [key.slice(0, slash), key.slice(slash + 1)];
  return { kind, meta: { namespace, name, uid: '', creationTimestampMs: 0, annotations: {}, labels: {} } };
}

/**
 * Joins what compile found with what was `reported` of the same objects before (the snapshot's own diagnostics), adds
 * the place of each object in the manifest folder, cuts what is too long to be read (`boundDiagnostic`), sorts by `compareDiagnostics` and drops repetitions: equal problems
 * found by two passes are one problem. Works on all objects as on those of one alone.
 */
export function finishDiagnostics(
  reported: readonly Diagnostic[],
  found: readonly Diagnostic[],
  sources: Snapshot['sources'],
): Diagnostic[] {
  const located = [...reported, ...found].map((diagnostic) => locate(boundDiagnostic(diagnostic), sources));
  // Severity decides between equal ones, not the order of the passes that found them.
  located.sort((a, b) => compareDiagnostics(a, b) || compareText(a.severity, b.severity));
  return located.filter((diagnostic, i) => {
    const previous = located[i - 1];
    return previous === undefined || compareDiagnostics(previous, diagnostic) !== 0;
  });
}

function locate(diagnostic: Diagnostic, sources: Snapshot['sources']): Diagnostic {
  if (diagnostic.source !== null) return diagnostic;
  const source = sources.get(`${diagnostic.object.kind}/${keyOf(diagnostic.object)}`) ?? null;
  return source === null ? diagnostic : { ...diagnostic, source };
}
