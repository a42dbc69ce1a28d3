// A decoded header field, and what its name means to a proxy that speaks HTTP/2 on one side and HTTP/1.1 on the other.
//
// PURE. Names and values are judged once, when they are made. A field that stays in a dynamic table is therefore judged
// once per connection, not once per request, and its HTTP/1.1 line is made once as well.

import { FIELD_VALUE, HT, SP, TOKEN, TOKEN_PLAIN } from '../http/bytes.ts';
import { identifyField, REQUEST_FIELDS } from '../http/field-names.ts';

/** Kinds beyond those of `Field`, which are used for all names that HTTP/1.1 knows too. */
export const NameKind = {
  method: 101,
  scheme: 102,
  authority: 103,
  path: 104,
  /** RFC 8441 §4. */
  protocol: 105,
  /** `:status` and unknown pseudo-header fields: never valid in a request. */
  otherPseudo: 106,
  /** RFC 9113 §8.2.2: a message that has one is malformed. */
  connectionSpecific: 107,
  cookie: 108,
  /** RFC 9218 §5. */
  priority: 109,
  /** Upper case, not a token, or empty. */
  invalid: 110,
} as const;

const PSEUDO: Readonly<Record<string, number>> = {
  ':method': NameKind.method,
  ':scheme': NameKind.scheme,
  ':authority': NameKind.authority,
  ':path': NameKind.path,
  ':protocol': NameKind.protocol,
};

const COLON = 58;

/** A field name: lower-case text and its kind, a `Field` or a `NameKind`. */
export class HeaderName {
  readonly text: string;
  readonly kind: number;
  /** Classes of `TOKEN` that the name is made of: see `isNameForwarded`. */
  readonly classes: number;

  /** Reads the name in `buf[start..end)`. */
  constructor(buf: Buffer, start: number, end: number) {
    this.text = buf.latin1Slice(start, end);
    if (buf[start] === COLON && end > start) {
      this.kind = PSEUDO[this.text] ?? NameKind.otherPseudo;
      this.classes = TOKEN_PLAIN;
      return;
    }
    this.classes = nameClasses(buf, start, end);
    this.kind = this.classes === 0 ? NameKind.invalid : kindOfToken(this.text, buf, start, end);
  }
}

/** One field: name, value, and the line it is in HTTP/1.1. */
export class HeaderField {
  readonly name: HeaderName;
  readonly value: string;
  /** False when RFC 9113 §8.2.1 forbids the value: control bytes, or white space around it. */
  readonly isValueValid: boolean;
  /** `name: value` with CRLF. */
  readonly line: string;

  /** Reads the value in `buf[start..end)`. */
  constructor(name: HeaderName, buf: Buffer, start: number, end: number) {
    this.name = name;
    this.value = buf.latin1Slice(start, end);
    this.isValueValid = isFieldValue(buf, start, end);
    this.line = `${name.text}: ${this.value}\r\n`;
  }

  /** Size as tables and lists count it (RFC 7541 §4.1). */
  get size(): number {
    return this.name.text.length + this.value.length + 32;
  }
}

/** Makes a field from two latin1 strings. */
export function headerFieldOf(name: string, value: string): HeaderField {
  const nameBytes = Buffer.from(name, 'latin1');
  const valueBytes = Buffer.from(value, 'latin1');
  return new HeaderField(new HeaderName(nameBytes, 0, nameBytes.length), valueBytes, 0, valueBytes.length);
}

/** Character classes of a lower-case token; 0 when it is none (RFC 9113 §8.2.1; stricter, as RFC 9110 §5.6.2 is). */
function nameClasses(buf: Uint8Array, start: number, end: number): number {
  let classes = 0;
  for (let at = start; at < end; at++) {
    const byte = buf[at] as number;
    const kind = TOKEN[byte] as number;
    if (kind === 0 || (byte >= 65 && byte <= 90)) return 0;
    classes |= kind;
  }
  return classes;
}

function kindOfToken(text: string, buf: Uint8Array, start: number, end: number): number {
  switch (text) {
    case 'connection':
    case 'keep-alive':
    case 'proxy-connection':
    case 'transfer-encoding':
    case 'upgrade':
      return NameKind.connectionSpecific;
    case 'cookie':
      return NameKind.cookie;
    case 'priority':
      return NameKind.priority;
    default:
      return identifyField(REQUEST_FIELDS, buf, start, end) as number;
  }
}

function isFieldValue(buf: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  const first = buf[start];
  const last = buf[end - 1];
  if (first === SP || first === HT || last === SP || last === HT) return false;
  for (let at = start; at < end; at++) if (FIELD_VALUE[buf[at] as number] === 0) return false;
  return true;
}

/** True for kinds of pseudo-header fields. */
export function isPseudo(kind: number): boolean {
  return kind >= NameKind.method && kind <= NameKind.otherPseudo;
}
