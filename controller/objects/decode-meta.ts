// Decodes `metadata` and the string maps of Kubernetes objects (annotations, labels, ConfigMap data).
//
// In: raw JSON. Out: ObjectMeta with every default written in, or null when the object has no usable name. Names are
// checked as the API server checks them: a `/` in a name would let one object take the key of another.

import { z } from 'zod';
import { type DecodeReport, isRecord, showValue } from './decode-report.ts';
import { noStrings } from './kept-list.ts';
import type { ObjectMeta } from './types.ts';

/** How objects of a kind are named. */
export interface NameRules {
  readonly isNamespaced: boolean;
  /** Says why a name is not allowed for this kind, or null when it is. */
  readonly whyNotName: (name: string) => string | null;
  readonly whyNotNamespace: (namespace: string) => string | null;
}

const metaShape = z.object({
  name: z.string(),
  namespace: z.string().nullish(),
  uid: z.string().nullish(),
  creationTimestamp: z.unknown().optional(),
  annotations: z.unknown().optional(),
  labels: z.unknown().optional(),
});

/**
 * Decodes `ObjectMeta`. `namespace` defaults to `default` for namespaced kinds and is dropped for cluster-scoped ones, as
 * kubectl does. `creationTimestamp` is 0 when absent, so that all objects of a folder tie when the oldest must win.
 * @param effect What happens to traffic when the whole object is refused.
 */
export function decodeMeta(raw: unknown, rules: NameRules, effect: string, report: DecodeReport): ObjectMeta | null {
  const meta = report.shape(metaShape, raw ?? {}, 'metadata', effect);
  if (meta === null) return null;
  const namespace = rules.isNamespaced ? meta.namespace || 'default' : '';
  const whyNotName = rules.whyNotName(meta.name);
  const whyNotNamespace = rules.isNamespaced ? rules.whyNotNamespace(namespace) : null;
  if (whyNotName !== null) report.invalid('metadata.name', meta.name, whyNotName, effect);
  if (whyNotNamespace !== null) report.invalid('metadata.namespace', namespace, whyNotNamespace, effect);
  const annotations = decodeAnnotations(meta.annotations, effect, report);
  if (whyNotName !== null || whyNotNamespace !== null || annotations === null) return null;
  return {
    namespace,
    name: meta.name,
    uid: meta.uid ?? '',
    creationTimestampMs: decodeTime(meta.creationTimestamp, report),
    annotations,
    labels: decodeStringMap(meta.labels, 'metadata.labels', 'it is ignored', report),
  };
}

/** `kubectl apply` keeps a whole copy of the object in it: for a Secret that is the key material, in the clear. */
const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';

/**
 * Decodes annotations. A value that is no text stays, as text that no setting accepts: dropping, say, an allow list that
 * was written as a YAML list would open what it protects. For the same reason annotations that are no map refuse the object.
 */
function decodeAnnotations(
  raw: unknown,
  effect: string,
  report: DecodeReport,
): Readonly<Record<string, string>> | null {
  const field = 'metadata.annotations';
  if (raw === undefined || raw === null) return noStrings;
  if (!isRecord(raw)) {
    report.invalid(field, raw, 'must be a map of strings', effect);
    return null;
  }
  const entries: [string, string][] = [];
  for (const [key, value] of Object.entries(raw)) {
    if (key === lastAppliedAnnotation) continue;
    const text = decodeText(value, `${field}[${key}]`, 'it counts as set to an invalid value', report);
    entries.push([key, text ?? showValue(value)]);
  }
  return Object.fromEntries(entries);
}

function decodeTime(raw: unknown, report: DecodeReport): number {
  // Generators print `creationTimestamp: null` for objects that were never created.
  if (raw === undefined || raw === null) return 0;
  const time = typeof raw === 'string' ? Date.parse(raw) : Number.NaN;
  if (Number.isFinite(time)) return time;
  const what = `metadata.creationTimestamp ${showValue(raw)} is not a time as in "2026-01-31T09:30:00Z"`;
  const effect = 'the object counts as the oldest when two claim the same path';
  report.add('warning', 'InvalidField', 'metadata.creationTimestamp', what, effect);
  return 0;
}

/**
 * Decodes a map of strings. Unquoted `true` and `80` are read as text with a warning, though an API server refuses them.
 * Other values are reported and dropped.
 * @param effect What the loss of one entry means.
 */
export function decodeStringMap(
  raw: unknown,
  field: string,
  effect: string,
  report: DecodeReport,
): Readonly<Record<string, string>> {
  if (raw === undefined || raw === null) return noStrings;
  if (!isRecord(raw)) {
    report.invalid(field, raw, 'must be a map of strings', effect);
    return {};
  }
  const entries: [string, string][] = [];
  for (const [key, value] of Object.entries(raw)) {
    const text = decodeText(value, `${field}[${key}]`, effect, report);
    if (text !== null) entries.push([key, text]);
  }
  // Not by assignment: a key `__proto__` must become an entry, never the prototype.
  return Object.fromEntries(entries);
}

function decodeText(value: unknown, field: string, effect: string, report: DecodeReport): string | null {
  if (typeof value === 'string') return value;
  // As the API server reads a null in a map of strings.
  if (value === null) return '';
  if (typeof value !== 'boolean' && typeof value !== 'number') {
    report.invalid(field, value, 'must be a string', effect);
    return null;
  }
  const what = report.display === 'hidden' ? `${field} is not quoted` : `${field} ${value} is not quoted`;
  report.add('warning', 'UnquotedValue', field, what, 'it is read as text, but an API server refuses the object');
  return String(value);
}
