// Character classes of HTTP/1.1 as byte tables, and the few byte comparisons that the parsers share.
//
// PURE. A table look-up per byte is what makes parsing in JavaScript as cheap as a native call would be.

declare global {
  interface Buffer {
    /** Node's own fast path behind `toString('latin1', start, end)`: on every Buffer, but missing in its types. */
    latin1Slice(start?: number, end?: number): string;
  }
}

/**
 * `tchar` of RFC 9110 §5.6.2: methods and header names. 0 is not a tchar; the underscore, and what is neither letter, digit
 * nor hyphen, carry one bit more, so that a scan notices them for free.
 */
export const TOKEN = tokenTable();
/** The class of letters, digits and the hyphen. */
export const TOKEN_PLAIN = 1;
/** The bit that an underscore adds to the classes of a scanned name. */
export const TOKEN_UNDERSCORE = 2;
/** The bit of `.`, `~`, `!` and the like. */
export const TOKEN_UNUSUAL = 4;

/** Bytes of a field value: HTAB, SP, VCHAR and obs-text (RFC 9110 §5.5). CR, LF, NUL and other controls are not. */
export const FIELD_VALUE = table((code) => code === 9 || (code >= 0x20 && code !== 0x7f));

/**
 * Bytes of a request target: no control, no space, no DEL, no `#` (a fragment is never sent, RFC 9112 §3.2). Wider than
 * RFC 3986 on purpose: nginx lets clients send raw `"<>{}|` and UTF-8, and users depend on it.
 */
export const TARGET = table((code) => code > 0x20 && code !== 0x7f && code !== 0x23);

/** Value of a hexadecimal digit, 0xff for any other byte. */
export const HEX_VALUE = hexTable();

export const HT = 9;
export const LF = 10;
export const CR = 13;
export const SP = 32;
export const PERCENT = 37;
export const COMMA = 44;
export const DOT = 46;
export const SLASH = 47;
export const ONE = 49;
export const COLON = 58;
export const SEMICOLON = 59;
export const QUESTION = 63;

/** True when `buf[start..]` equals the lower-case ASCII `word` letter by letter, ignoring case. The caller has compared lengths. */
export function equalsIgnoreCase(buf: Uint8Array, start: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    const byte = buf[start + i] as number;
    const lower = byte >= 65 && byte <= 90 ? byte | 0x20 : byte;
    if (lower !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** True when `buf[start..]` equals the ASCII `text` exactly. */
export function equalsBytes(buf: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (buf[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

function table(matches: (code: number) => boolean): Uint8Array {
  const out = new Uint8Array(256);
  for (let code = 0; code < 256; code++) out[code] = matches(code) ? 1 : 0;
  return out;
}

function tokenTable(): Uint8Array {
  const out = table((code) => /[-0-9A-Za-z]/.test(String.fromCharCode(code)));
  for (const char of "!#$%&'*+.^`|~") out[char.charCodeAt(0)] = 1 | 4;
  out['_'.charCodeAt(0)] = 1 | 2;
  return out;
}

function hexTable(): Uint8Array {
  const out = new Uint8Array(256).fill(0xff);
  for (let digit = 0; digit < 16; digit++) {
    out[digit.toString(16).charCodeAt(0)] = digit;
    out[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
  }
  return out;
}
