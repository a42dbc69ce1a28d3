// Values of headers, cookies and query parameters that nobody looks at in most requests, found in the text of a head.
//
// PURE. Runs only on routes whose settings ask for a name, so nothing is indexed beforehand. No regular expression and
// no list of parts: an attacker chooses the text.

import { equalsText } from './text-compare.ts';

/**
 * The value of a header in the text of a request head: lines of one name joined by `joint`, '' when there is none.
 * `name` is lower case. Linear in the text.
 */
export function headerValue(text: string, name: string, joint = ', '): string {
  let found = '';
  let line = text.indexOf('\n') + 1;
  while (line > 0 && line < text.length) {
    const next = text.indexOf('\n', line) + 1;
    const end = next === 0 ? text.length : next - 1;
    const colon = line + name.length;
    if (colon < end && text.charCodeAt(colon) === COLON && equalsText(text, line, colon, name)) {
      const value = text.slice(colon + 1, end).trim();
      found = found === '' ? value : `${found}${joint}${value}`;
    }
    line = next;
  }
  return found;
}

/** The first cookie of a name in a Cookie header (RFC 6265 §5.4), '' when there is none. Names are case-sensitive. */
export function cookieValue(cookies: string, name: string): string {
  return fieldOf(cookies, SEMICOLON, name, false);
}

/** The first query parameter of a name in a target, as written; '' when there is none. `name` is lower case, any case fits. */
export function argumentValue(target: string, name: string): string {
  const query = queryOf(target);
  return query === '' ? '' : fieldOf(query, AMPERSAND, name, true);
}

/** The part behind the first `?`, '' when there is none. */
export function queryOf(target: string): string {
  const mark = target.indexOf('?');
  return mark === -1 ? '' : target.slice(mark + 1);
}

const COLON = 58;
const SEMICOLON = 59;
const AMPERSAND = 38;
const EQUALS = 61;
const SPACE = 32;

/** Value of the first `name=value` among fields that `separator` parts. */
function fieldOf(text: string, separator: number, name: string, anyCase: boolean): string {
  let start = 0;
  while (start < text.length) {
    while (text.charCodeAt(start) === SPACE) start++;
    let end = start;
    while (end < text.length && text.charCodeAt(end) !== separator) end++;
    const behindName = start + name.length;
    if (behindName < end && text.charCodeAt(behindName) === EQUALS) {
      const isSame = anyCase ? equalsText(text, start, behindName, name) : text.startsWith(name, start);
      if (isSame) return text.slice(behindName + 1, end).trimEnd();
    }
    start = end + 1;
  }
  return '';
}
