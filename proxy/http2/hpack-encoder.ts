// Encodes response and request heads as header blocks (RFC 7541), straight from HTTP/1.1 header text.
//
// PURE. In: a status and lines `Name: value` with CRLF, latin1. Out: bytes. Lines that responses of one server share
// (Server, Content-Type, Cache-Control ...) go through the dynamic table and cost one map look-up and one byte; lines that
// are new each time, and secrets, are literals. Names become lower case (RFC 9113 §8.2.1), and fields that HTTP/2 does
// not know are left out (§8.2.2).

import { BlockMemory } from './block-memory.ts';
import { huffmanEncode, huffmanLength } from './huffman.ts';
import { STATIC_ENTRIES, STATIC_NAMES } from './static-table.ts';

/** The most we use of what the peer's SETTINGS_HEADER_TABLE_SIZE offers. */
const MAX_TABLE_BYTES = 4096;
/** A larger entry would push too many others out. */
const MAX_ENTRY_BYTES = 512;

/** How a field is written. */
type Indexing = 'incremental' | 'none' | 'never';

/** Values that differ from response to response: they would only push others out of the table. */
const UNSHARED = new Set([
  'content-length',
  'etag',
  'last-modified',
  'location',
  'content-range',
  'content-disposition',
  'age',
  'expires',
  'x-request-id',
  'traceparent',
  'link',
  'grpc-timeout',
]);
/** Values worth guessing: kept out of every table on the way (RFC 7541 §7.1.3). */
const SECRET = new Set(['set-cookie', 'cookie', 'www-authenticate', 'authorization', 'proxy-authenticate']);
/** Connection-specific: not in HTTP/2 (RFC 9113 §8.2.2; sec-websocket-accept: RFC 8441 §5). */
const NOT_SENT = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
  'sec-websocket-accept',
]);

/** What a request says in pseudo-header fields (RFC 9113 §8.3.1). */
export interface RequestPseudo {
  method: string;
  isHttps: boolean;
  authority: string;
  path: string;
  /** Paths repeat (names of gRPC methods), so they are worth a place in the table; and `te: trailers` is sent. */
  isGrpc: boolean;
}

interface Entry {
  readonly line: string;
  readonly size: number;
}

export class HpackEncoder {
  /** Number of the insertion that put a line into the table; numbers start at 0 and never repeat. */
  readonly #insertions = new Map<string, number>();
  /** Oldest first, from `#first`. */
  #entries: Entry[] = [];
  #first = 0;
  #inserted = 0;
  #tableBytes = 0;
  #limit = MAX_TABLE_BYTES;
  /** The smallest limit since the last block, and whether the peer must be told (RFC 7541 §4.2). */
  #smallestLimit = MAX_TABLE_BYTES;
  #mustTell = false;
  /** Heads and trailers take turns, so each has its own. */
  readonly #lastHead = new BlockMemory();
  readonly #lastTrailers = new BlockMemory();

  /** Bytes in the dynamic table, as RFC 7541 §4.1 counts them. */
  get tableBytes(): number {
    return this.#tableBytes;
  }

  /** Takes the peer's SETTINGS_HEADER_TABLE_SIZE over; the next block tells it. */
  setPeerLimit(bytes: number): void {
    const limit = Math.min(bytes, MAX_TABLE_BYTES);
    if (limit === this.#limit) return;
    this.#limit = limit;
    this.#smallestLimit = Math.min(this.#smallestLimit, limit);
    this.#mustTell = true;
    this.#evictTo(limit);
    this.#lastHead.clear();
    this.#lastTrailers.clear();
  }

  /** Room that the block of these lines needs at most. */
  static roomFor(lines: string): number {
    return lines.length * 2 + 64;
  }

  /**
   * Writes a block at `at` and gives the position behind it. `status` 0 is for trailers, which have no pseudo-header
   * field. `lines` from `from` up to its end or an empty line.
   */
  encode(status: number, lines: string, from: number, out: Buffer, at: number): number {
    const memory = status === 0 ? this.#lastTrailers : this.#lastHead;
    const start = this.#mustTell ? this.#tellLimit(out, at) : at;
    const isAgain = memory.isAgain(status, lines, from);
    if (isAgain) {
      const behind = memory.write(this.#inserted, out, start);
      if (behind !== -1) return behind;
    }
    const insertedBefore = this.#inserted;
    const next = status === 0 ? start : encodeStatus(status, out, start);
    const end = this.#lines(lines, from, out, next);
    if (isAgain && this.#inserted === insertedBefore) memory.keep(insertedBefore, out, start, end);
    return end;
  }

  /** Writes the block of a request; `lines` from `from` on as for `encode`. Needs room for `roomFor` all of its head. */
  encodeRequest(request: RequestPseudo, lines: string, from: number, out: Buffer, at: number): number {
    let next = this.#mustTell ? this.#tellLimit(out, at) : at;
    next = encodeMethod(request.method, out, next);
    out[next++] = request.isHttps ? 0x87 : 0x86;
    next = this.#shared(':authority', request.authority, out, next);
    next = this.#path(request, out, next);
    if (request.isGrpc) next = this.#shared('te', 'trailers', out, next);
    return this.#lines(lines, from, out, next);
  }

  #path({ path, isGrpc }: RequestPseudo, out: Buffer, at: number): number {
    if (isGrpc) return this.#shared(':path', path, out, at);
    if (path === '/') {
      out[at] = 0x84;
      return at + 1;
    }
    // Literal without indexing, name 4.
    out[at] = 4;
    return encodeString(path, false, out, at + 1);
  }

  /** A field of our own that goes through the table. */
  #shared(name: string, value: string, out: Buffer, at: number): number {
    const line = `${name}: ${value}\r\n`;
    const insertion = this.#insertions.get(line);
    if (insertion === undefined) return this.#field(line, name, value, out, at);
    return encodeInteger(0x80, 7, STATIC_ENTRIES + this.#inserted - insertion, out, at);
  }

  #lines(lines: string, from: number, out: Buffer, at: number): number {
    let next = at;
    let line = from;
    for (;;) {
      const lineFeed = lines.indexOf('\n', line);
      if (lineFeed === -1 || lineFeed - line < 3) return next;
      next = this.#line(lines.slice(line, lineFeed + 1), out, next);
      line = lineFeed + 1;
    }
  }

  #line(line: string, out: Buffer, at: number): number {
    const insertion = this.#insertions.get(line);
    if (insertion !== undefined) {
      return encodeInteger(0x80, 7, STATIC_ENTRIES + this.#inserted - insertion, out, at);
    }
    const colon = line.indexOf(':');
    if (colon < 1) return at;
    const name = line.slice(0, colon).toLowerCase();
    if (NOT_SENT.has(name)) return at;
    let start = colon + 1;
    let end = line.length - 2;
    while (start < end && isBlank(line.charCodeAt(start))) start++;
    while (end > start && isBlank(line.charCodeAt(end - 1))) end--;
    return this.#field(line, name, line.slice(start, end), out, at);
  }

  #field(line: string, name: string, value: string, out: Buffer, at: number): number {
    const size = name.length + value.length + 32;
    const indexing = this.#indexingOf(name, size);
    const nameIndex = STATIC_NAMES.get(name) ?? 0;
    let next: number;
    if (indexing === 'incremental') next = encodeInteger(0x40, 6, nameIndex, out, at);
    else next = encodeInteger(indexing === 'never' ? 0x10 : 0, 4, nameIndex, out, at);
    // What is sent once in a while is worth its Huffman code; what is sent each time is cheaper as it stands.
    const isHuffman = indexing === 'incremental';
    if (nameIndex === 0) next = encodeString(name, isHuffman, out, next);
    next = encodeString(value, isHuffman, out, next);
    if (isHuffman) this.#insert(line, size);
    return next;
  }

  #indexingOf(name: string, size: number): Indexing {
    if (SECRET.has(name)) return 'never';
    if (size > MAX_ENTRY_BYTES || size > this.#limit || UNSHARED.has(name)) return 'none';
    return 'incremental';
  }

  #insert(line: string, size: number): void {
    this.#evictTo(this.#limit - size);
    // A copy: the line is a slice, and would keep the whole head it came from alive.
    const own = Buffer.from(line, 'latin1').latin1Slice();
    this.#entries.push({ line: own, size });
    this.#insertions.set(own, this.#inserted);
    this.#inserted++;
    this.#tableBytes += size;
  }

  #evictTo(bytes: number): void {
    while (this.#tableBytes > bytes) {
      const { line, size } = this.#entries[this.#first] as Entry;
      this.#first++;
      this.#tableBytes -= size;
      this.#insertions.delete(line);
    }
    // The array is cut now and then, not at each eviction.
    if (this.#first > 64) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }

  #tellLimit(out: Buffer, at: number): number {
    let next = at;
    if (this.#smallestLimit < this.#limit) next = encodeInteger(0x20, 5, this.#smallestLimit, out, next);
    this.#mustTell = false;
    this.#smallestLimit = this.#limit;
    return encodeInteger(0x20, 5, this.#limit, out, next);
  }
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

function encodeMethod(method: string, out: Buffer, at: number): number {
  if (method === 'GET' || method === 'POST') {
    out[at] = method === 'GET' ? 0x82 : 0x83;
    return at + 1;
  }
  // Literal without indexing, name 2.
  out[at] = 2;
  return encodeString(method, false, out, at + 1);
}

function encodeStatus(status: number, out: Buffer, at: number): number {
  switch (status) {
    case 200:
      out[at] = 0x88;
      return at + 1;
    case 204:
      out[at] = 0x89;
      return at + 1;
    case 206:
      out[at] = 0x8a;
      return at + 1;
    case 304:
      out[at] = 0x8b;
      return at + 1;
    case 400:
      out[at] = 0x8c;
      return at + 1;
    case 404:
      out[at] = 0x8d;
      return at + 1;
    case 500:
      out[at] = 0x8e;
      return at + 1;
    default:
      // Literal without indexing, name 8.
      out[at] = 8;
      return encodeString(String(status), false, out, at + 1);
  }
}

/** Writes an integer behind `pattern` (RFC 7541 §5.1). */
export function encodeInteger(pattern: number, prefixBits: number, value: number, out: Buffer, at: number): number {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    out[at] = pattern | value;
    return at + 1;
  }
  out[at] = pattern | mask;
  let next = at + 1;
  let rest = value - mask;
  while (rest >= 0x80) {
    out[next++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[next++] = rest;
  return next;
}

/** Writes a string literal; `mayShrink` uses the Huffman code where it is shorter (RFC 7541 §5.2). */
export function encodeString(text: string, mayShrink: boolean, out: Buffer, at: number): number {
  if (mayShrink) {
    const length = huffmanLength(text);
    if (length < text.length) return huffmanEncode(text, out, encodeInteger(0x80, 7, length, out, at));
  }
  const next = encodeInteger(0, 7, text.length, out, at);
  return next + out.latin1Write(text, next);
}
