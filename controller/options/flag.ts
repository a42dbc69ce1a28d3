// One command line flag as data. The table in flags.ts is made of these; parsing, --help, warnings and the tests all
// read the same records. In: nothing. Out: types and three constructors, one per degree of support.

import type { Parsed } from '../compile/settings/record.ts';

/** How the text of a flag becomes a value. */
export interface FlagType<T> {
  /** Placeholder in --help, e.g. `PORT`; '' for a boolean, which needs no value. */
  readonly placeholder: string;
  /** A failure's `why` completes the sentence `--http-port "x" ...`, e.g. `is not a port (0 to 65535)`. */
  readonly parse: (text: string) => Parsed<T>;
  /** Gives a text that `parse` reads as this value, for --help; without it, `String(value)` is one. */
  render?(value: T): string;
  /** True when each use adds to a list, as Go's `StringSlice`: `--a x --a y` equals `--a x,y`. */
  readonly repeatable: boolean;
}

/**
 * What Sluice does with the flag today. `full`: as documented. `noEffect`: accepted on purpose, does nothing here
 * (nginx internals, klog). `notYet`: planned; giving it is a warning.
 */
export type FlagSupport = 'full' | 'noEffect' | 'notYet';

export type CommandName = 'serve' | 'translate' | 'annotations' | 'rbac' | 'version' | 'help';

export interface Flag<T> {
  readonly type: FlagType<T>;
  readonly default: T;
  readonly doc: string;
  readonly support: FlagSupport;
  /** What a value other than the default does while the flag is not carried out. */
  readonly whenGiven: 'accept' | 'warn';
  /** For `notYet`: what happens instead, as a full sentence. '' otherwise. */
  readonly instead: string;
  /** Commands that take the flag; null is every command that reads objects (serve and translate). */
  readonly commands: readonly CommandName[] | null;
}

/** A flag that works as documented. */
export function full<T>(type: FlagType<T>, defaultValue: T, doc: string, commands?: readonly CommandName[]): Flag<T> {
  return {
    type,
    default: defaultValue,
    doc,
    support: 'full',
    whenGiven: 'accept',
    instead: '',
    commands: commands ?? null,
  };
}

/** A flag of ingress-nginx that has no meaning here: accepted silently, so that an existing Deployment keeps its arguments. */
export function noEffect<T>(type: FlagType<T>, defaultValue: T, doc: string): Flag<T> {
  return { type, default: defaultValue, doc, support: 'noEffect', whenGiven: 'accept', instead: '', commands: null };
}

/** A planned flag. A value other than the default gives a start-up warning that ends with `instead`. */
export function notYet<T>(type: FlagType<T>, defaultValue: T, doc: string, instead: string): Flag<T> {
  return { type, default: defaultValue, doc, support: 'notYet', whenGiven: 'warn', instead, commands: null };
}
