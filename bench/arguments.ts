// Command line of the benchmark.

import { parseArgs } from 'node:util';
import { SCENARIOS, type Scenario } from './scenarios.ts';

export interface BenchOptions {
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  /** Measured time of one run. */
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Idle and loaded memory, and memory of idle connections. */
  readonly measuresMemory: boolean;
  /** Cross-check of the load generator by wrk. */
  readonly runsWrk: boolean;
  /** Minutes of full load on Sluice whose memory is watched; 0 is none. */
  readonly soakMinutes: number;
  /** Where the result goes as JSON; null is nowhere. */
  readonly jsonFile: string | null;
}

export const USAGE = `Usage: npm run bench -- [flags]
  --quick            Sluice, nginx and HAProxy at 1 KB and 1 MB, under 60 s.
  --only NAME,...    Only these scenarios: ${SCENARIOS.map(({ name }) => name).join(' ')} memory wrk
  --rounds N         Interleaved rounds of each scenario. (default 5, quick 3)
  --seconds N        Measured seconds of one run. (default 3, quick 1.5)
  --soak MINUTES     Afterwards, keep Sluice under full load that long and watch its memory.
  --json FILE        Write the result as JSON.
  --help             Print this text.`;

/** Throws with one line for a flag or value that is not understood. null: `--help` was asked for. */
export function parseArguments(args: readonly string[]): BenchOptions | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      soak: { type: 'string', default: '0' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const only = values.only?.split(',') ?? null;
  const isExtraWanted = (name: string): boolean => (only === null ? !values.quick : only.includes(name));
  return {
    scenarios: chooseScenarios(values.quick, only),
    rounds: positive('rounds', values.rounds ?? (values.quick ? '3' : '5')),
    seconds: positive('seconds', values.seconds ?? (values.quick ? '1.5' : '3')),
    warmupSeconds: 0.4,
    measuresMemory: isExtraWanted('memory'),
    runsWrk: isExtraWanted('wrk'),
    soakMinutes: values.soak === '0' ? 0 : positive('soak', values.soak),
    jsonFile: values.json ?? null,
  };
}

function chooseScenarios(isQuick: boolean, only: readonly string[] | null): readonly Scenario[] {
  const chosen = isQuick
    ? SCENARIOS.filter((scenario) => scenario.isQuick).map((scenario) => ({ ...scenario, field: 'proxies' as const }))
    : SCENARIOS;
  if (only === null) return chosen;
  const known = new Set([...SCENARIOS.map(({ name }) => name), 'memory', 'wrk']);
  const unknown = only.find((name) => !known.has(name));
  if (unknown !== undefined) throw new Error(`--only: no scenario is named ${unknown}`);
  return chosen.filter(({ name }) => only.includes(name));
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name}: ${text} is not a number above 0`);
  return value;
}
