// How the text of an annotation or a ConfigMap key becomes a value. Every record names one of these types.
//
// In: the text as it stands in the object. Out: a value, or why not (the end of "value "x" ..."). No type throws, and
// none uses a regular expression that can back-track badly: whoever may write an Ingress chooses the text.

import { parseCidr } from './cidr.ts';
import { MAX_TIMER_MS } from './durations.ts';
import type { Parsed, Risk, ValueType } from './record.ts';

function ok<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

function no(why: string): { readonly ok: false; readonly why: string } {
  return { ok: false, why };
}

/** Trims each line, as ingress-nginx does with every string value (`parser/main.go`, `normalizeString`). */
export function trimLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .join('\n')
    .trim();
}

const TRUE_WORDS = new Set(['1', 't', 'T', 'true', 'True', 'TRUE']);
const FALSE_WORDS = new Set(['0', 'f', 'F', 'false', 'False', 'FALSE']);

/** Go's `strconv.ParseBool`: no white space, no `yes`, no `on`. */
export const bool: ValueType<boolean> = {
  describe: 'bool',
  range: { kind: 'bool' },
  parse: (text) => {
    if (TRUE_WORDS.has(text)) return ok(true);
    if (FALSE_WORDS.has(text)) return ok(false);
    return no('is not a bool (true or false)');
  },
};

/** Go's `strconv.Atoi`: optional sign and decimal digits, nothing else. Beyond 2^53 it is refused, unlike Go's 2^63. */
export const integer: ValueType<number> = {
  describe: 'integer',
  range: { kind: 'numbers', isWhole: true, min: null, max: null },
  parse: (text) => {
    if (!/^[+-]?\d+$/.test(text)) return no('is not a whole number');
    const value = Number(text);
    // `+ 0` turns -0 into 0, so that equal settings give equal JSON and equal comparisons.
    return Number.isSafeInteger(value) ? ok(value + 0) : no('is out of range');
  },
};

/** An integer with a lowest and, where given, a highest value, both included. */
export function integerFrom(
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
  describe: string = max === Number.MAX_SAFE_INTEGER ? `integer, ${min} or more` : `integer, ${min} to ${max}`,
): ValueType<number> {
  return {
    describe,
    range: { kind: 'numbers', isWhole: true, min, max: max === Number.MAX_SAFE_INTEGER ? null : max },
    parse: (text) => {
      const parsed = integer.parse(text);
      if (!parsed.ok) return parsed;
      if (parsed.value < min) return no(`is below ${min}`);
      return parsed.value > max ? no(`is above ${max}`) : parsed;
    },
  };
}

/** Whole seconds, 0 allowed. */
export const seconds: ValueType<number> = integerFrom(0, undefined, 'seconds');

/**
 * Whole seconds, at least 1.
 * Deviation: nginx takes 0 for these time limits and then fails every request at once; here 0 is an invalid value.
 */
export const secondsFromOne: ValueType<number> = integerFrom(1, undefined, 'seconds, 1 or more');

/** An HTTP status between two codes, both included. */
export function statusCode(min: number, max: number): ValueType<number> {
  return integerFrom(min, max, `status code ${min} to ${max}`);
}

/** Decimal fraction, e.g. a sampling ratio. */
export const fraction: ValueType<number> = {
  describe: 'number from 0 to 1',
  parse: (text) => {
    if (!/^(?:\d+(?:\.\d+)?|\.\d+)$/.test(text)) return no('is not a decimal number');
    const value = Number(text);
    return value <= 1 ? ok(value) : no('is above 1');
  },
};

/** A decimal number with a lowest and a highest value, both included. */
export function decimalFrom(min: number, max: number): ValueType<number> {
  return {
    describe: `number from ${min} to ${max}`,
    range: { kind: 'numbers', isWhole: false, min, max },
    parse: (text) => {
      if (!/^\d{1,9}(?:\.\d{1,9})?$/.test(text)) return no('is not a decimal number');
      const value = Number(text);
      if (value < min) return no(`is below ${min}`);
      return value > max ? no(`is above ${max}`) : ok(value);
    },
  };
}

/** Any text, trimmed line by line. */
export const text: ValueType<string> = { describe: 'text', parse: (value) => ok(trimLines(value)) };

/** Text with a name of its own in the documentation. */
export function textNamed(describe: string): ValueType<string> {
  return { describe, parse: text.parse };
}

/** Raw nginx or rule text. It may hold credentials, so it is never quoted. */
export const rawText: ValueType<string> = { describe: 'raw text', parse: text.parse, sensitive: true };

/** Key material. */
export const secretText: ValueType<string> = { describe: 'base64 key', parse: text.parse, sensitive: true };

/** One of some words, exactly as written after trimming. */
export function oneOf<const W extends string>(words: readonly W[]): ValueType<W> {
  return {
    describe: words.map((word) => `\`${word}\``).join(' or '),
    range: { kind: 'words', words, many: false },
    parse: (value) => {
      const trimmed = value.trim();
      const word = words.find((candidate) => candidate === trimmed);
      return word === undefined ? no(`is not one of ${words.join(', ')}`) : ok(word);
    },
  };
}

/** One of some words in any case; the value is the word as listed. */
export function oneOfAnyCase<const W extends string>(words: readonly W[]): ValueType<W> {
  return {
    describe: `${words.map((word) => `\`${word}\``).join(' or ')} (any case)`,
    range: { kind: 'words', words, many: false },
    parse: (value) => {
      const wanted = value.trim().toLowerCase();
      const word = words.find((candidate) => candidate.toLowerCase() === wanted);
      return word === undefined ? no(`is not one of ${words.join(', ')}`) : ok(word);
    },
  };
}

export type OnOff = 'on' | 'off';
export const onOff: ValueType<OnOff> = oneOf(['on', 'off']);

/** Annotation risk levels in rising order. */
export const RISK_LEVELS: readonly Risk[] = ['Low', 'Medium', 'High', 'Critical'];
export const risk: ValueType<Risk> = oneOfAnyCase(['Low', 'Medium', 'High', 'Critical']);

/** Words separated by white space, each from a list; duplicates are dropped, the order of the list is kept. */
export function wordList<const W extends string>(words: readonly W[]): ValueType<readonly W[]> {
  return {
    describe: `words: ${words.join(' ')}`,
    range: { kind: 'words', words, many: true },
    parse: (value) => {
      const given = new Set(value.split(/\s+/).filter((word) => word !== ''));
      const found = words.filter((word) => given.has(word));
      if (given.size === 0) return no('names no word');
      return found.length === given.size ? ok(found) : no(`holds a word that is not one of ${words.join(', ')}`);
    },
  };
}

/** Comma separated entries, trimmed, empty ones dropped. The empty text is the empty list. */
export const list: ValueType<readonly string[]> = { describe: 'comma list', parse: (value) => ok(splitList(value)) };

/** A comma list with a name of its own in the documentation. */
export function listNamed(describe: string): ValueType<readonly string[]> {
  return { describe, parse: list.parse };
}

function splitList(value: string): string[] {
  return value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

/** A comma list whose every entry must be good; `entry` gives the value or null. */
function listOf<T>(describe: string, entryName: string, entry: (text: string) => T | null): ValueType<readonly T[]> {
  return {
    describe,
    parse: (value) => {
      const values: T[] = [];
      for (const [index, part] of splitList(value).entries()) {
        const parsed = entry(part);
        if (parsed === null) return no(`has an entry that is not ${entryName} (number ${index + 1})`);
        values.push(parsed);
      }
      return ok(values);
    },
  };
}

/** Comma list of IP addresses and CIDR blocks; the value holds `address/length` only. */
export const cidrList: ValueType<readonly string[]> = listOf(
  'comma list of CIDR',
  'an IP address or CIDR block',
  parseCidr,
);

/** Comma list of status codes between two codes, both included. */
export function statusList(min: number, max: number): ValueType<readonly number[]> {
  return listOf(`comma list of status codes ${min} to ${max}`, `a status code from ${min} to ${max}`, (entry) => {
    const code = /^\d{3}$/.test(entry) ? Number(entry) : 0;
    return code >= min && code <= max ? code : null;
  });
}

/** Comma list of header names. */
export const headerNames: ValueType<readonly string[]> = listOf(
  'comma list of header names',
  'a header name',
  (entry) => (/^[A-Za-z0-9_-]+$/.test(entry) ? entry : null),
);

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** nginx size in bytes: digits and `k`, `m` or `g` in any case. `b`, which ingress-nginx's validator lets pass, is refused. */
export const size: ValueType<number> = {
  describe: 'size (`8k`, `1m`, `1g`)',
  parse: (value) => {
    const found = /^(\d+)([kmg]?)$/.exec(value.trim().toLowerCase());
    if (found === null) return no('is not a size (digits, then k, m, g or nothing)');
    const bytes = Number(found[1]) * (SIZE_UNITS[found[2] ?? ''] ?? 1);
    return Number.isSafeInteger(bytes) ? ok(bytes) : no('is out of range');
  },
  render: renderSize,
};

/** Shortest nginx size of this many bytes: 1048576 is `1m`. */
function renderSize(bytes: number): string {
  for (const unit of ['g', 'm', 'k'] as const) {
    const factor = SIZE_UNITS[unit] ?? 1;
    if (bytes > 0 && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}

/** `n size` of nginx buffers: how many, and bytes of each. Both at least 1. */
export interface BufferSettings {
  readonly count: number;
  readonly bytes: number;
}

export const buffers: ValueType<BufferSettings> = {
  describe: '`number size`',
  parse: (value) => {
    const [count = '', each = '', ...rest] = value.trim().split(/\s+/);
    const parsedCount = integerFrom(1).parse(count);
    const parsedSize = size.parse(each);
    if (rest.length > 0 || !parsedCount.ok || !parsedSize.ok || parsedSize.value === 0) {
      return no('is not a number and a size, e.g. "4 8k"');
    }
    return ok({ count: parsedCount.value, bytes: parsedSize.value });
  },
  render: ({ count, bytes }) => `${count} ${renderSize(bytes)}`,
};

const SECOND_MS = 1000;
const NGINX_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND_MS,
  '': SECOND_MS,
  m: 60 * SECOND_MS,
  h: 3600 * SECOND_MS,
  d: 86_400 * SECOND_MS,
  w: 7 * 86_400 * SECOND_MS,
  M: 30 * 86_400 * SECOND_MS,
  y: 365 * 86_400 * SECOND_MS,
};

/** nginx time (`240s`, `1h 30m`, a bare number is seconds), in milliseconds. nginx docs, "Configuration file measurement units". */
export const nginxTime: ValueType<number> = {
  describe: 'time (`240s`, `1h 30m`)',
  range: { kind: 'times', hasNone: true },
  parse: (value) => {
    const trimmed = value.trim();
    if (trimmed === '' || !/^(?:\d+(?:ms|[smhdwMy])\s*)*(?:\d+)?$/.test(trimmed))
      return no('is not a time such as 30s or 1h');
    let ms = 0;
    for (const [, amount, unit = ''] of trimmed.matchAll(/(\d+)(ms|[smhdwMy])?/g)) {
      ms += Number(amount) * (NGINX_UNITS_MS[unit] ?? SECOND_MS);
    }
    return Number.isSafeInteger(ms) ? ok(ms) : no('is out of range');
  },
  render: renderTime,
};

function renderTime(ms: number): string {
  return ms % SECOND_MS === 0 ? `${ms / SECOND_MS}s` : `${ms}ms`;
}

/** As `nginxTime`, but not zero and not longer than a timer can run. */
export const timeFromOne: ValueType<number> = {
  ...nginxTime,
  range: { kind: 'times', hasNone: false },
  parse: (value) => {
    const parsed = nginxTime.parse(value);
    if (!parsed.ok) return parsed;
    if (parsed.value === 0) return no('is no time at all');
    return parsed.value > MAX_TIMER_MS ? no('is out of range') : parsed;
  },
};

/** Statuses from `min` to `max`, both included. */
export interface StatusRange {
  readonly min: number;
  readonly max: number;
}

/** `200` or `200-399`. */
export const statusRange: ValueType<StatusRange> = {
  describe: 'status code or range (`200-399`)',
  parse: (value) => {
    const [, low = '', high = low] = /^(\d{3})(?:-(\d{3}))?$/.exec(value.trim()) ?? [];
    const [min, max] = [Number(low), Number(high)];
    if (low === '' || min < 100 || max > 599) return no('is not a status code or range from 100 to 599');
    return min > max ? no('is a range that ends before it starts') : ok({ min, max });
  },
  render: ({ min, max }) => (min === max ? String(min) : `${min}-${max}`),
};

const GO_UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: SECOND_MS, m: 60 * SECOND_MS, h: 3600 * SECOND_MS };

/** Go's `time.ParseDuration` without sign and without units below a millisecond, in milliseconds. */
export const goDuration: ValueType<number> = {
  describe: 'duration (`5s`, `1m30s`)',
  parse: (value) => {
    if (value === '0') return ok(0);
    if (!/^(?:\d+(?:\.\d+)?(?:ms|[smh]))+$/.test(value)) return no('is not a duration such as 5s or 1m30s');
    let ms = 0;
    for (const [, amount, unit = ''] of value.matchAll(/(\d+(?:\.\d+)?)(ms|[smh])/g)) {
      ms += Number(amount) * (GO_UNITS_MS[unit] ?? 0);
    }
    return Number.isFinite(ms) ? ok(Math.round(ms)) : no('is out of range');
  },
  render: renderTime,
};

/** Also accepts the empty text, as null: a key that is unset by default. */
export function optional<T>(type: ValueType<T>): ValueType<T | null> {
  return {
    ...type,
    parse: (value) => (value.trim() === '' ? ok(null) : type.parse(value)),
    render: (value) => renderValue(type, value),
  };
}

/** Text of a value for documentation and messages: `unset` for null, `empty` for the empty text or list. */
export function renderValue<T>(type: ValueType<T>, value: T | null): string {
  if (value === null) return 'unset';
  if (type.render !== undefined) return type.render(value);
  const rendered = Array.isArray(value) ? value.join(', ') : String(value);
  return rendered === '' ? 'empty' : rendered;
}
