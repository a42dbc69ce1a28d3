// Collects the diagnostics of one object while it is decoded, and checks the shape of its parts with zod.
//
// In: a raw part, its schema, its field path and what its loss means for traffic. Out: the typed part, or null and one
// diagnostic for each thing wrong in it. Checks go part by part, so that one bad path never costs its neighbours.

import type { z } from 'zod';
import type { Diagnostic, Severity, SourceLocation } from './diagnostic.ts';
import { quoteShort } from './host-name.ts';
import type { ObjectRef } from './types.ts';

/** Whether a message may quote values. Parts of a Secret are `hidden`: only their type is named. */
export type ValueDisplay = 'shown' | 'hidden';

/** The diagnostics of one object, in the order in which they were found. */
export class DecodeReport {
  readonly object: ObjectRef;
  readonly diagnostics: Diagnostic[] = [];
  readonly display: ValueDisplay;
  readonly #source: SourceLocation | null;

  constructor(object: ObjectRef, source: SourceLocation | null) {
    this.object = object;
    this.display = object.kind === 'Secret' ? 'hidden' : 'shown';
    this.#source = source;
  }

  /** Adds a problem. `what` is the wrong thing, `effect` what happens to traffic: together they are the message. */
  add(severity: Severity, reason: string, field: string, what: string, effect: string): void {
    const { object } = this;
    this.diagnostics.push({ severity, reason, object, field, message: `${what}; ${effect}`, source: this.#source });
  }

  /** Adds the problem of one field with a wrong value, as the API server words it: field, value, why. */
  invalid(field: string, value: unknown, why: string, effect: string): void {
    this.add('error', 'InvalidField', field, `${field} ${this.#show(value)} ${why}`, effect);
  }

  /** Adds the problem of a required field that is missing. */
  missing(field: string, effect: string, hint = ''): void {
    this.add('error', 'MissingField', field, `${field} is missing${hint}`, effect);
  }

  /**
   * Checks the shape of one part. Fields of the part that the schema does not list are ignored, as Sluice reads only a
   * part of each Kubernetes object. Returns null, and reports each issue, when the part does not fit.
   */
  shape<T>(schema: z.ZodType<T>, raw: unknown, field: string, effect: string): T | null {
    const result = schema.safeParse(raw);
    if (result.success) return result.data;
    for (const issue of result.error.issues) {
      const path = joinField(field, issue.path);
      const value = valueAt(raw, issue.path);
      if (value === undefined || value === null) this.missing(path, effect);
      else this.invalid(path, value, whyOf(issue), effect);
    }
    return null;
  }

  /** Reads a list. Absent or null is an empty list (Kubernetes omits empty lists); anything else but a list is reported. */
  list(raw: unknown, field: string, effect: string): readonly unknown[] {
    if (raw === undefined || raw === null) return [];
    if (Array.isArray(raw)) return raw;
    this.invalid(field, raw, 'must be a list', effect);
    return [];
  }

  #show(value: unknown): string {
    return this.display === 'hidden' ? `(${describeType(value)})` : showValue(value);
  }
}

/** True for a JSON object: the only shape a Kubernetes object or struct can have. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Shows scalars, cut short, and only the type of anything larger. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') return quoteShort(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return `(${describeType(value)})`;
}

function describeType(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  const type = typeof value;
  return type === 'object' ? 'an object' : `a ${type}`;
}

function whyOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_type') return issue.message;
  return `must be ${typeNames.get(issue.expected) ?? issue.expected}`;
}

const typeNames: ReadonlyMap<string, string> = new Map([
  ['string', 'a string'],
  ['int', 'a whole number'],
  ['number', 'a number'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['object', 'an object'],
]);

function joinField(field: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, field);
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}
