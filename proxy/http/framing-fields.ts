// Content-Length and Transfer-Encoding of one message: together they decide where its body ends (RFC 9112 §6).
//
// PURE. Requests and responses are held to the same rule: one unambiguous framing, or a fault. Several lengths, a length
// beside a coding, any coding but exactly `chunked`, and tabs around either value are refused, because programs are known
// that read each of them differently.

import { COLON, CR, equalsIgnoreCase, SP } from './bytes.ts';
import { type HeadFault, parseContentLength } from './head-scanner.ts';

/** Where the value of the line just scanned stands; a HeadScanner is one. */
export interface ScannedValue {
  readonly valueStart: number;
  readonly valueEnd: number;
}

export class FramingFields {
  #length = -1;
  #isChunked = false;

  reset(): void {
    this.#length = -1;
    this.#isChunked = false;
  }

  /** Takes a Content-Length line; gives a fault or null. */
  addLength(buf: Uint8Array, { valueStart, valueEnd }: ScannedValue): HeadFault | null {
    if (this.#length !== -1) return 'severalContentLengths';
    this.#length = hasPlainEdges(buf, valueStart, valueEnd) ? parseContentLength(buf, valueStart, valueEnd) : -1;
    return this.#length === -1 ? 'badContentLength' : null;
  }

  /** Takes a Transfer-Encoding line; gives a fault or null. Any other coding could not be forwarded, or hides the length. */
  addCoding(buf: Uint8Array, { valueStart, valueEnd }: ScannedValue): HeadFault | null {
    const isChunked = valueEnd - valueStart === 7 && equalsIgnoreCase(buf, valueStart, 'chunked');
    if (!isChunked || this.#isChunked || !hasPlainEdges(buf, valueStart, valueEnd)) return 'badTransferEncoding';
    this.#isChunked = true;
    return null;
  }

  /** Checks both together, once the head is complete. HTTP/1.0 knows no coding (RFC 9112 §6.1). */
  check(minorVersion: number): HeadFault | null {
    if (!this.#isChunked) return null;
    if (this.#length !== -1) return 'lengthAndTransferEncoding';
    return minorVersion === 0 ? 'badTransferEncoding' : null;
  }

  get isChunked(): boolean {
    return this.#isChunked;
  }

  /** The declared length, -1 when there is none. */
  get length(): number {
    return this.#length;
  }
}

/** Only spaces around the value: a tab there is white space to some parsers and part of the value to others. */
function hasPlainEdges(buf: Uint8Array, start: number, end: number): boolean {
  const before = buf[start - 1];
  const after = buf[end];
  return (before === COLON || before === SP) && (after === CR || after === SP);
}
