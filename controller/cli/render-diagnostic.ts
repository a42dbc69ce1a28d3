// How a diagnostic reads as one line of text, everywhere: `sluice translate`, the banner, the log.

import type { Diagnostic } from '../objects/diagnostic.ts';
import { keyOf } from '../objects/types.ts';

/** `error Ingress demo/site spec.rules[0].host: what is wrong and what happens. (site.yaml:12, HostInvalid)` */
export function renderDiagnostic(diagnostic: Diagnostic): string {
  const { severity, object, field, message, source, reason } = diagnostic;
  const place = source === null ? '' : `${source.file}${source.line === null ? '' : `:${source.line}`}, `;
  const subject = [object.kind, keyOf(object), field].filter((part) => part !== '').join(' ');
  return `${severity} ${subject}: ${message} (${place}${reason})`;
}

/** `2 errors, 1 warning`, or `no problems`; notes (severity info) are not counted as problems. */
export function countDiagnostics(diagnostics: readonly Diagnostic[]): string {
  const parts = (['error', 'warning'] as const).flatMap((severity) => {
    const count = diagnostics.filter((diagnostic) => diagnostic.severity === severity).length;
    return count === 0 ? [] : [`${count} ${severity}${count === 1 ? '' : 's'}`];
  });
  return parts.length === 0 ? 'no problems' : parts.join(', ');
}
