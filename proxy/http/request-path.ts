// Normalises a request path for route matching, the way nginx does (`ngx_http_parse_complex_uri`, merge_slashes on):
// %XX decoded once, `//` merged, `.` and `..` resolved. The original target is what goes upstream.
//
// PURE. Input is the path part of an origin-form target, without query. `\` and `;` have no special meaning, as in nginx
// on Unix. A path that cannot be normalised is null: the request is answered 400.

import { DOT, HEX_VALUE, PERCENT, SLASH } from './bytes.ts';

/** A decoded, normalised request path. Only `normalizePath` makes one. */
export type RequestPath = string & { readonly __brand: 'RequestPath' };

/**
 * Gives the normalised path, or null for a bad escape, an encoded NUL, or `..` above the root. `raw` holds one char per
 * byte (latin1), starting with `/`.
 */
export function normalizePath(raw: string): RequestPath | null {
  const decoded = decodeEscapes(raw);
  if (decoded === null) return null;
  const resolved = resolveSegments(decoded.bytes, decoded.length);
  if (resolved < 0) return null;
  const bytes = Buffer.from(decoded.bytes.buffer, 0, resolved);
  return bytes.toString('utf8') as RequestPath;
}

function decodeEscapes(raw: string): { bytes: Uint8Array; length: number } | null {
  const bytes = new Uint8Array(raw.length);
  let out = 0;
  for (let i = 0; i < raw.length; i++) {
    const code = raw.charCodeAt(i);
    if (code !== PERCENT) {
      bytes[out++] = code;
      continue;
    }
    const high = HEX_VALUE[raw.charCodeAt(i + 1)] ?? 0xff;
    const low = HEX_VALUE[raw.charCodeAt(i + 2)] ?? 0xff;
    if (high === 0xff || low === 0xff) return null;
    const byte = (high << 4) | low;
    if (byte === 0) return null;
    bytes[out++] = byte;
    i += 2;
  }
  return { bytes, length: out };
}

/** Merges slashes and resolves dot segments in place; gives the new length, -1 when `..` leaves the root. */
function resolveSegments(bytes: Uint8Array, length: number): number {
  let out = 1;
  let i = 1;
  while (i < length) {
    let end = i;
    while (end < length && bytes[end] !== SLASH) end++;
    const isLast = end === length;
    if (isDots(bytes, i, end, 2)) {
      if (out === 1) return -1;
      out--;
      while (bytes[out - 1] !== SLASH) out--;
    } else if (end > i && !isDots(bytes, i, end, 1)) {
      bytes.copyWithin(out, i, end);
      out += end - i;
      if (!isLast) bytes[out++] = SLASH;
    }
    i = end + 1;
  }
  return out;
}

function isDots(bytes: Uint8Array, start: number, end: number, count: number): boolean {
  if (end - start !== count) return false;
  for (let i = start; i < end; i++) if (bytes[i] !== DOT) return false;
  return true;
}
