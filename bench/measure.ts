// Runs one scenario: check every contender first, then interleaved rounds.

import type { Arena, Instance } from './arena.ts';
import { type Contender, ORIGIN_PORTS } from './contenders/contender.ts';
import { type LoadResult, runLoad } from './load.ts';
import type { Scenario } from './scenarios.ts';
import { rotate, type Summary, summarize } from './summary.ts';

export interface MeasureOptions {
  readonly loadProgram: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

/** Long enough for V8 to compile what this scenario uses, and for every kind of wrong response to show. */
const CHECK_SECONDS = 1;

/**
 * Measures the contenders that can do the scenario. One that answers a single request wrongly before the timing is not
 * timed: its summary has `errors` and NaN figures.
 */
export async function measureScenario(
  arena: Arena,
  scenario: Scenario,
  contenders: readonly Contender[],
  options: MeasureOptions,
): Promise<Summary[]> {
  const able = contenders.filter(
    (contender) => contender.flavours.includes(scenario.flavour) && (contender.hasTls || !scenario.isTls),
  );
  const runs = new Map<Contender, LoadResult[]>();
  const timed: Contender[] = [];
  for (const contender of able) {
    const instance = await arena.instance(contender, scenario.flavour);
    const check = await runOnce(instance, scenario, { ...options, warmupSeconds: 0, seconds: CHECK_SECONDS });
    runs.set(contender, check.errors > 0 ? [check] : []);
    if (check.errors === 0) timed.push(contender);
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const contender of rotate(timed, round)) {
      const instance = await arena.instance(contender, scenario.flavour);
      runs.get(contender)?.push(await runOnce(instance, scenario, options));
    }
  }
  return able.map((contender) => summarize(contender.name, runs.get(contender) ?? []));
}

/** One run of the load generator against one instance. */
export function runOnce(
  { process, ports }: Instance,
  scenario: Pick<Scenario, 'isTls' | 'load'>,
  { loadProgram, seconds, warmupSeconds }: MeasureOptions,
): Promise<LoadResult> {
  return runLoad({
    program: loadProgram,
    port: scenario.isTls ? ports.https : ports.http,
    isTls: scenario.isTls,
    originPort: ORIGIN_PORTS[0],
    pids: process.tree(),
    warmupSeconds,
    seconds,
    flags: scenario.load,
  });
}
