// The rules that look at all annotations of an Ingress before any value is read: risk, blocked words, prefixes, names.
// Annotation reference section 0.

import { quoteShort } from '../../objects/host-name.ts';
import type { Ingress } from '../../objects/types.ts';
import {
  type AnnotationsByName,
  annotationsByName,
  DEFAULT_PREFIX,
  OWN_PREFIX,
  ownAnnotationsByName,
} from './annotations.ts';
import { annotationsRiskLevel, annotationValueWordBlocklist } from './configmap-security.ts';
import { type Finding, REJECTED } from './finding.ts';
import type { GlobalValues } from './record.ts';
import { nearestName } from './suggest.ts';
import { RISK_LEVELS } from './types.ts';
import { findUnread } from './unknown-annotations.ts';

/** Annotations of one Ingress under one prefix, and the records that this prefix has. */
export interface PrefixedAnnotations {
  readonly prefix: string;
  /** Name without prefix to text. Sorted by name. */
  readonly texts: ReadonlyMap<string, string>;
  readonly records: AnnotationsByName;
}

/** Path of an annotation in its object. */
export function fieldOf(prefix: string, name: string): string {
  return `metadata.annotations[${prefix}/${name}]`;
}

/** The full key of the annotation that a field made by `fieldOf` names; null for other fields. */
export function annotationKeyOf(field: string): string | null {
  return /^metadata\.annotations\[(.*)\]$/s.exec(field)?.[1] ?? null;
}

/** Rejects the Ingress when an annotation, canonical or alias, is riskier than `annotations-risk-level` allows. */
export function checkRisk({ prefix, texts, records }: PrefixedAnnotations, global: GlobalValues): Finding[] {
  const level = global.get(annotationsRiskLevel);
  const highest = RISK_LEVELS.indexOf(level);
  return [...texts.keys()].flatMap((name) => {
    const record = records.get(name);
    if (record === undefined || RISK_LEVELS.indexOf(record.risk) <= highest) return [];
    const problem = `${name} has risk ${record.risk}, and ConfigMap annotations-risk-level accepts at most ${level}`;
    return [rejection('AnnotationTooRisky', fieldOf(prefix, name), problem)];
  });
}

/** Rejects the Ingress when a value contains a word of `annotation-value-word-blocklist`. */
export function checkWords({ prefix, texts }: PrefixedAnnotations, global: GlobalValues): Finding[] {
  const words = global.get(annotationValueWordBlocklist);
  return [...texts].flatMap(([name, text]) => {
    const word = words.find((candidate) => text.includes(candidate));
    if (word === undefined) return [];
    const problem = `the value of ${name} contains ${quoteShort(word)}, which ConfigMap annotation-value-word-blocklist forbids`;
    return [rejection('AnnotationWordBlocked', fieldOf(prefix, name), problem)];
  });
}

function rejection(reason: string, field: string, problem: string): Finding {
  return { severity: 'error', reason, field, problem, consequence: REJECTED, effect: 'rejectIngress' };
}

/** Reports annotations under the default prefix beside a custom one. */
export function checkPrefixes(ingress: Ingress, prefix: string): Finding[] {
  const keys = Object.keys(ingress.meta.annotations);
  const foreign = prefix === DEFAULT_PREFIX ? [] : keys.filter((key) => key.startsWith(`${DEFAULT_PREFIX}/`));
  if (foreign.length === 0) return [];
  const problem = `${foreign.length} annotations have the prefix ${DEFAULT_PREFIX}, but the controller reads ${prefix}`;
  return [ineffective('AnnotationPrefixNotRead', 'metadata.annotations', problem)];
}

/** Reports names that no record has, with the setting that was probably meant. */
export function checkNames({ prefix, texts, records }: PrefixedAnnotations): Finding[] {
  return [...texts.keys()]
    .filter((name) => !records.has(name))
    .map((name) => ineffective('AnnotationUnknown', fieldOf(prefix, name), unknownName(name, records)));
}

function unknownName(name: string, records: AnnotationsByName): string {
  if (records === ownAnnotationsByName && annotationsByName.has(name)) {
    return `annotation ${quoteShort(name)} is one of ingress-nginx and is not read under ${OWN_PREFIX}`;
  }
  const unread = findUnread(name);
  // A typing error of a real name may start like an unread one (`auth-tls-verify-clients`); an exact one is none.
  const near = unread?.match === 'exact' ? null : nearestName(name, records.keys());
  if (near !== null) return `annotation ${quoteShort(name)} is unknown (did you mean ${near}?)`;
  if (unread === null) return `annotation ${quoteShort(name)} is unknown`;
  const hint = unread.hint === '' ? '' : ` (${unread.hint})`;
  return `annotation ${quoteShort(name)} is not read by ingress-nginx v1.15 and not by Sluice${hint}`;
}

function ineffective(reason: string, field: string, problem: string): Finding {
  return { severity: 'warning', reason, field, problem, consequence: 'it has no effect', effect: 'none' };
}
