// The affinity cookie as text: read from a Cookie header, written as a Set-Cookie value. ingress-nginx's format, so that
// sessions survive a change to Sluice and back: `<key>|<tag>`.
//
// The key says which endpoint; the tag says which upstream gave it, so that a client stays on the canary or off it. Both
// are hashes or random: the cookie shows no address of the cluster.

import { hash } from 'node:crypto';
import type { AffinityCookie } from '../table/route-settings.ts';

/** What a cookie says. `tag` is '' in one that has none. */
export interface AffinityValue {
  readonly key: string;
  readonly tag: string;
}

/** The tag of an upstream: md5 of (md5 of its id, then its id), as ingress-nginx computes it. */
export function affinityTag(upstreamId: string): string {
  return hash('md5', hash('md5', upstreamId) + upstreamId);
}

/** The key that names an endpoint in `persistent` mode: md5 of upstream id and `address:port`, as ingress-nginx's. */
export function persistentKey(upstreamId: string, endpointKey: string): string {
  return hash('md5', upstreamId + endpointKey);
}

/**
 * Finds the affinity cookie in a Cookie header; null when it has none. Of several cookies of that name the one with the
 * tag `wantedTag` counts, since cookies of two paths may come together; without such a one the last, as in ingress-nginx.
 */
export function readAffinityCookie(header: string, name: string, wantedTag: string): AffinityValue | null {
  let found: AffinityValue | null = null;
  for (let at = 0; at < header.length; ) {
    const end = endOfPair(header, at);
    const value = valueBetween(header, at, end, name);
    if (value !== null) {
      found = splitValue(value);
      if (found.tag === wantedTag) return found;
    }
    at = end + 1;
  }
  return found;
}

function endOfPair(header: string, from: number): number {
  const end = header.indexOf(';', from);
  return end === -1 ? header.length : end;
}

/** The value of the pair between `start` and `end` when it has that name. Names are case-sensitive (RFC 6265 §5.4). */
function valueBetween(header: string, start: number, end: number, name: string): string | null {
  let from = start;
  while (from < end && (header[from] === ' ' || header[from] === '\t')) from++;
  if (!header.startsWith(name, from) || header[from + name.length] !== '=') return null;
  return header.slice(from + name.length + 1, end).trim();
}

function splitValue(value: string): AffinityValue {
  const at = value.indexOf('|');
  if (at === -1) return { key: value, tag: '' };
  const second = value.indexOf('|', at + 1);
  return { key: value.slice(0, at), tag: value.slice(at + 1, second === -1 ? undefined : second) };
}

/** What the attributes depend on beside the settings. */
export interface CookieRequest {
  readonly isHttps: boolean;
  /** '' without one. */
  readonly userAgent: string;
  /** Wall clock, milliseconds; any number for a cookie without `expiresSeconds`. */
  readonly nowMs: number;
}

/**
 * The Set-Cookie lines (RFC 6265 §4.1) of one upstream's clients, attributes in ingress-nginx's order. What stands around
 * the key is the same for all clients of a second, and is rendered once for them.
 */
export class AffinityCookieLines {
  /** Says in the cookie which upstream gave it. */
  readonly tag: string;
  readonly #cookie: AffinityCookie;
  readonly #begin: string;
  /** What follows the key, by scheme and by what the browser makes of SameSite; '' until somebody needs it. */
  readonly #ends = ['', '', '', ''];
  #second = 0;

  constructor(cookie: AffinityCookie, tag: string) {
    this.tag = tag;
    this.#cookie = cookie;
    this.#begin = `Set-Cookie: ${cookie.name}=`;
  }

  /** The line that binds a client to the endpoint of `key`, with CRLF. */
  line(key: string, request: CookieRequest): string {
    if (this.#cookie.expiresSeconds !== null) this.#forgetAfterSecond(request.nowMs);
    const sameSite = sameSiteFor(this.#cookie, request.userAgent);
    const kind = (request.isHttps ? 1 : 0) + (sameSite === null ? 2 : 0);
    let end = this.#ends[kind] as string;
    if (end === '') {
      end = `|${this.tag}${attributes(this.#cookie, sameSite, request)}\r\n`;
      this.#ends[kind] = end;
    }
    return this.#begin + key + end;
  }

  #forgetAfterSecond(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second === this.#second) return;
    this.#second = second;
    this.#ends.fill('');
  }
}

function attributes(cookie: AffinityCookie, sameSite: AffinityCookie['sameSite'], request: CookieRequest): string {
  const { path, domain, expiresSeconds, maxAgeSeconds } = cookie;
  let text = '';
  if (expiresSeconds !== null) text += `; Expires=${cookieDate(request.nowMs + expiresSeconds * 1000)}`;
  if (maxAgeSeconds !== null) text += `; Max-Age=${maxAgeSeconds}`;
  if (domain !== null) text += `; Domain=${domain}`;
  text += `; Path=${path}`;
  if (cookie.secure || request.isHttps) text += '; Secure';
  text += '; HttpOnly';
  return sameSite === null ? text : `${text}; SameSite=${sameSite}`;
}

function sameSiteFor(cookie: AffinityCookie, userAgent: string): AffinityCookie['sameSite'] {
  const { sameSite, conditionalSameSiteNone } = cookie;
  return sameSite === 'None' && conditionalSameSiteNone && mishandlesSameSiteNone(userAgent) ? null : sameSite;
}

/**
 * Browsers that refuse a cookie with SameSite=None, or take it for Strict (chromium.org, "SameSite=None: Known
 * Incompatible Clients"); the same list as ingress-nginx's, with its coarse Chrome/4 to Chrome/6. Deviation: a version
 * of three digits (Chrome/4xx to 6xx, which will come) is not taken for an old one.
 */
export function mishandlesSameSiteNone(userAgent: string): boolean {
  if (/Chrome\/[456](\d?\.|\d?$)/.test(userAgent)) return true;
  if (userAgent.includes('CPU iPhone OS 12') || userAgent.includes('iPad; CPU OS 12')) return true;
  const isMojave = userAgent.includes('Macintosh') && userAgent.includes('Intel Mac OS X 10_14');
  return isMojave && userAgent.includes('Safari') && !userAgent.includes('Chrome');
}

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** The largest time of a Date. */
const lastDateMs = 8.64e15;

/**
 * `Mon, 02-Jan-06 15:04:05 GMT`; from 2038 on with four digits of the year, as nginx writes it. What is before 1970 is
 * past all the same, and would be read as the next century with two digits.
 */
function cookieDate(atMs: number): string {
  const date = new Date(Math.max(0, Math.min(atMs, lastDateMs)));
  const two = (value: number) => `${value}`.padStart(2, '0');
  const year = date.getUTCFullYear();
  const shown = year > 2037 ? `${year}` : two(year % 100);
  const day = `${days[date.getUTCDay()]}, ${two(date.getUTCDate())}-${months[date.getUTCMonth()]}-${shown}`;
  return `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} GMT`;
}
