// A diagnostic is a problem in somebody's object, as data. It is never thrown and never only logged: the log, the CLI,
// Kubernetes Events and the admission webhook all print the same value.

import type { ObjectRef } from './types.ts';

/** `error`: traffic is not what the object asks for. `warning`: it works, but something in it does nothing or is unwise. */
export type Severity = 'error' | 'warning' | 'info';

/** Where in a manifest folder the object came from. `line` counts from 1; null when unknown. */
export interface SourceLocation {
  readonly file: string;
  readonly line: number | null;
}

export interface Diagnostic {
  readonly severity: Severity;
  /** PascalCase, as in a Kubernetes Event, e.g. `ServicePortNotFound`. */
  readonly reason: string;
  readonly object: ObjectRef;
  /** Path in the object, e.g. `spec.rules[0].http.paths[2].backend.service.port`; '' for the whole object. */
  readonly field: string;
  /** What is wrong, and then what happens to traffic. Never holds secret material. */
  readonly message: string;
  readonly source: SourceLocation | null;
}

/** Characters (UTF-16 units) of `field` and `message`: keys and values of the object stand in them, and may have any length. */
export const maxFieldLength = 512;
export const maxMessageLength = 2048;

/** Cuts a field and a message that are longer than allowed; the same object when neither is. */
export function boundDiagnostic(diagnostic: Diagnostic): Diagnostic {
  const { field, message } = diagnostic;
  if (field.length <= maxFieldLength && message.length <= maxMessageLength) return diagnostic;
  return { ...diagnostic, field: cutMiddle(field, maxFieldLength), message: cutMiddle(message, maxMessageLength) };
}

/** Leaves the end too: that is where a message says what happens to traffic, and a path names its last field. */
function cutMiddle(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const tail = maxLength >> 2;
  // A cut may fall between the halves of a surrogate pair: JSON and UTF-8 want neither half.
  return `${text.slice(0, maxLength - tail - 1)}…${text.slice(-tail)}`.toWellFormed();
}

/** Orders diagnostics by object, field, reason and message, so that equal inputs print equal lists. */
export function compareDiagnostics(a: Diagnostic, b: Diagnostic): number {
  return (
    compareText(a.object.kind, b.object.kind) ||
    compareText(a.object.namespace, b.object.namespace) ||
    compareText(a.object.name, b.object.name) ||
    compareText(a.field, b.field) ||
    compareText(a.reason, b.reason) ||
    compareText(a.message, b.message)
  );
}

/** Compares by UTF-16 code unit: the same on every machine and locale, unlike `localeCompare`. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
