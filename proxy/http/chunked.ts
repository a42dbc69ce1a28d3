// Decodes a chunked body (RFC 9112 §7.1) incrementally, and names what of the bytes is payload.
//
// PURE. One strict reading: hex digits only (at most 12), CRLF only, extensions bounded and free of control bytes, one
// bounded trailer section. The decoder never copies: `next` gives ranges of the caller's buffer.

import { CR, FIELD_VALUE, HEX_VALUE, LF, SEMICOLON } from './bytes.ts';
import { Field, identifyField, REQUEST_FIELDS } from './field-names.ts';
import { FAILED, type HeadLimits, HeadScanner, NEED_MORE } from './head-scanner.ts';

/** What `next` met. `data`: payload in `[dataStart, dataEnd)`. `more`: all bytes are used up. */
export type ChunkEvent = 'data' | 'more' | 'end' | 'fault';

const MAX_SIZE_DIGITS = 12;
/** Of one chunk. Signatures of S3's streaming uploads, the longest in use, take about 90. */
const MAX_EXTENSION_BYTES = 1024;
/**
 * Extension bytes of a body beyond its payload so far. Extensions are dropped, so a client that sends more of them than
 * payload only makes us work (CVE-2023-39326: unbounded extensions). Payload earns them: a long upload never runs out.
 */
const MAX_EXCESS_EXTENSION_BYTES = 16 * 1024;

const State = { size: 0, extension: 1, sizeLf: 2, data: 3, dataCr: 4, dataLf: 5, trailer: 6, done: 7 } as const;

export class ChunkedDecoder {
  dataStart = 0;
  dataEnd = 0;
  /** Where the decoder stopped reading: behind what the last event covers. */
  position = 0;
  /** Trailer field lines, latin1, each with CRLF; '' when there are none. Complete at `end`. */
  trailers = '';
  #state: number = State.size;
  #size = 0;
  #digits = 0;
  #extensionBytes = 0;
  #excessExtensionBytes = 0;
  #remaining = 0;
  #trailerTail: Buffer | null = null;
  readonly #scanner = new HeadScanner();

  reset(): void {
    this.#state = State.size;
    this.#size = 0;
    this.#digits = 0;
    this.#extensionBytes = 0;
    this.#excessExtensionBytes = 0;
    this.#remaining = 0;
    this.trailers = '';
    this.#trailerTail = null;
  }

  get isDone(): boolean {
    return this.#state === State.done;
  }

  /** Reads on from `start`. Call again from `position` after `data`, with new bytes after `more`. */
  next(buf: Buffer, start: number, end: number, limits: HeadLimits): ChunkEvent {
    let at = start;
    while (at < end) {
      if (this.#state === State.data) return this.#data(at, end);
      if (this.#state === State.trailer) return this.#trailer(buf, at, end, limits);
      if (!this.#framingByte(buf[at] as number)) return 'fault';
      at++;
    }
    this.position = at;
    return this.#state === State.done ? 'end' : 'more';
  }

  #data(at: number, end: number): ChunkEvent {
    const take = Math.min(this.#remaining, end - at);
    this.#remaining -= take;
    if (this.#remaining === 0) this.#state = State.dataCr;
    this.dataStart = at;
    this.dataEnd = at + take;
    this.position = at + take;
    return 'data';
  }

  #framingByte(byte: number): boolean {
    switch (this.#state) {
      case State.size:
        return this.#sizeByte(byte);
      case State.extension:
        return this.#extensionByte(byte);
      case State.sizeLf:
        this.#beginChunk();
        return byte === LF;
      case State.dataCr:
        this.#state = State.dataLf;
        return byte === CR;
      case State.dataLf:
        this.#state = State.size;
        this.#size = 0;
        this.#digits = 0;
        return byte === LF;
      default:
        return false;
    }
  }

  #sizeByte(byte: number): boolean {
    const digit = HEX_VALUE[byte] as number;
    if (digit !== 0xff) {
      this.#size = this.#size * 16 + digit;
      return ++this.#digits <= MAX_SIZE_DIGITS;
    }
    if (this.#digits === 0) return false;
    if (byte === CR) this.#state = State.sizeLf;
    else if (byte === SEMICOLON) {
      this.#state = State.extension;
      this.#extensionBytes = 0;
    } else return false;
    return true;
  }

  #extensionByte(byte: number): boolean {
    if (byte === CR) {
      this.#state = State.sizeLf;
      return true;
    }
    this.#excessExtensionBytes++;
    return (
      FIELD_VALUE[byte] === 1 &&
      ++this.#extensionBytes <= MAX_EXTENSION_BYTES &&
      this.#excessExtensionBytes <= MAX_EXCESS_EXTENSION_BYTES
    );
  }

  #beginChunk(): void {
    this.#remaining = this.#size;
    if (this.#excessExtensionBytes !== 0)
      this.#excessExtensionBytes = Math.max(0, this.#excessExtensionBytes - this.#size);
    this.#state = this.#size === 0 ? State.trailer : State.data;
  }

  /** Trailer lines are rare and small: an unfinished line is kept and read again with what follows. */
  #trailer(buf: Buffer, start: number, end: number, limits: HeadLimits): ChunkEvent {
    const kept = this.#trailerTail;
    const bytes = kept === null ? buf : Buffer.concat([kept, buf.subarray(start, end)]);
    let line = kept === null ? start : 0;
    const bytesEnd = kept === null ? end : bytes.length;
    for (;;) {
      const rest = bytesEnd - line;
      if (rest >= 2 && bytes[line] === CR && bytes[line + 1] === LF) {
        this.#state = State.done;
        this.#trailerTail = null;
        this.position = end - (rest - 2);
        return 'end';
      }
      if (rest === 0 || (rest === 1 && bytes[line] === CR)) break;
      const next = this.#scanner.scanHeaderLine(bytes, line, line, bytesEnd, limits);
      if (next === FAILED) return 'fault';
      if (next === NEED_MORE) break;
      if (this.#isFramingTrailer(bytes)) return 'fault';
      this.trailers += bytes.latin1Slice(line, next);
      if (this.trailers.length > limits.maxHeadBytes) return 'fault';
      line = next;
    }
    this.#trailerTail = Buffer.from(bytes.subarray(line, bytesEnd));
    this.position = end;
    return 'more';
  }

  /** A trailer that talks about framing comes from an attacker or a broken program (RFC 9110 §6.5.1). */
  #isFramingTrailer(bytes: Buffer): boolean {
    const field = identifyField(REQUEST_FIELDS, bytes, this.#scanner.nameStart, this.#scanner.nameEnd);
    return field === Field.contentLength || field === Field.transferEncoding;
  }
}

/**
 * Keeps the trailer fields that may be forwarded: framing, routing, authentication and connection fields must not come
 * in a trailer (RFC 9110 §6.5.1). Gives lines with CRLF, '' when nothing is left.
 */
export function filterTrailers(lines: string): string {
  if (lines === '') return '';
  let out = '';
  for (const line of lines.split('\r\n')) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    if (name !== '' && !FORBIDDEN_TRAILERS.test(name)) out += `${line}\r\n`;
  }
  return out;
}

const FORBIDDEN_TRAILERS =
  /^(transfer-encoding|content-(length|encoding|type|range)|trailer|host|connection|keep-alive|te|upgrade|proxy-.*|cache-control|expect|max-forwards|pragma|range|if-.*|authorization|www-authenticate|set-cookie|cookie|age|date|expires|location|retry-after|vary|warning|server|strict-transport-security)$/;
