// Reads the annotations of one Ingress: text in, typed values, a verdict on the Ingress and diagnostics out.
//
// Flow: gates over all annotations -> text to value per record -> what each invalid or unsupported value does -> verdict.
// Never throws, and depends on nothing but its arguments: the order of the annotations in the object does not matter.

import { compareText, type Diagnostic } from '../../objects/diagnostic.ts';
import type { Ingress } from '../../objects/types.ts';
import {
  checkNames,
  checkPrefixes,
  checkRisk,
  checkWords,
  fieldOf,
  type PrefixedAnnotations,
} from './annotation-gates.ts';
import { type AnnotationsByName, annotationsByName, OWN_PREFIX, ownAnnotationsByName } from './annotations.ts';
import { enableGlobalAuth } from './auth.ts';
import { checkCombinations } from './combinations.ts';
import { globalAuthUrl } from './configmap-auth.ts';
import { allowSnippetAnnotations } from './configmap-security.ts';
import { DENIED, diagnosticsOf, type Effect, type Finding, quoteValue, REJECTED } from './finding.ts';
import type { AnnotationRecord, AnnotationValues, GlobalValues, OnInvalid, Support } from './record.ts';
import { renderValue, trimLines } from './types.ts';
import { annotationValuesOf } from './values.ts';

/** What the parser needs besides the Ingress. */
export interface AnnotationContext {
  /** `--annotations-prefix`. */
  readonly prefix: string;
  /** `--enable-annotation-validation`: false leaves only type parsing. */
  readonly validation: boolean;
  readonly global: GlobalValues;
}

/**
 * What the annotations mean for the Ingress as a whole. `rejectIngress` wins over `denyRoutes`. `reasons` are the
 * problems without their consequence, in the order of the diagnostics.
 */
export type Verdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'denyRoutes'; readonly reasons: readonly string[] }
  | { readonly kind: 'rejectIngress'; readonly reasons: readonly string[] };

export interface ParsedAnnotations {
  readonly values: AnnotationValues;
  readonly verdict: Verdict;
  /** What the verdict and the diagnostics are made of, one for one with the latter. */
  readonly findings: readonly Finding[];
  readonly diagnostics: readonly Diagnostic[];
}

/** One annotation with its record. `name` is as written: canonical or alias. */
interface Reading {
  readonly record: AnnotationRecord<unknown>;
  readonly name: string;
  /** Path in the object. */
  readonly field: string;
  readonly text: string;
  readonly result:
    | { readonly ok: true; readonly value: unknown }
    | { readonly ok: false; readonly why: string; readonly outcome: OnInvalid };
}

/** Parses all annotations of an Ingress. Cost is about linear in their number and length. */
export function parseAnnotations(ingress: Ingress, context: AnnotationContext): ParsedAnnotations {
  const { prefix, global } = context;
  const sets = prefixedAnnotations(ingress, prefix);
  const { readings, findings: absent } = readAll(sets, context);
  const judged = judge(readings, ingress);
  const values = annotationValuesOf(judged, global);
  const findings = [
    ...sets.flatMap((set) => checkRisk(set, global)),
    ...sets.flatMap((set) => checkWords(set, global)),
    ...checkPrefixes(ingress, prefix),
    ...sets.flatMap(checkNames),
    ...absent,
    ...judged.findings,
    ...checkCombinations(values, ({ name }) => readings.get(name)?.field ?? ''),
    ...globalDenials(values, global),
  ];
  return { values, verdict: verdictOf(findings), findings, diagnostics: diagnosticsOf(findings, ingress) };
}

/** Those under the configured prefix, then Sluice's own. Who configures Sluice's prefix reads all names under it. */
function prefixedAnnotations(ingress: Ingress, prefix: string): PrefixedAnnotations[] {
  const texts = annotationsUnder(ingress, prefix);
  if (prefix === OWN_PREFIX) return [{ prefix, texts, records: allByName }];
  const own = annotationsUnder(ingress, OWN_PREFIX);
  const set = { prefix, texts, records: annotationsByName };
  return own.size === 0 ? [set] : [set, { prefix: OWN_PREFIX, texts: own, records: ownAnnotationsByName }];
}

const allByName: AnnotationsByName = new Map([...annotationsByName, ...ownAnnotationsByName]);

function annotationsUnder(ingress: Ingress, prefix: string): PrefixedAnnotations['texts'] {
  const start = `${prefix}/`;
  const entries = Object.entries(ingress.meta.annotations).filter(([key]) => key.startsWith(start));
  return new Map(
    entries
      .map(([key, text]): [string, string] => [key.slice(start.length), text])
      .sort(([a], [b]) => compareText(a, b)),
  );
}

interface Readings {
  /** By canonical name. */
  readonly readings: ReadonlyMap<string, Reading>;
  /** About annotations that are there but count as absent. */
  readonly findings: readonly Finding[];
}

function readAll(sets: readonly PrefixedAnnotations[], context: AnnotationContext): Readings {
  const readings = new Map<string, Reading>();
  const findings: Finding[] = [];
  const allowSnippets = context.global.get(allowSnippetAnnotations);
  for (const { prefix, texts, records } of sets) {
    for (const [name, text] of texts) {
      const record = records.get(name);
      if (record === undefined) continue;
      const field = fieldOf(prefix, name);
      const absent = whyAbsent(name, text, record, texts, allowSnippets);
      if (absent !== null) findings.push({ ...absent, field });
      else readings.set(record.name, { record, name, field, text, result: readText(record, text, context) });
    }
  }
  return { readings, findings };
}

/** Why an annotation counts as absent although it is there: snippet gate, empty text, overruled alias. null: it counts. */
function whyAbsent(
  name: string,
  text: string,
  record: AnnotationRecord<unknown>,
  texts: PrefixedAnnotations['texts'],
  allowSnippets: boolean,
): Omit<Finding, 'field'> | null {
  if (trimLines(text) === '') {
    const severity = record.whenUnsupported === 'denyRoutes' ? 'warning' : 'info';
    return absence(severity, 'AnnotationEmpty', `${name} is empty and counts as absent`);
  }
  if (name.endsWith('-snippet') && !allowSnippets) {
    const problem = `${name} is ignored, since ConfigMap allow-snippet-annotations is false`;
    return absence('warning', 'SnippetsNotAllowed', problem);
  }
  if (name === record.name) return null;
  const winner = [record.name, ...record.aliases].find((candidate) => trimLines(texts.get(candidate) ?? '') !== '');
  return winner === name
    ? null
    : absence('warning', 'AnnotationOverruled', `${name} is ignored, since ${winner} is set`);
}

function absence(severity: Finding['severity'], reason: string, problem: string): Omit<Finding, 'field'> {
  return { severity, reason, problem, consequence: 'requests are served without it', effect: 'none' };
}

function readText(record: AnnotationRecord<unknown>, text: string, context: AnnotationContext): Reading['result'] {
  const refusal = context.validation && record.validate !== null ? record.validate(text) : null;
  if (refusal !== null) return { ok: false, why: refusal, outcome: record.onInvalid };
  const parsed = record.type.parse(text);
  return parsed.ok ? parsed : { ...parsed, outcome: record.onUnparsable };
}

interface Judgement {
  readonly valid: ReadonlyMap<string, unknown>;
  readonly builtInOnly: ReadonlySet<string>;
  readonly findings: readonly Finding[];
}

/** Of nearly every Ingress, which is kept: one for all. */
const noNames: ReadonlySet<string> = new Set();

/** Decides what each reading does. Readings whose switch is off do nothing, whatever they say. */
function judge(readings: ReadonlyMap<string, Reading>, ingress: Ingress): Judgement {
  const valid = new Map<string, unknown>();
  const builtInOnly = new Set<string>();
  const ignoredGroups = new Set<string>();
  const findings: Finding[] = [];
  for (const reading of readings.values()) {
    const { record, result, field } = reading;
    if (!isSwitchedOn(record, readings)) {
      findings.push({ ...withoutSwitch(reading), field });
    } else if (result.ok) {
      valid.set(record.name, result.value);
      const finding = shortfallOf(reading, result.value, ingress);
      if (finding !== null) findings.push({ ...finding, field });
    } else {
      if (result.outcome === 'useBuiltIn') builtInOnly.add(record.name);
      if (result.outcome === 'ignoreGroup') ignoredGroups.add(record.group);
      findings.push({ ...invalidValue(reading, result.why, result.outcome), field });
    }
  }
  // After the loop: a group may turn out to be ignored only by its last annotation.
  for (const { record } of readings.values()) if (ignoredGroups.has(record.group)) valid.delete(record.name);
  return { valid, builtInOnly: builtInOnly.size === 0 ? noNames : builtInOnly, findings };
}

function isSwitchedOn(record: AnnotationRecord<unknown>, readings: ReadonlyMap<string, Reading>): boolean {
  if (record.dependsOn.length === 0) return true;
  return record.dependsOn.some((name) => {
    const result = readings.get(name)?.result;
    return result?.ok === true && result.value !== false;
  });
}

function withoutSwitch({ name, record }: Reading): Omit<Finding, 'field'> {
  const problem = `${name} has no effect without ${record.dependsOn.join(' or ')}`;
  return absence('info', 'AnnotationNoEffect', problem);
}

function invalidValue({ name, text, record }: Reading, why: string, outcome: OnInvalid): Omit<Finding, 'field'> {
  const { effect, consequence } = outcomeOf(record, outcome);
  return {
    severity: effect === 'none' ? 'warning' : 'error',
    reason: 'AnnotationParsingFailed',
    problem: `${name} ${quoteValue(text, record.type)} ${why}`,
    consequence,
    effect,
  };
}

function outcomeOf(record: AnnotationRecord<unknown>, outcome: OnInvalid): { effect: Effect; consequence: string } {
  const builtIn = renderValue(record.type, record.default);
  switch (outcome) {
    case 'rejectIngress':
      return { effect: 'rejectIngress', consequence: REJECTED };
    case 'denyRoutes':
      return { effect: 'denyRoutes', consequence: DENIED };
    case 'ignoreGroup':
      return { effect: 'none', consequence: `all annotations of the group "${record.group}" are ignored` };
    case 'useBuiltIn':
      return { effect: 'none', consequence: `the value for its paths is: ${builtIn}` };
    case 'useDefault': {
      const holds = record.globalKey === null ? builtIn : `that of ConfigMap ${record.globalKey}, else ${builtIn}`;
      return { effect: 'none', consequence: `the value for its paths is: ${holds}` };
    }
  }
}

const SUPPORT_WORDS: Readonly<Record<Exclude<Support, 'full'>, { readonly reason: string; readonly says: string }>> = {
  partial: { reason: 'AnnotationNotSupported', says: 'is carried out only in part' },
  notYet: { reason: 'AnnotationNotSupported', says: 'is not carried out yet' },
  refused: { reason: 'AnnotationRefused', says: 'is refused' },
  noEffect: { reason: 'AnnotationNoEffect', says: 'has no effect here' },
};

function shortfallOf({ name, text, record }: Reading, value: unknown, ingress: Ingress): Omit<Finding, 'field'> | null {
  const missing = record.shortfall(value, ingress);
  if (missing === null || record.support === 'full') return null;
  const { reason, says } = SUPPORT_WORDS[record.support];
  const denies = record.whenUnsupported === 'denyRoutes';
  return {
    severity: denies ? 'error' : record.support === 'noEffect' ? 'info' : 'warning',
    reason,
    problem: `${name} ${quoteValue(text, record.type)} ${says}: ${missing}`,
    consequence: denies ? DENIED : '',
    effect: denies ? 'denyRoutes' : 'none',
  };
}

/** ConfigMap keys that close every Ingress. An Ingress may exempt itself from global authentication. */
function globalDenials(values: AnnotationValues, global: GlobalValues): Finding[] {
  const isExempt = values.get(enableGlobalAuth) === false;
  return global.denials
    .filter(({ key }) => !(isExempt && key === globalAuthUrl.key))
    .map(({ reason }) => ({
      severity: 'error',
      reason: 'ClosedByConfigMap',
      field: '',
      problem: reason,
      consequence: DENIED,
      effect: 'denyRoutes',
    }));
}

function verdictOf(findings: readonly Finding[]): Verdict {
  for (const kind of ['rejectIngress', 'denyRoutes'] as const) {
    const reasons = findings.filter(({ effect }) => effect === kind).map(({ problem }) => problem);
    if (reasons.length > 0) return { kind, reasons };
  }
  return { kind: 'accept' };
}
