// Writes diagnostics to the log once each: when a problem appears and when it is gone, not at every recompile.

import { renderDiagnostic } from '../cli/render-diagnostic.ts';
import type { Diagnostic } from '../objects/diagnostic.ts';
import type { Logger } from './logger.ts';

/** More new problems than this in one revision are counted, not listed: ten thousand bad paths must not flood the log. */
const MAX_LINES_PER_REVISION = 100;

type DiagnosticLogger = Pick<Logger, 'error' | 'warn' | 'info' | 'debug'>;

/** Remembers which diagnostics are open. Keyed by their text, so an equal problem in another place is another problem. */
export class DiagnosticLog {
  readonly #log: DiagnosticLogger;
  #open: ReadonlyMap<string, Diagnostic> = new Map();

  constructor(log: DiagnosticLogger) {
    this.#log = log;
  }

  /** Logs what is new against the previous call, then what is resolved. `diagnostics` is the complete list of a revision. */
  report(diagnostics: readonly Diagnostic[]): void {
    const current = new Map(diagnostics.map((diagnostic) => [identityOf(diagnostic), diagnostic]));
    const appeared = [...current].filter(([key]) => !this.#open.has(key)).map(([, diagnostic]) => diagnostic);
    const resolved = [...this.#open].filter(([key]) => !current.has(key)).map(([, diagnostic]) => diagnostic);
    this.#open = current;
    this.#writeLimited(appeared, 'new', (diagnostic) => this.#writeAppeared(diagnostic));
    this.#writeLimited(resolved, 'resolved', (diagnostic) => {
      this.#log.info(fieldsOf(diagnostic), `resolved: ${renderDiagnostic(diagnostic)}`);
    });
  }

  #writeAppeared(diagnostic: Diagnostic): void {
    const text = renderDiagnostic(diagnostic);
    switch (diagnostic.severity) {
      case 'error':
        this.#log.error(fieldsOf(diagnostic), text);
        break;
      case 'warning':
        this.#log.warn(fieldsOf(diagnostic), text);
        break;
      case 'info':
        this.#log.debug(fieldsOf(diagnostic), text);
        break;
    }
  }

  #writeLimited(diagnostics: readonly Diagnostic[], what: string, write: (diagnostic: Diagnostic) => void): void {
    for (const diagnostic of diagnostics.slice(0, MAX_LINES_PER_REVISION)) write(diagnostic);
    const rest = diagnostics.length - MAX_LINES_PER_REVISION;
    if (rest > 0) this.#log.warn({ rest }, `${rest} more ${what} diagnostics; "sluice translate" prints them all`);
  }
}

/** The line of the source is left out: an edit further up in the file moves a problem without changing it. */
function identityOf({ severity, reason, object, field, message, source }: Diagnostic): string {
  return JSON.stringify([severity, reason, object.kind, object.namespace, object.name, field, message, source?.file]);
}

function fieldsOf(diagnostic: Diagnostic): Readonly<Record<string, unknown>> {
  const { reason, object, field, source } = diagnostic;
  return { reason, object, field, ...(source === null ? {} : { source }) };
}
