// Decodes header blocks (RFC 7541 §3, §5, §6).
//
// PURE. In: one complete block. Out: fields, one call each, to a sink. The dynamic table holds ready-made HeaderFields, so
// an indexed field costs one array look-up. Nothing is allocated for a list beyond its limit: the block is walked to its
// end only to keep the table in step with the peer's (RFC 7541 §4.1), without handing out a field.

import { HeaderField, HeaderName } from './header-field.ts';
import { huffmanDecode } from './huffman.ts';
import { STATIC_ENTRIES, STATIC_TABLE } from './static-table.ts';

/** Who takes the fields of a block. */
export interface HeaderSink {
  onField(field: HeaderField): void;
}

/** Our SETTINGS_HEADER_TABLE_SIZE: the initial value. */
export const DECODER_TABLE_BYTES = 4096;
/** Smallest ring; a power of two. An entry has at least 32 bytes of overhead, so 128 is the largest. */
const MIN_RING = 16;
/** No length or index of a block within our limits needs more. */
const MAX_INTEGER = 1 << 21;

export class HpackDecoder {
  /** The fields of the block just decoded are larger than the limit; those beyond it were not handed out. */
  isListTooLarge = false;
  readonly #scratch: Buffer;
  #ring: Array<HeaderField | null> = [];
  #newest = 0;
  #count = 0;
  #tableBytes = 0;
  #tableLimit = DECODER_TABLE_BYTES;
  #listBytes = 0;
  #maxListBytes = 0;
  #at = 0;
  #end = 0;
  // Where `#readString` has put a string.
  #text: Buffer;
  #textStart = 0;
  #textEnd = 0;

  /** `scratch` takes decoded strings for the time of a call, and may be shared: 8/5 of the largest block. */
  constructor(scratch: Buffer) {
    this.#scratch = scratch;
    this.#text = scratch;
  }

  /** Bytes in the dynamic table, as RFC 7541 §4.1 counts them. */
  get tableBytes(): number {
    return this.#tableBytes;
  }

  /**
   * Decodes `buf[start..end)`. False is a COMPRESSION_ERROR: the table can no longer be trusted and the connection must
   * end. `maxListBytes` counts names, values and 32 bytes for each field (RFC 9113 §6.5.2).
   */
  decode(buf: Buffer, start: number, end: number, maxListBytes: number, sink: HeaderSink): boolean {
    this.#at = start;
    this.#end = end;
    this.#listBytes = 0;
    this.#maxListBytes = maxListBytes;
    this.isListTooLarge = false;
    let mayResize = true;
    while (this.#at < end) {
      const byte = buf[this.#at] as number;
      if (byte >= 0x80) {
        if (!this.#indexed(buf, sink)) return false;
      } else if (byte >= 0x40) {
        if (!this.#literal(buf, 6, sink)) return false;
      } else if (byte >= 0x20) {
        // Only at the start of a block (§4.2).
        if (!mayResize || !this.#resize(buf)) return false;
        continue;
      } else if (!this.#literal(buf, 4, sink)) return false;
      mayResize = false;
    }
    return true;
  }

  #indexed(buf: Buffer, sink: HeaderSink): boolean {
    const index = this.#readInteger(buf, 7);
    const field = this.#fieldAt(index);
    if (field === null) return false;
    this.#hand(field, sink);
    return true;
  }

  /** `prefixBits` 6: the field enters the table; 4: it does not (§6.2.1, §6.2.2, §6.2.3). */
  #literal(buf: Buffer, prefixBits: 4 | 6, sink: HeaderSink): boolean {
    const index = this.#readInteger(buf, prefixBits);
    if (index < 0) return false;
    let name: HeaderName;
    if (index === 0) {
      if (!this.#readString(buf)) return false;
      name = new HeaderName(this.#text, this.#textStart, this.#textEnd);
    } else {
      const named = this.#fieldAt(index);
      if (named === null) return false;
      name = named.name;
    }
    if (!this.#readString(buf)) return false;
    const size = name.text.length + this.#textEnd - this.#textStart + 32;
    const isKept = prefixBits === 6 && size <= this.#tableLimit;
    // Too large for the table empties it (§4.4).
    if (prefixBits === 6 && !isKept) this.#evictTo(0);
    if (!isKept && this.#listBytes + size > this.#maxListBytes) {
      this.isListTooLarge = true;
      return true;
    }
    const field = new HeaderField(name, this.#text, this.#textStart, this.#textEnd);
    if (isKept) this.#insert(field);
    this.#hand(field, sink);
    return true;
  }

  #hand(field: HeaderField, sink: HeaderSink): void {
    this.#listBytes += field.size;
    if (this.#listBytes > this.#maxListBytes) this.isListTooLarge = true;
    else sink.onField(field);
  }

  #resize(buf: Buffer): boolean {
    const limit = this.#readInteger(buf, 5);
    if (limit < 0 || limit > DECODER_TABLE_BYTES) return false;
    this.#tableLimit = limit;
    this.#evictTo(limit);
    return true;
  }

  #fieldAt(index: number): HeaderField | null {
    if (index <= 0) return null;
    if (index <= STATIC_ENTRIES) return STATIC_TABLE[index] as HeaderField;
    const age = index - STATIC_ENTRIES - 1;
    if (age >= this.#count) return null;
    return this.#ring[(this.#newest - age) & (this.#ring.length - 1)] as HeaderField;
  }

  #insert(field: HeaderField): void {
    const { size } = field;
    this.#evictTo(this.#tableLimit - size);
    if (this.#count === this.#ring.length) this.#grow();
    this.#newest = (this.#newest + 1) & (this.#ring.length - 1);
    this.#ring[this.#newest] = field;
    this.#count++;
    this.#tableBytes += size;
  }

  #evictTo(bytes: number): void {
    while (this.#tableBytes > bytes) {
      const oldest = (this.#newest - this.#count + 1) & (this.#ring.length - 1);
      this.#tableBytes -= (this.#ring[oldest] as HeaderField).size;
      this.#ring[oldest] = null;
      this.#count--;
    }
  }

  #grow(): void {
    const old = this.#ring;
    const length = Math.max(MIN_RING, old.length * 2);
    const ring: Array<HeaderField | null> = new Array<HeaderField | null>(length).fill(null);
    // Oldest first, so that the newest ends at count - 1.
    for (let i = 0; i < this.#count; i++) {
      ring[i] = old[(this.#newest - this.#count + 1 + i) & (old.length - 1)] as HeaderField;
    }
    this.#ring = ring;
    this.#newest = this.#count - 1;
  }

  /** Reads an integer (§5.1); -1 when it is cut short or larger than anything we allow. */
  #readInteger(buf: Buffer, prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (buf[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      if (this.#at >= this.#end || shift > 21) return -1;
      const byte = buf[this.#at++] as number;
      value += (byte & 0x7f) << shift;
      if (value > MAX_INTEGER) return -1;
      if (byte < 0x80) return value;
    }
  }

  /** Reads a string literal (§5.2) and says where its bytes are. */
  #readString(buf: Buffer): boolean {
    if (this.#at >= this.#end) return false;
    const isHuffman = (buf[this.#at] as number) >= 0x80;
    const length = this.#readInteger(buf, 7);
    const start = this.#at;
    if (length < 0 || length > this.#end - start) return false;
    this.#at = start + length;
    if (!isHuffman) {
      this.#text = buf;
      this.#textStart = start;
      this.#textEnd = start + length;
      return true;
    }
    // More than the scratch takes cannot come: the block is limited.
    if (length * 8 > this.#scratch.length * 5) return false;
    const decoded = huffmanDecode(buf, start, start + length, this.#scratch, 0);
    this.#text = this.#scratch;
    this.#textStart = 0;
    this.#textEnd = decoded;
    return decoded >= 0;
  }
}
