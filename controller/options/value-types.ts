// The kinds of value a flag can have, with Go's spelling rules where ingress-nginx's flags have them: an argument list
// that works there must mean the same here. Pure text in, value or reason out; nothing throws.

import type { Parsed } from '../compile/settings/record.ts';
import * as settingTypes from '../compile/settings/types.ts';
import type { FlagType } from './flag.ts';

/** The words of Go's `strconv.ParseBool`. */
export const bool: FlagType<boolean> = { placeholder: '', repeatable: false, parse: settingTypes.bool.parse };

export const text: FlagType<string> = { placeholder: 'TEXT', repeatable: false, parse: value };

/** A folder or file name; whether it exists is checked by the command that uses it. */
export const path: FlagType<string> = { placeholder: 'PATH', repeatable: false, parse: value };

/** `namespace/name` of an object, or '' for none. */
export const objectKey: FlagType<string> = {
  placeholder: 'NS/NAME',
  repeatable: false,
  parse: (input) => {
    if (input === '' || /^[a-z0-9]([-a-z0-9]*[a-z0-9])?\/[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(input))
      return value(input);
    return bad('is not of the form namespace/name');
  },
};

/** A TCP port. 0 lets the system choose a free one. */
export const port: FlagType<number> = numberType('PORT', 0, 65_535, 'is not a port (0 to 65535)');

/** `:8443`, `127.0.0.1:8443`, `[::1]:8443` or `name:8443`; '' for none. */
export const listenAddress: FlagType<string> = {
  placeholder: 'HOST:PORT',
  repeatable: false,
  parse: (input) =>
    input === '' || splitListenAddress(input) !== null
      ? value(input)
      : bad('is not an address to listen on (such as :8443 or [::1]:8443)'),
};

/** Reads a listen address. `host` is '' for every address; null when the text is none, or empty. */
export function splitListenAddress(input: string): { readonly host: string; readonly port: number } | null {
  const [, ipv6, name = '', digits = ''] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]*)):(\d+)$/.exec(input) ?? [];
  const parsed = port.parse(digits);
  return parsed.ok ? { host: ipv6 ?? name, port: parsed.value } : null;
}

/** A whole number of seconds. */
export const seconds: FlagType<number> = numberType('SECONDS', 0, 1e9, 'is not a whole number of seconds');

/** A whole number that is not negative. */
export const count: FlagType<number> = numberType('N', 0, 1e9, 'is not a whole number of 0 or more');

/** Places for work that runs at one time: at least one. */
export const placeCount: FlagType<number> = numberType('N', 1, 10_000, 'is not a whole number from 1 to 10000');

/** Entries of a table whose memory is taken at once, some 20 bytes each. */
export const entryCount: FlagType<number> = numberType('N', 8, 16_777_216, 'is not a whole number from 8 to 16777216');

/** A number of worker threads, or `auto`: one for each processor core that the container may use. */
export const workerCount: FlagType<number | 'auto'> = {
  placeholder: 'N|auto',
  repeatable: false,
  parse: (input) => {
    if (input === 'auto') return value('auto');
    const parsed = numberType('N', 1, 256, 'is not a number of workers (1 to 256, or auto)').parse(input);
    return parsed;
  },
};

export const decimal: FlagType<number> = {
  placeholder: 'NUMBER',
  repeatable: false,
  parse: (input) => (isDecimal(input) ? value(Number(input)) : bad('is not a number')),
};

/** Comma list; blanks around items are dropped, empty items too. */
export const list: FlagType<readonly string[]> = {
  placeholder: 'LIST',
  repeatable: true,
  parse: settingTypes.list.parse,
};

/** Comma list of ascending numbers: bucket bounds of a histogram. */
export const buckets: FlagType<readonly number[]> = {
  placeholder: 'LIST',
  repeatable: true,
  parse: (input) => {
    const items = input.split(',').map((item) => item.trim());
    const wrong = items.find((item) => !isDecimal(item));
    if (wrong !== undefined) return bad(`holds "${wrong}", which is not a number`);
    const bounds = items.map(Number);
    const isAscending = bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] ?? Number.NEGATIVE_INFINITY));
    return isAscending ? value(bounds) : bad('is not in ascending order');
  },
};

const DURATION_UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Go's `time.ParseDuration` (`30s`, `1m30s`, `1.5h`, `0`), in milliseconds. Units below a millisecond are refused. */
export const durationMs: FlagType<number> = {
  placeholder: 'DURATION',
  render: (ms) => (ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`),
  repeatable: false,
  parse: (input) => {
    if (input === '0') return value(0);
    const match = /^(-?)((?:\d+(?:\.\d+)?(?:ms|s|m|h))+)$/.exec(input);
    if (match === null) return bad('is not a duration (such as 30s, 5m or 1h30m)');
    let total = 0;
    for (const [, amount, unit] of (match[2] ?? '').matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
      total += Number(amount) * (DURATION_UNIT_MS[unit ?? ''] ?? 0);
    }
    return value(match[1] === '-' ? -total : total);
  },
};

/** One of a few words. */
export function oneOf<const Word extends string>(...words: readonly Word[]): FlagType<Word> {
  return { placeholder: words.join('|'), repeatable: false, parse: settingTypes.oneOf(words).parse };
}

function numberType(placeholder: string, min: number, max: number, why: string): FlagType<number> {
  return {
    placeholder,
    repeatable: false,
    parse: (input) => {
      const parsed = /^\d{1,10}$/.test(input) ? Number(input) : Number.NaN;
      return parsed >= min && parsed <= max ? value(parsed) : bad(why);
    },
  };
}

function isDecimal(input: string): boolean {
  return /^\d+(\.\d+)?([eE][+-]?\d+)?$|^\.\d+$/.test(input);
}

function value<T>(parsed: T): Parsed<T> {
  return { ok: true, value: parsed };
}

function bad(why: string): { readonly ok: false; readonly why: string } {
  return { ok: false, why };
}
