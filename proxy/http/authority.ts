// Parses a Host header or the authority of an absolute-form target (RFC 9110 §4.2.1, §7.2).
//
// PURE. Out: the name used for routing - lower case, without port and trailing dot - or null when the text is not an
// authority, which is answered 400. Userinfo is refused (RFC 9110 §4.2.4).

import { DOT } from './bytes.ts';

/** A host as routing sees it. Only `parseAuthority` and `plainName` make one. An IPv6 literal keeps its brackets. */
export type HostName = string & { readonly __brand: 'HostName' };

const MAX_HOST_LENGTH = 255;

/** Bytes of a reg-name that a host name can have; upper case is folded, `_` is seen in the wild and harmless. */
const NAME_CHAR = /^[A-Za-z0-9._~!$&'()*+,;=-]+$/;

/** Bytes of names that `parseAuthority` gives back as they are, but for dots: lower-case letters, digits, `-`, `_`. */
const PLAIN_NAME = Uint8Array.from({ length: 256 }, (_, code) =>
  /[a-z0-9_-]/.test(String.fromCharCode(code)) ? 1 : 0,
);

/**
 * The end of the name at `start`, when `parseAuthority` gives that name back as it is, as nearly every Host; `start` when
 * it does not, or may not. What stands behind the name is for the caller to look at.
 */
export function endOfPlainName(buf: Uint8Array, start: number, end: number): number {
  let at = start;
  let previous = DOT;
  while (at < end) {
    const byte = buf[at] as number;
    if (PLAIN_NAME[byte] !== 1 && (byte !== DOT || previous === DOT)) break;
    previous = byte;
    at++;
  }
  return previous === DOT || at - start > MAX_HOST_LENGTH ? start : at;
}

/** A name that `endOfPlainName` has found. */
export function plainName(text: string): HostName {
  return text as HostName;
}

/** Reads `host`, `host:port` or `[v6]:port`. The port is checked and dropped. '' (an empty Host, RFC 9112 §3.2) gives ''. */
export function parseAuthority(text: string): HostName | null {
  if (text === '') return '' as HostName;
  if (text.charCodeAt(0) === 91 /* [ */) return parseBracketed(text);
  const colon = text.indexOf(':');
  const host = colon === -1 ? text : text.slice(0, colon);
  if (colon !== -1 && !isPort(text, colon + 1)) return null;
  return normalizeName(host);
}

function normalizeName(host: string): HostName | null {
  if (host.length === 0 || host.length > MAX_HOST_LENGTH) return null;
  const kind = scanName(host);
  if (kind === 'invalid') return null;
  const lower = kind === 'upper' ? host.toLowerCase() : host;
  const end = lower.charCodeAt(lower.length - 1) === 46 ? lower.length - 1 : lower.length;
  if (end === 0) return null;
  return (end === lower.length ? lower : lower.slice(0, end)) as HostName;
}

function scanName(host: string): 'plain' | 'upper' | 'invalid' {
  let kind: 'plain' | 'upper' = 'plain';
  let previous = 46;
  for (let i = 0; i < host.length; i++) {
    const code = host.charCodeAt(i);
    if (code === 46 && previous === 46) return 'invalid';
    if (code >= 65 && code <= 90) kind = 'upper';
    else if (
      !((code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code === 45 || code === 46 || code === 95)
    ) {
      if (!NAME_CHAR.test(host)) return 'invalid';
    }
    previous = code;
  }
  return kind;
}

function parseBracketed(text: string): HostName | null {
  const close = text.indexOf(']');
  if (close < 3 || close > 46) return null;
  for (let i = 1; i < close; i++) if (!/[0-9A-Fa-f:.]/.test(text[i] as string)) return null;
  if (close + 1 === text.length) return text.toLowerCase() as HostName;
  if (text.charCodeAt(close + 1) !== 58 || !isPort(text, close + 2)) return null;
  return text.slice(0, close + 1).toLowerCase() as HostName;
}

/** `port` of RFC 3986 §3.2.3 is *DIGIT: it may be empty. */
function isPort(text: string, from: number): boolean {
  if (text.length - from > 5) return false;
  let port = 0;
  for (let i = from; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}
