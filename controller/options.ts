// Process options: argv and environment -> one validated value, or one line that says what is wrong. All flags stand in
// options/flags.ts as data. Reads no file and never throws.

import { readArguments } from './options/arguments.ts';
import type { CommandName, Flag } from './options/flag.ts';
import { type FlagName, type FlagValues, flags, propertyOf } from './options/flags.ts';
import { brokenRule, commandTakes } from './options/rules.ts';

export type { CommandName } from './options/flag.ts';

/** All flag values, plus what the environment says about the pod. */
export interface Options extends FlagValues {
  /** From POD_NAMESPACE (default `default`) and POD_NAME (default ''), as ingress-nginx reads them. */
  readonly pod: { readonly namespace: string; readonly name: string };
}

/** The environment variables that are read. Kubernetes fills them from the downward API. */
export interface Environment {
  readonly POD_NAMESPACE?: string | undefined;
  readonly POD_NAME?: string | undefined;
}

export type OptionsOutcome =
  | {
      readonly ok: true;
      readonly command: CommandName;
      readonly options: Options;
      /** Flags that were given and are not carried out yet: one sentence each, for the log. */
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly message: string };

/**
 * Parses the command line. `argv` starts behind the script name. The message of a failure is one line without prefix;
 * the caller prints it and exits with 2. `--help` and `--version` win over everything behind them but unknown flags.
 */
export function parseOptions(argv: readonly string[], env: Environment): OptionsOutcome {
  const outcome = readArguments(argv);
  if (!outcome.ok) return outcome;
  const { given } = outcome.arguments;
  const read = readValues(given);
  if (!read.ok) return read;
  const { values } = read;
  const command = values.help ? 'help' : values.version ? 'version' : (outcome.arguments.command ?? 'serve');
  if (command !== 'help' && command !== 'version') {
    const message = misplacedFlag(command, given) ?? brokenRule(values, command);
    if (message !== null) return { ok: false, message };
  }
  const logLevel = given.has('log-level') ? values.logLevel : levelOfVerbosity(values.v);
  const pod = { namespace: env.POD_NAMESPACE || 'default', name: env.POD_NAME ?? '' };
  return { ok: true, command, options: { ...values, logLevel, pod }, warnings: notCarriedOut(given, values) };
}

type ValuesOutcome =
  | { readonly ok: true; readonly values: FlagValues }
  | { readonly ok: false; readonly message: string };

function readValues(given: ReadonlyMap<FlagName, string>): ValuesOutcome {
  const values: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(flags) as [FlagName, Flag<unknown>][]) {
    const text = given.get(name);
    if (text === undefined) {
      values[propertyOf(name)] = flag.default;
      continue;
    }
    const parsed = flag.type.parse(text);
    if (!parsed.ok) return { ok: false, message: `--${name} "${text}" ${parsed.why}` };
    values[propertyOf(name)] = parsed.value;
  }
  // The loop above has filled one property for each flag of the table, which is how FlagValues is defined.
  return { ok: true, values: values as unknown as FlagValues };
}

function misplacedFlag(command: CommandName, given: ReadonlyMap<FlagName, string>): string | null {
  for (const name of given.keys()) {
    if (!commandTakes(command, name)) return `--${name} is not a flag of "sluice ${command}"`;
  }
  return null;
}

/** One sentence for each given flag of that kind. Values are left out of it: one of these flags is a license key. */
function notCarriedOut(given: ReadonlyMap<FlagName, string>, values: FlagValues): readonly string[] {
  return [...given.keys()]
    .filter((name) => flags[name].whenGiven === 'warn')
    .filter((name) => !isDefault(flags[name], values[propertyOf(name) as keyof FlagValues]))
    .map((name) => `--${name} is not carried out yet. ${flags[name].instead}`);
}

function isDefault(flag: Flag<unknown>, value: unknown): boolean {
  return JSON.stringify(value) === JSON.stringify(flag.default);
}

/** klog's scale as ingress-nginx uses it: 3 shows details of objects, 5 is its debug mode. */
function levelOfVerbosity(verbosity: number): Options['logLevel'] {
  if (verbosity >= 5) return 'trace';
  return verbosity >= 3 ? 'debug' : 'info';
}
