// One parsed response head, as positions into its own text. PURE, and reused like RequestHead.

import { ConnectionOptions } from './connection-options.ts';
import { KeptLines } from './runs.ts';

/** Values of `ResponseHead.contentLength` besides a length. */
export const CHUNKED = -1;
/** The body ends where the connection does (RFC 9112 §6.3, last case). */
export const UNTIL_CLOSE = -2;

export class ResponseHead extends KeptLines {
  status = 0;
  minorVersion = 1;
  /** From behind the version, e.g. ` 200 OK`, up to the CRLF: forwarded as the upstream wrote it. */
  statusLineStart = 0;
  statusLineEnd = 0;
  /** Declared body length, CHUNKED or UNTIL_CLOSE. Says nothing about HEAD, 1xx, 204 and 304, which have no body. */
  contentLength = UNTIL_CLOSE;
  readonly connection = new ConnectionOptions();
  hasDate = false;
  /** Whole lines that are forwarded or not by setting; start -1 when absent. */
  serverLineStart = -1;
  serverLineEnd = -1;
  hstsLineStart = -1;
  hstsLineEnd = -1;
  upgradeLineStart = -1;
  upgradeLineEnd = -1;

  /** Not 0: while it stays the same, so does everything else here, over several responses. See RepeatedHead. */
  repeatKey = 0;
  /** What the renderer remembers of its last text of this head. null until it does. */
  slot: unknown = null;

  reset(): void {
    this.repeatKey = 0;
    this.contentLength = UNTIL_CLOSE;
    this.connection.reset();
    this.hasDate = false;
    this.serverLineStart = -1;
    this.hstsLineStart = -1;
    this.upgradeLineStart = -1;
    this.runCount = 0;
  }
}
