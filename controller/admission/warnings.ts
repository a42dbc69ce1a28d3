// What the webhook tells without refusing. kubectl prints each warning on a line of its own.

import { boundDiagnostic, type Diagnostic } from '../objects/diagnostic.ts';
import type { Draft } from './draft.ts';
import { pathTypeProblems } from './path-types.ts';

/** The only ones that ingress-nginx v1.15 calls deprecated (internal/ingress/controller: CheckWarning). */
const deprecated: ReadonlySet<string> = new Set([
  'enable-influxdb',
  'influxdb-measurement',
  'influxdb-port',
  'influxdb-host',
  'influxdb-server-name',
  'secure-verify-ca-secret',
]);

/** What everybody is told, owners of Ingresses of another class too, and with the path check switched off as well. */
export function generalWarnings(draft: Draft, prefix: string): string[] {
  const start = `${prefix}/`;
  const keys = [...draft.annotations.keys()].filter(
    (key) => key.startsWith(start) && deprecated.has(key.slice(start.length)),
  );
  return [...keys.map((key) => `annotation ${key} is deprecated`), ...pathTypeProblems(draft)];
}

/** What the diagnostics say. The object is known to the reader. */
export function warningsOf(diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.map((diagnostic) => boundDiagnostic(diagnostic).message);
}

/** The API server cuts each warning to 256 characters once all have more than 4096 (apiserver pkg/warning). */
const maxWarnings = 20;
const maxTotal = 4000;

/** Drops repetitions and what the API server would not carry, and says how many that were. */
export function limitWarnings(warnings: readonly string[]): string[] {
  const distinct = [...new Set(warnings.map(printable))];
  const kept: string[] = [];
  let total = 0;
  for (const warning of distinct) {
    total += warning.length;
    if (kept.length === maxWarnings || total > maxTotal) break;
    kept.push(warning);
  }
  const left = distinct.length - kept.length;
  return left === 0 ? kept : [...kept, `${left} more problems are not listed here`];
}

/** A warning is a header field on its way to kubectl: the API server drops one with control characters. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
}
