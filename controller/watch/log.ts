// The little of a logger that this folder needs; a pino logger fits.

/** Fields first, then the text, as pino has it. Fields never hold secrets: sources hand out diagnostics, not objects. */
export interface WatchLog {
  debug(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}
