// Scans header lines of requests and responses: one strict reading of RFC 9112 §5 for both directions.
//
// PURE. A line is looked at only when it is complete, and an error is reported only then or when a limit is passed, so
// the result does not depend on how the bytes were split into reads. Lines end in CRLF; a bare CR or LF, a fold, white
// space before the colon or a control byte is an error, never repaired (§2.2, §5.1, §5.2).

import { COLON, CR, FIELD_VALUE, HT, LF, SP, TOKEN, TOKEN_PLAIN, TOKEN_UNDERSCORE, TOKEN_UNUSUAL } from './bytes.ts';

/** Limits of one message head. Bytes, without the line's CRLF. */
export interface HeadLimits {
  readonly maxRequestLineBytes: number;
  readonly maxHeaderLineBytes: number;
  readonly maxHeadBytes: number;
  readonly maxHeaderCount: number;
  /** false drops header lines whose name has an underscore, as nginx does: `X_Real_IP` and `X-Real-IP` are one to CGI. */
  readonly allowUnderscoreHeaders: boolean;
  /**
   * false drops header lines whose name has anything but letters, digits, `-` and `_`, as nginx does: many servers take
   * `X.Real.IP` for `X_REAL_IP` too.
   */
  readonly allowUnusualHeaders: boolean;
}

/** Whether a request header is forwarded whose name is made of these classes of `TOKEN`. */
export function isNameForwarded(classes: number, limits: HeadLimits): boolean {
  if (classes === TOKEN_PLAIN) return true;
  if ((classes & TOKEN_UNDERSCORE) !== 0 && !limits.allowUnderscoreHeaders) return false;
  return (classes & TOKEN_UNUSUAL) === 0 || limits.allowUnusualHeaders;
}

/** What is wrong with a head. Stable words: they appear in logs and metrics. */
export type HeadFault =
  | 'badMethod'
  | 'badTarget'
  | 'badPath'
  | 'badVersion'
  | 'badRequestLine'
  | 'badStatusLine'
  | 'requestLineTooLong'
  | 'badHeader'
  | 'headersTooLarge'
  | 'tooManyHeaders'
  | 'badHost'
  | 'missingHost'
  | 'severalHosts'
  | 'hostMismatch'
  | 'badContentLength'
  | 'severalContentLengths'
  | 'badTransferEncoding'
  | 'lengthAndTransferEncoding'
  | 'badExpect'
  | 'methodNotAllowed';

/** Results of a scan that did not reach the end. */
export const NEED_MORE = -1;
export const FAILED = -2;

export class HeadScanner {
  fault: HeadFault = 'badHeader';
  nameStart = 0;
  nameEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  /** Classes of `TOKEN` that the name is made of. */
  nameClasses = 0;

  /**
   * Scans one header line that starts at `lineStart` in a head that starts at `headStart`. Gives the position behind its
   * CRLF and sets the four positions, or NEED_MORE, or FAILED with `fault` set.
   */
  scanHeaderLine(buf: Uint8Array, headStart: number, lineStart: number, end: number, limits: HeadLimits): number {
    let at = lineStart;
    let classes = 0;
    while (at < end) {
      const kind = TOKEN[buf[at] as number] as number;
      if (kind === 0) break;
      classes |= kind;
      at++;
    }
    if (at === end) return this.#incomplete(headStart, lineStart, end, limits);
    if (buf[at] !== COLON || at === lineStart) return this.#broken(buf, headStart, lineStart, end, limits);
    this.nameClasses = classes;
    this.nameStart = lineStart;
    this.nameEnd = at++;
    while (at < end && (buf[at] === SP || buf[at] === HT)) at++;
    this.valueStart = at;
    while (at < end && FIELD_VALUE[buf[at] as number] === 1) at++;
    if (at + 1 >= end && (at === end || buf[at] === CR)) return this.#incomplete(headStart, lineStart, end, limits);
    if (buf[at] !== CR || buf[at + 1] !== LF) return this.#broken(buf, headStart, lineStart, end, limits);
    if (at - lineStart > limits.maxHeaderLineBytes || at - headStart > limits.maxHeadBytes) {
      return this.fail('headersTooLarge');
    }
    let valueEnd = at;
    while (valueEnd > this.valueStart && (buf[valueEnd - 1] === SP || buf[valueEnd - 1] === HT)) valueEnd--;
    this.valueEnd = valueEnd;
    return at + 2;
  }

  fail(fault: HeadFault): typeof FAILED {
    this.fault = fault;
    return FAILED;
  }

  #incomplete(headStart: number, lineStart: number, end: number, limits: HeadLimits): number {
    // Of a line that has not begun, the CRLF before it must not count: it may be the empty line behind the headers.
    if (end === lineStart) return NEED_MORE;
    // One byte more than the limit may still be the CR.
    const isTooLarge = end - lineStart > limits.maxHeaderLineBytes + 1 || end - headStart > limits.maxHeadBytes + 1;
    return isTooLarge ? this.fail('headersTooLarge') : NEED_MORE;
  }

  /** A byte that cannot stand here. The size limits are asked first, as a reader of single bytes would meet them first. */
  #broken(buf: Uint8Array, headStart: number, lineStart: number, end: number, limits: HeadLimits): number {
    const lineEnd = indexOfLineFeed(buf, lineStart, end);
    if (lineEnd === -1) return this.#incomplete(headStart, lineStart, end, limits);
    const length = lineEnd - lineStart - (lineEnd > lineStart && buf[lineEnd - 1] === CR ? 1 : 0);
    const headLength = length + lineStart - headStart;
    const isTooLarge = length > limits.maxHeaderLineBytes || headLength > limits.maxHeadBytes;
    return this.fail(isTooLarge ? 'headersTooLarge' : 'badHeader');
  }
}

/** Position of the next LF in `[from, end)`, or -1. */
export function indexOfLineFeed(buf: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) if (buf[at] === LF) return at;
  return -1;
}

/**
 * Reads a Content-Length value: 1*DIGIT, at most 15 digits so that it is exact as a number. -1 when it is not one;
 * a list, a sign or white space inside is not one (RFC 9112 §6.3: the framing would be ambiguous).
 */
export function parseContentLength(buf: Uint8Array, start: number, end: number): number {
  const digits = end - start;
  if (digits < 1 || digits > 15) return -1;
  let length = 0;
  for (let at = start; at < end; at++) {
    const digit = (buf[at] as number) - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}
