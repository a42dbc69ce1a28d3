// Incremental, strict parser of HTTP/1.x request heads (RFC 9112 §2-6).
//
// PURE. Feed it the bytes from the start of the head; while it says NEED_MORE, call again with the same bytes and more
// behind them. It remembers how far it came, so only an unfinished line is looked at twice. A head has exactly one
// reading or it is refused: everything that two implementations could frame differently (request smuggling, RFC 9112
// §11.2) is a fault, and the connection is closed after the answer.

import { type HostName, parseAuthority, plainName } from './authority.ts';
import {
  CR,
  DOT,
  equalsBytes,
  equalsIgnoreCase,
  LF,
  ONE,
  PERCENT,
  QUESTION,
  SLASH,
  SP,
  TARGET,
  TOKEN,
} from './bytes.ts';
import { Field, identifyField, REQUEST_FIELDS } from './field-names.ts';
import { FramingFields } from './framing-fields.ts';
import {
  FAILED,
  type HeadFault,
  type HeadLimits,
  HeadScanner,
  indexOfLineFeed,
  isNameForwarded,
  NEED_MORE,
} from './head-scanner.ts';
import { isMethodChar, MAX_METHOD_BYTES } from './method.ts';
import { RepeatedRequest, type RequestSpots } from './repeated-request.ts';
import { RequestHead } from './request-head.ts';
import { normalizePath, type RequestPath } from './request-path.ts';
import { removeNamedLines } from './runs.ts';

/** `HTTP/1.1` and CRLF. */
const VERSION_BYTES = 8;

type Phase = 'start' | 'requestLine' | 'headers';

export class RequestParser {
  readonly head = new RequestHead();
  readonly #scanner = new HeadScanner();
  readonly #framing = new FramingFields();
  readonly #repeated = new RepeatedRequest();
  #parsed = 0;
  #phase: Phase = 'start';
  /** Where the head starts behind an optional empty line, and the start of the line at hand; both from the first byte fed. */
  #base = 0;
  #line = 0;
  #headerCount = 0;
  // Positions in the request line, relative to #base.
  #methodEnd = 0;
  #targetEnd = 0;
  #queryStart = -1;
  #isPlain = true;
  #hasHost = false;
  #hostLine = 0;
  #hostStart = 0;
  #hostEnd = 0;
  #lastRawHost = '';
  #lastHost = '' as HostName;

  /** What was wrong after `parse` gave FAILED. */
  get fault(): HeadFault {
    return this.#scanner.fault;
  }

  /** Makes the parser ready for the next head. `head` stays as it is until `parse` is called. */
  reset(): void {
    this.#phase = 'start';
  }

  /**
   * Parses `buf[start..end)`, where `start` is the first byte of the head, the same one in each call. Gives the position
   * behind the head, or NEED_MORE, or FAILED with `fault` set.
   */
  parse(buf: Buffer, start: number, end: number, limits: HeadLimits): number {
    if (this.#phase === 'start') {
      const likeness = this.#repeated.compare(buf, start, end, limits);
      if (likeness === 'same' || (likeness === 'similar' && this.#again(buf, start))) {
        return start + this.#repeated.length;
      }
      this.#clear();
      if (!this.#begin(buf, start, end)) return NEED_MORE;
    }
    if (this.#phase === 'requestLine') {
      const next = this.#requestLine(buf, start + this.#line, end, limits);
      if (next < 0) return next;
      this.#line = next - start;
      this.#phase = 'headers';
    }
    return this.#headers(buf, start, end, limits);
  }

  /** Takes over target and Host of a head that is otherwise the last one; false when they are no good. */
  #again(buf: Buffer, start: number): boolean {
    const { head } = this;
    const repeated = this.#repeated;
    const targetChange = repeated.targetEnd - this.#targetEnd;
    const hostChange = repeated.hostEnd - this.#hostEnd - targetChange;
    if (targetChange !== 0 || hostChange !== 0) head.move(this.#hostEnd, targetChange, hostChange);
    head.text = buf.latin1Slice(start, start + repeated.length);
    if (repeated.hasNewTarget) {
      this.#targetEnd = repeated.targetEnd;
      this.#scanTarget(buf, start + this.#methodEnd + 1, start + repeated.targetEnd);
      if (this.#queryStart !== -1) this.#queryStart -= start;
      if (!this.#finishTarget()) return false;
    }
    this.#hostStart = repeated.hostStart;
    this.#hostEnd = repeated.hostEnd;
    if (repeated.hasNewHost) {
      head.rawHost = head.text.slice(this.#hostStart, this.#hostEnd);
      head.host = plainName(head.rawHost);
    }
    head.repeatKey = ++this.#parsed;
    repeated.follow(buf, start);
    return true;
  }

  #clear(): void {
    this.#repeated.forget();
    this.head.reset();
    this.#base = 0;
    this.#line = 0;
    this.#headerCount = 0;
    this.#hasHost = false;
    this.#framing.reset();
  }

  /** Skips one empty line before the request line (RFC 9112 §2.2). */
  #begin(buf: Buffer, start: number, end: number): boolean {
    if (start >= end) return false;
    if (buf[start] === CR) {
      if (start + 1 >= end) return false;
      if (buf[start + 1] === LF) {
        this.#base = 2;
        this.#line = 2;
      }
    }
    this.#phase = 'requestLine';
    return true;
  }

  #requestLine(buf: Buffer, line: number, end: number, limits: HeadLimits): number {
    let at = line;
    while (at < end && TOKEN[buf[at] as number] !== 0) at++;
    if (at - line > MAX_METHOD_BYTES) return this.#fail('badMethod');
    if (at === end) return NEED_MORE;
    if (buf[at] !== SP || at === line) return this.#fail('badMethod');
    this.#methodEnd = at - line;
    at = this.#scanTarget(buf, at + 1, end);
    this.#targetEnd = at - line;
    if (at === end) return this.#incompleteRequestLine(line, end, limits);
    if (buf[at] !== SP) return this.#brokenRequestLine(buf, line, end, limits);
    return this.#version(buf, line, at + 1, end, limits);
  }

  /** Finds the end of the target, the start of its query, and whether its path is already normal. */
  #scanTarget(buf: Buffer, from: number, end: number): number {
    let at = from;
    let previous = 0;
    let isPlain = true;
    while (at < end) {
      const byte = buf[at] as number;
      if (TARGET[byte] === 0 || byte === QUESTION) break;
      if (byte === PERCENT || byte > 0x7e || (previous === SLASH && (byte === SLASH || byte === DOT))) isPlain = false;
      previous = byte;
      at++;
    }
    this.#isPlain = isPlain;
    this.#queryStart = -1;
    if (at < end && buf[at] === QUESTION) {
      this.#queryStart = at;
      while (at < end && TARGET[buf[at] as number] === 1) at++;
    }
    return at;
  }

  #version(buf: Buffer, line: number, at: number, end: number, limits: HeadLimits): number {
    if (end - at < VERSION_BYTES + 2) {
      if (indexOfLineFeed(buf, at, end) !== -1) return this.#brokenRequestLine(buf, line, end, limits);
      return this.#incompleteRequestLine(line, end, limits);
    }
    const lineEnd = at + VERSION_BYTES;
    if (buf[lineEnd] !== CR || buf[lineEnd + 1] !== LF || !equalsBytes(buf, at, 'HTTP/')) {
      return this.#brokenRequestLine(buf, line, end, limits);
    }
    if (lineEnd - line > limits.maxRequestLineBytes) return this.#fail('requestLineTooLong');
    const isVersion1 = buf[at + 5] === ONE && buf[at + 6] === DOT;
    const minor = (buf[at + 7] as number) - 48;
    if (!isVersion1 || (minor !== 0 && minor !== 1)) return this.#fail('badVersion');
    if (this.#queryStart !== -1) this.#queryStart -= line;
    this.head.minorVersion = minor;
    this.head.requestLineEnd = lineEnd - line;
    return lineEnd + 2;
  }

  #incompleteRequestLine(line: number, end: number, limits: HeadLimits): number {
    return end - line > limits.maxRequestLineBytes + 1 ? this.#fail('requestLineTooLong') : NEED_MORE;
  }

  #brokenRequestLine(buf: Buffer, line: number, end: number, limits: HeadLimits): number {
    const lineEnd = indexOfLineFeed(buf, line, end);
    if (lineEnd === -1) return this.#incompleteRequestLine(line, end, limits);
    const length = lineEnd - line - (buf[lineEnd - 1] === CR ? 1 : 0);
    return this.#fail(length > limits.maxRequestLineBytes ? 'requestLineTooLong' : 'badRequestLine');
  }

  #headers(buf: Buffer, start: number, end: number, limits: HeadLimits): number {
    const scanner = this.#scanner;
    const base = start + this.#base;
    let line = start + this.#line;
    for (;;) {
      if (line < end && buf[line] === CR) {
        if (line + 1 >= end) return this.#pause(start, line);
        if (buf[line + 1] !== LF) return this.#fail('badHeader');
        return this.#finish(buf, base, line + 2, limits);
      }
      const next = scanner.scanHeaderLine(buf, base, line, end, limits);
      if (next === NEED_MORE) return this.#pause(start, line);
      if (next === FAILED) return FAILED;
      if (++this.#headerCount > limits.maxHeaderCount) return this.#fail('tooManyHeaders');
      if (!this.#header(buf, base, line, next, limits)) return FAILED;
      line = next;
    }
  }

  #pause(start: number, line: number): number {
    this.#line = line - start;
    return NEED_MORE;
  }

  /** Notes what the line means to the proxy. False when it is a fault. */
  #header(buf: Buffer, base: number, line: number, next: number, limits: HeadLimits): boolean {
    const { head } = this;
    const scanner = this.#scanner;
    const { valueStart, valueEnd } = scanner;
    switch (identifyField(REQUEST_FIELDS, buf, scanner.nameStart, scanner.nameEnd)) {
      case Field.other:
        if (isNameForwarded(scanner.nameClasses, limits)) head.keep(line - base, next - base);
        return true;
      case Field.host:
        if (this.#hasHost) return this.#refuse('severalHosts');
        this.#hasHost = true;
        this.#hostLine = line - base;
        this.#hostStart = valueStart - base;
        this.#hostEnd = valueEnd - base;
        return true;
      case Field.contentLength:
        return this.#accept(this.#framing.addLength(buf, scanner));
      case Field.transferEncoding:
        return this.#accept(this.#framing.addCoding(buf, scanner));
      case Field.connection:
        head.connection.add(buf, valueStart, valueEnd);
        return !head.connection.isOverfull || this.#refuse('badHeader');
      case Field.upgrade:
        head.upgrade.set(valueStart - base, valueEnd - base);
        return true;
      case Field.te:
        head.acceptsTrailers = valueEnd - valueStart === 8 && equalsIgnoreCase(buf, valueStart, 'trailers');
        return true;
      case Field.expect:
        if (valueEnd - valueStart !== 12 || !equalsIgnoreCase(buf, valueStart, '100-continue'))
          return this.#refuse('badExpect');
        head.expectContinue = true;
        return true;
      case Field.xForwardedFor:
        head.keepEarlierForwardedFor();
        head.xForwardedFor.set(valueStart - base, valueEnd - base);
        return true;
      case Field.xForwardedHost:
        head.xForwardedHost.setFirst(valueStart - base, valueEnd - base);
        return true;
      case Field.xForwardedProto:
        head.xForwardedProto.setFirst(valueStart - base, valueEnd - base);
        return true;
      case Field.xForwardedPort:
        head.xForwardedPort.setFirst(valueStart - base, valueEnd - base);
        return true;
      case Field.xRequestId:
        // Kept out of the runs: of several lines the last one holds, and exactly one is sent.
        head.xRequestId.set(valueStart - base, valueEnd - base);
        return true;
      case Field.referer:
        head.referer.set(valueStart - base, valueEnd - base);
        head.keep(line - base, next - base);
        return true;
      case Field.userAgent:
        head.userAgent.set(valueStart - base, valueEnd - base);
        head.keep(line - base, next - base);
        return true;
      case Field.authorization:
        head.authorization.set(valueStart - base, valueEnd - base);
        head.keep(line - base, next - base);
        return true;
      case Field.trustedOnly:
        head.trustedRuns.push(line - base, next - base);
        return true;
      default:
        // Hop-by-hop, httpoxy, and headers that only the proxy may set: dropped.
        return true;
    }
  }

  /** Checks that need the whole head, and makes its strings. */
  #finish(buf: Buffer, base: number, next: number, limits: HeadLimits): number {
    const { head } = this;
    const framing = this.#framing;
    const fault = framing.check(head.minorVersion);
    if (fault !== null) return this.#fail(fault);
    if (framing.isChunked) head.contentLength = -1;
    else if (framing.length !== -1) head.contentLength = framing.length;
    head.text = buf.latin1Slice(base, next);
    head.method = methodName(head.text, this.#methodEnd);
    if (head.method === '') return this.#fail('badMethod');
    if (head.method === 'CONNECT' || head.method === 'TRACE') return this.#fail('methodNotAllowed');
    if (head.connection.named !== null) removeNamedLines(head, head.connection.named);
    if (!this.#finishTarget() || !this.#finishHost()) return FAILED;
    head.repeatKey = ++this.#parsed;
    head.linesKey = head.repeatKey;
    if (this.#base === 0) this.#repeated.remember(buf, base, next, limits, this.#hasHost ? this.#spots() : null);
    return next;
  }

  #spots(): RequestSpots {
    return {
      targetStart: this.#methodEnd + 1,
      targetEnd: this.#targetEnd,
      hostLine: this.#hostLine,
      hostStart: this.#hostStart,
      hostEnd: this.#hostEnd,
    };
  }

  #finishTarget(): boolean {
    const { head } = this;
    const from = this.#methodEnd + 1;
    head.target = head.text.slice(from, this.#targetEnd);
    if (head.target.charCodeAt(0) !== SLASH) return this.#absoluteForm();
    const rawPath = this.#queryStart === -1 ? head.target : head.target.slice(0, this.#queryStart - from);
    return this.#setPath(rawPath, this.#isPlain);
  }

  #setPath(rawPath: string, isPlain: boolean): boolean {
    const path = isPlain ? (rawPath as RequestPath) : normalizePath(rawPath);
    if (path === null) return this.#refuse('badPath');
    this.head.path = path;
    return true;
  }

  /** `http://authority/path`: the authority rules (RFC 9112 §3.2.2) and a Host that says otherwise is refused. */
  #absoluteForm(): boolean {
    const { head } = this;
    const match = /^https?:\/\/([^/?]+)([^?]*)(.*)$/i.exec(head.target);
    if (match === null) return this.#refuse('badTarget');
    const [, authority = '', path = '', query = ''] = match;
    const written = this.#hasHost ? head.text.slice(this.#hostStart, this.#hostEnd) : authority;
    if (written.toLowerCase() !== authority.toLowerCase()) return this.#refuse('hostMismatch');
    head.rawHost = authority;
    head.target = `${path === '' ? '/' : path}${query}`;
    return this.#setPath(path === '' ? '/' : path, false);
  }

  #finishHost(): boolean {
    const { head } = this;
    if (!this.#hasHost && head.minorVersion === 1) return this.#refuse('missingHost');
    // An absolute-form target has set it already.
    if (this.#hasHost && head.rawHost === '') head.rawHost = head.text.slice(this.#hostStart, this.#hostEnd);
    // An http URI without a host is invalid (RFC 9110 §4.2.1); only HTTP/1.0 may leave the header out.
    if (this.#hasHost && head.rawHost === '') return this.#refuse('badHost');
    // An unchanged Host on a kept-alive connection is the common case: it is parsed once.
    if (head.rawHost === this.#lastRawHost) {
      head.host = this.#lastHost;
      return true;
    }
    const host = parseAuthority(head.rawHost);
    if (host === null) return this.#refuse('badHost');
    head.host = host;
    this.#lastRawHost = head.rawHost;
    this.#lastHost = host;
    return true;
  }

  #fail(fault: HeadFault): typeof FAILED {
    return this.#scanner.fail(fault);
  }

  #accept(fault: HeadFault | null): boolean {
    return fault === null || this.#refuse(fault);
  }

  #refuse(fault: HeadFault): false {
    this.#scanner.fail(fault);
    return false;
  }
}

/**
 * One shared string per common method: comparing them later is comparing pointers. '' for one that nginx refuses too:
 * methods are case-sensitive (RFC 9110 §9.1), and an origin that reads `head` as HEAD frames its response differently.
 */
function methodName(text: string, end: number): string {
  if (end === 3 && text.startsWith('GET')) return 'GET';
  if (end === 4 && text.startsWith('POST')) return 'POST';
  if (end === 4 && text.startsWith('HEAD')) return 'HEAD';
  for (let i = 0; i < end; i++) if (!isMethodChar(text.charCodeAt(i))) return '';
  return text.slice(0, end);
}
