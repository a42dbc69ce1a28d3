// argv -> the command and the text given for each flag, by Go's rules (pflag and klog): `--flag=value`, `--flag value`,
// `--flag` and `--flag=false` for booleans, one dash as good as two, `_` as good as `-`. Values are not read here.

import { nearestName } from '../compile/settings/suggest.ts';
import type { CommandName } from './flag.ts';
import { type FlagName, flags } from './flags.ts';

const COMMANDS: readonly CommandName[] = ['serve', 'translate', 'annotations', 'rbac', 'version', 'help'];

export interface Arguments {
  /** null when none was written. */
  readonly command: CommandName | null;
  /** Text by flag. A list flag given twice is joined with a comma; of any other the last one counts, as in Go. */
  readonly given: ReadonlyMap<FlagName, string>;
}

export type ArgumentsOutcome =
  | { readonly ok: true; readonly arguments: Arguments }
  | { readonly ok: false; readonly message: string };

/** Splits `argv` (without the interpreter and the script). The message of a failure is one line for the user. */
export function readArguments(argv: readonly string[]): ArgumentsOutcome {
  const given = new Map<FlagName, string>();
  let command: CommandName | null = null;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (!word.startsWith('-') || word === '-') {
      if (command !== null || !isCommand(word)) return { ok: false, message: unexpectedWord(word, command) };
      command = word;
      continue;
    }
    const { name, inline } = splitFlag(word);
    if (!isFlag(name)) return { ok: false, message: unknownFlag(name) };
    const next = argv[i + 1];
    const isSwitch = flags[name].type.placeholder === '';
    if (inline === null && !isSwitch && next === undefined) return { ok: false, message: `--${name} needs a value` };
    if (inline === null && !isSwitch) i++;
    addGiven(given, name, inline ?? (isSwitch ? 'true' : (next ?? '')));
  }
  return { ok: true, arguments: { command, given } };
}

function splitFlag(word: string): { name: string; inline: string | null } {
  const body = word.replace(/^--?/, '');
  const equals = body.indexOf('=');
  const name = (equals === -1 ? body : body.slice(0, equals)).replaceAll('_', '-');
  return { name: name === 'h' ? 'help' : name, inline: equals === -1 ? null : body.slice(equals + 1) };
}

function addGiven(given: Map<FlagName, string>, name: FlagName, text: string): void {
  const before = given.get(name);
  given.set(name, before !== undefined && flags[name].type.repeatable ? `${before},${text}` : text);
}

function unexpectedWord(word: string, command: CommandName | null): string {
  if (command === null) {
    const near = nearestName(word, COMMANDS);
    return `unknown command "${word}"${near === null ? '' : `, did you mean "${near}"?`}`;
  }
  return `unexpected argument "${word}" (a switch is turned off with --flag=false)`;
}

function unknownFlag(name: string): string {
  const near = nearestName(name, Object.keys(flags));
  return `unknown flag --${name}${near === null ? '' : `, did you mean --${near}?`}`;
}

function isCommand(word: string): word is CommandName {
  return (COMMANDS as readonly string[]).includes(word);
}

function isFlag(name: string): name is FlagName {
  return Object.hasOwn(flags, name);
}
