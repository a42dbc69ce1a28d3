// The per-annotation validators that `--enable-annotation-validation` switches, as in ingress-nginx's
// `parser/validators.go` and the parsers beside it.
//
// A validator takes the text as written and says what is wrong with it, or null. The patterns accept the same texts as
// the originals, but are rewritten where those nest repetitions: Go matches them in linear time, JavaScript does not.

import { integerFrom } from './types.ts';

/** Says why the text is refused, as the end of `value "x" ...`; null when it is fine. */
export type Validator = (text: string) => string | null;

interface PatternOptions {
  /** Leave spaces out before matching (ingress-nginx `ValidateRegex(..., true)`). */
  readonly ignoreSpaces: boolean;
}

/** Whole-text match. Line breaks are always refused: they could start a new nginx directive in the original. */
export function pattern(regex: RegExp, describe: string, { ignoreSpaces }: PatternOptions): Validator {
  return (text) => {
    const subject = ignoreSpaces ? text.replaceAll(' ', '') : text;
    if (/[\r\n]/.test(subject)) return 'holds a line break';
    return regex.test(subject) ? null : `holds characters that are not allowed (${describe})`;
  };
}

const SPACES_IGNORED: PatternOptions = { ignoreSpaces: true };
const SPACES_COUNT: PatternOptions = { ignoreSpaces: false };

/** Letters, digits and `-._~/:`; for names, `ns/name` references and plain paths. */
export const basicChars = pattern(/^[-._~a-zA-Z0-9/:]*$/, 'letters, digits and -._~/:', SPACES_IGNORED);
/** `basicChars` plus spaces. */
export const charsWithSpace = pattern(/^[-._~a-zA-Z0-9/: ]*$/, 'letters, digits, spaces and -._~/:', SPACES_COUNT);
/** `basicChars` plus comma and space. */
export const extendedChars = pattern(/^[-._~a-zA-Z0-9/:, ]*$/, 'letters, digits, spaces and -._~/:,', SPACES_COUNT);
/** URLs without user information and without variables. */
export const urlChars = pattern(/^[-._~a-zA-Z0-9/:,?&=]*$/, 'letters, digits and -._~/:,?&=', SPACES_IGNORED);
/** As `urlChars`, spaces refused (redirect targets). */
export const urlCharsNoSpace = pattern(/^[-._~a-zA-Z0-9/:,?&=]*$/, 'letters, digits and -._~/:,?&=', SPACES_COUNT);
/** URLs that may hold nginx variables. */
export const urlWithVariables = pattern(/^[-._~a-zA-Z0-9/:,?&=$]*$/, 'letters, digits and -._~/:,?&=$', SPACES_IGNORED);
/** nginx variables and plain words. */
export const variableChars = pattern(/^[A-Za-z0-9_${}-]*$/, 'letters, digits, -, _, $ and braces', SPACES_IGNORED);
/** Paths with captures: `/something/$1`. */
export const pathWithCaptures = pattern(/^[-._~a-zA-Z0-9/:$]*$/, 'letters, digits and -._~/:$', SPACES_COUNT);
/** Comma list of header names. */
export const headerList = pattern(/^[A-Za-z0-9_,-]*$/, 'letters, digits and -_,', SPACES_IGNORED);
/** Characters of a regular expression over paths and names. */
export const regexChars = pattern(
  /^[-._~a-zA-Z0-9/:^$[\](){}*+?|&=\\]*$/,
  'letters, digits and regex signs',
  SPACES_COUNT,
);
/** OpenSSL cipher string of a host. */
export const cipherString = pattern(
  /^(?:[A-Za-z0-9!:+_-]|@STRENGTH|@SECLEVEL=[0-5])*$/,
  'an OpenSSL cipher string',
  SPACES_IGNORED,
);
/** OpenSSL cipher string towards upstreams, without `@` commands. */
export const upstreamCipherString = pattern(/^[A-Za-z0-9+:_!-]*$/, 'an OpenSSL cipher string', SPACES_IGNORED);
/** File name of `fastcgi-index`. */
export const fileName = pattern(/^[A-Za-z0-9._-]+$/, 'letters, digits and ._-', SPACES_IGNORED);
/** `opentelemetry-operation-name`. */
export const operationName = pattern(/^[A-Za-z0-9_-]*$/, 'letters, digits and _-', SPACES_IGNORED);
/** Letters and separators: `cors-allow-methods`. Original: `^([A-Za-z]+,?\s?)+$`. */
export const methodList = pattern(
  /^[A-Za-z]+(?:(?:,\s?|\s)[A-Za-z]+)*(?:,\s?|\s)?$/,
  'a list of methods',
  SPACES_IGNORED,
);
/** Header names or `*`: `cors-expose-headers`. Original: `^(([A-Za-z0-9\-\_]+|\*),?\s?)+$`. */
export const exposedHeaders = pattern(
  /^[A-Za-z0-9_*-]+(?:(?:,\s?|\s)[A-Za-z0-9_*-]+)*(?:,\s?|\s)?$/,
  'a list of header names',
  SPACES_IGNORED,
);
/** `@name`, path or URL: `auth-tls-error-page`. */
export const errorPage = pattern(
  /^(?:@[A-Za-z0-9_-]+|(?:(?:https?:\/\/)?[A-Za-z0-9.-]+(?::\d+)?)?(?:\/[A-Za-z0-9._-]+)*\/?)$/,
  'a URL, a path or @name',
  SPACES_IGNORED,
);
/** Digits and one of nginx's size letters; `b` passes here and is only refused when the value is read. */
export const sizeGrammar = pattern(/^\d+[bkmg]?$/i, 'digits, then b, k, m, g or nothing', SPACES_IGNORED);
/** `off` or two host patterns: `proxy-cookie-domain`. */
export const cookieDomainPair = pattern(
  /^(?:off|[-._~a-zA-Z0-9/:]+\s+[-._~a-zA-Z0-9/:]+)$/,
  '"off" or two names',
  SPACES_COUNT,
);
/** Starts with `basic` or `digest` somewhere: nginx reads the first word it knows (`auth-type`). */
export const authType: Validator = (text) => (/basic|digest/.test(text) ? null : 'names neither basic nor digest');

/** Each entry of a comma list must hold only the characters of a server name pattern: `server-alias`. */
export const serverNames: Validator = (text) => {
  for (const name of text.split(',')) {
    const why = regexChars(name.trim());
    if (why !== null) return why;
  }
  return null;
};

/** One server name pattern: `upstream-vhost`, `mirror-target`, `proxy-ssl-name`. */
export const serverName: Validator = (text) => regexChars(text.trim());

/** Path of a probe: absolute, printable, no fragment. */
export const probePath = pattern(/^\/[!"$-~]*$/, 'a path that starts with /', SPACES_COUNT);
/** One host name or address, with or without port. */
export const hostName = pattern(/^[A-Za-z0-9._:[\]-]+$/, 'letters, digits and -._:[]', SPACES_COUNT);

/** DNS-1035 label, as the API server wants it of a Service name. */
export const serviceName: Validator = (text) =>
  /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(text) ? null : 'is not a Service name (DNS-1035 label)';

/** `CN=` and a regular expression: `auth-tls-match-cn`. */
export const commonName: Validator = (text) => {
  if (!text.startsWith('CN=')) return 'does not start with CN=';
  return isRegex(text.slice('CN='.length)) ? null : 'holds an invalid regular expression after CN=';
};

/** True when JavaScript can compile the expression. RE2 and PCRE differ in details; the common part is what is used. */
export function isRegex(source: string): boolean {
  try {
    new RegExp(source);
    return true;
  } catch {
    return false;
  }
}

/** Go's `Atoi` as a validator in front of a text type. */
export const integerText: Validator = (text) => {
  const parsed = integerFrom(Number.MIN_SAFE_INTEGER).parse(text);
  return parsed.ok ? null : parsed.why;
};
