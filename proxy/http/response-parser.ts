// Incremental, strict parser of HTTP/1.x response heads, fed like RequestParser.
//
// PURE. An upstream is held to the same framing rules as a client: what could be read in two ways is a fault, the client
// gets 502 and the upstream connection is never used again (response smuggling, RFC 9112 §11.1).

import { CR, equalsBytes, FIELD_VALUE, LF, SP } from './bytes.ts';
import { Field, identifyField, RESPONSE_FIELDS } from './field-names.ts';
import { FramingFields } from './framing-fields.ts';
import { FAILED, type HeadFault, type HeadLimits, HeadScanner, indexOfLineFeed, NEED_MORE } from './head-scanner.ts';
import { RepeatedHead } from './repeated-head.ts';
import { CHUNKED, ResponseHead } from './response-head.ts';
import { removeNamedLines } from './runs.ts';

/** `HTTP/1.1 200`. */
const STATUS_LINE_MIN = 12;

export class ResponseParser {
  readonly head = new ResponseHead();
  readonly #scanner = new HeadScanner();
  readonly #framing = new FramingFields();
  readonly #repeated = new RepeatedHead();
  #parsed = 0;
  #line = 0;
  #headerCount = 0;
  #isBegun = false;
  #hasStatusLine = false;

  get fault(): HeadFault {
    return this.#scanner.fault;
  }

  /** Makes the parser ready for the next head. `head` stays as it is until `parse` is called. */
  reset(): void {
    this.#isBegun = false;
  }

  /** Parses `buf[start..end)`; see `RequestParser.parse`. */
  parse(buf: Buffer, start: number, end: number, limits: HeadLimits): number {
    if (!this.#isBegun) {
      const next = this.#repeated.match(buf, start, end, limits);
      if (next !== -1) return next;
      this.#begin();
    }
    if (!this.#hasStatusLine) {
      const next = this.#statusLine(buf, start, end, limits);
      if (next < 0) return next;
      this.#line = next - start;
      this.#hasStatusLine = true;
    }
    return this.#headers(buf, start, end, limits);
  }

  #begin(): void {
    this.#isBegun = true;
    this.#repeated.forget();
    this.head.reset();
    this.#line = 0;
    this.#headerCount = 0;
    this.#hasStatusLine = false;
    this.#framing.reset();
  }

  #statusLine(buf: Buffer, start: number, end: number, limits: HeadLimits): number {
    const lineFeed = indexOfLineFeed(buf, start, end);
    if (lineFeed === -1) {
      return end - start > limits.maxHeaderLineBytes + 1 ? this.#fail('headersTooLarge') : NEED_MORE;
    }
    const lineEnd = lineFeed - 1;
    if (lineEnd - start > limits.maxHeaderLineBytes) return this.#fail('headersTooLarge');
    if (lineEnd - start < STATUS_LINE_MIN || buf[lineEnd] !== CR) return this.#fail('badStatusLine');
    const isVersion1 = equalsBytes(buf, start, 'HTTP/1.');
    const minor = (buf[start + 7] as number) - 48;
    const status = parseStatus(buf, start + 9);
    if (!isVersion1 || minor < 0 || minor > 1 || buf[start + 8] !== SP || status === -1)
      return this.#fail('badStatusLine');
    if (lineEnd > start + STATUS_LINE_MIN && buf[start + STATUS_LINE_MIN] !== SP) return this.#fail('badStatusLine');
    for (let at = start + STATUS_LINE_MIN; at < lineEnd; at++) {
      if (FIELD_VALUE[buf[at] as number] === 0) return this.#fail('badStatusLine');
    }
    this.head.minorVersion = minor;
    this.head.status = status;
    this.head.statusLineStart = 8;
    this.head.statusLineEnd = lineEnd - start;
    return lineFeed + 1;
  }

  #headers(buf: Buffer, start: number, end: number, limits: HeadLimits): number {
    let line = start + this.#line;
    for (;;) {
      if (line < end && buf[line] === CR) {
        if (line + 1 >= end) return this.#pause(start, line);
        if (buf[line + 1] !== LF) return this.#fail('badHeader');
        return this.#finish(buf, start, line + 2, limits);
      }
      const next = this.#scanner.scanHeaderLine(buf, start, line, end, limits);
      if (next === NEED_MORE) return this.#pause(start, line);
      if (next === FAILED) return FAILED;
      if (++this.#headerCount > limits.maxHeaderCount) return this.#fail('tooManyHeaders');
      if (!this.#header(buf, start, line, next)) return FAILED;
      line = next;
    }
  }

  #pause(start: number, line: number): number {
    this.#line = line - start;
    return NEED_MORE;
  }

  #header(buf: Buffer, start: number, line: number, next: number): boolean {
    const { head } = this;
    const scanner = this.#scanner;
    switch (identifyField(RESPONSE_FIELDS, buf, scanner.nameStart, scanner.nameEnd)) {
      case Field.other:
        head.keep(line - start, next - start);
        return true;
      case Field.date:
        head.hasDate = true;
        head.keep(line - start, next - start);
        return true;
      case Field.contentLength:
        return this.#accept(this.#framing.addLength(buf, scanner));
      case Field.transferEncoding:
        return this.#accept(this.#framing.addCoding(buf, scanner));
      case Field.connection:
        head.connection.add(buf, scanner.valueStart, scanner.valueEnd);
        return this.#accept(head.connection.isOverfull ? 'badHeader' : null);
      case Field.server:
        head.serverLineStart = line - start;
        head.serverLineEnd = next - start;
        return true;
      case Field.strictTransportSecurity:
        head.hstsLineStart = line - start;
        head.hstsLineEnd = next - start;
        return true;
      case Field.upgrade:
        head.upgradeLineStart = line - start;
        head.upgradeLineEnd = next - start;
        return true;
      default:
        return true;
    }
  }

  #finish(buf: Buffer, start: number, next: number, limits: HeadLimits): number {
    const { head } = this;
    const framing = this.#framing;
    const fault = framing.check(head.minorVersion);
    if (fault !== null) return this.#fail(fault);
    // A 1xx has no body (RFC 9110 §15.2); one that declares some would hide the final response in it (RFC 9112 §6.1).
    if (head.status < 200 && framing.isChunked) return this.#fail('badTransferEncoding');
    if (head.status < 200 && framing.length > 0) return this.#fail('badContentLength');
    if (framing.isChunked) head.contentLength = CHUNKED;
    else if (framing.length !== -1) head.contentLength = framing.length;
    head.text = buf.latin1Slice(start, next);
    if (head.connection.named !== null) removeNamedLines(head, head.connection.named);
    head.repeatKey = ++this.#parsed;
    this.#repeated.remember(buf, start, next, limits);
    return next;
  }

  #fail(fault: HeadFault): typeof FAILED {
    return this.#scanner.fail(fault);
  }

  #accept(fault: HeadFault | null): boolean {
    if (fault !== null) this.#scanner.fail(fault);
    return fault === null;
  }
}

/** Three digits from 100 to 599; -1 otherwise. */
function parseStatus(buf: Uint8Array, at: number): number {
  const status = ((buf[at] as number) - 48) * 100 + ((buf[at + 1] as number) - 48) * 10 + (buf[at + 2] as number) - 48;
  for (let i = at; i < at + 3; i++) if ((buf[i] as number) < 48 || (buf[i] as number) > 57) return -1;
  return status >= 100 && status <= 599 ? status : -1;
}
