// Runs one scenario: check every contender first, then interleaved rounds.

import { type Arena, ask, type Instance } from './arena.ts';
import { type Contender, ORIGIN_PORTS } from './contenders/contender.ts';
import { coreBusyNs } from './core-usage.ts';
import { checkGrpc } from './grpc-check.ts';
import { runH2load } from './h2load.ts';
import { type LoadResult, runLoad } from './load.ts';
import { cpuNs, PROXY_CORE } from './pinned-process.ts';
import type { Scenario } from './scenarios.ts';
import { rotate, type Summary, summarize } from './summary.ts';

export interface MeasureOptions {
  readonly loadProgram: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

/**
 * Untimed load before the first round, the same for every contender; every kind of wrong response shows in it. V8 goes on
 * compiling for two to three seconds of full load after the kind of load has changed (measured by thread: 10 % of the
 * process for as long, nothing afterwards); a proxy that runs for days does not pay for that.
 */
const CHECK_SECONDS = 3;

/** Messages up to this size are compared byte by byte. */
const GRPC_CHECK_BYTES = 2000;

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
  const runs = new Map<Contender, Run[]>();
  const timed: Contender[] = [];
  for (const contender of able) {
    const instance = await arena.instance(contender, scenario.flavour);
    if (scenario.http2?.isGrpc === true) await checkGrpc(instance.ports.https, GRPC_CHECK_BYTES);
    const getsBefore = await countedGets();
    const check = await runOnce(instance, scenario, { ...options, warmupSeconds: 0, seconds: CHECK_SECONDS });
    if (scenario.flavour === 'mirror') assertCopied(check, (await countedGets()) - getsBefore);
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

/** GET requests that have come to any of the origins. */
async function countedGets(): Promise<number> {
  return Number((await ask(ORIGIN_PORTS[0], '/counts')).split(' ')[0]);
}

/** A copy that is not sent costs nothing. Those of the last moment may still be on their way. */
function assertCopied({ requests }: LoadResult, gets: number): void {
  const copies = gets - requests;
  if (copies < 0.98 * requests) throw new Error(`of ${requests} requests ${copies} copies have come to the origin`);
}

/** A run and what disturbed it. */
export interface Run extends LoadResult {
  /** Share of the time in which something other than the proxy had the proxy's core, 0 to 1. */
  readonly foreignShare: number;
}

/** One run of the load generator against one instance. */
export async function runOnce(
  { process, ports }: Instance,
  scenario: Pick<Scenario, 'isTls' | 'load' | 'http2'>,
  { loadProgram, seconds, warmupSeconds }: MeasureOptions,
): Promise<Run> {
  const pids = process.tree();
  const startedAtMs = performance.now();
  const foreignBefore = coreBusyNs(PROXY_CORE) - cpuNs(pids);
  const { http2 } = scenario;
  const common = { port: scenario.isTls ? ports.https : ports.http, pids, warmupSeconds, seconds };
  const flags = { program: loadProgram, isTls: scenario.isTls, originPort: ORIGIN_PORTS[0], flags: scenario.load };
  const result = await (http2 === undefined ? runLoad({ ...common, ...flags }) : runH2load({ ...common, ...http2 }));
  process.assertRunning();
  const foreignNs = coreBusyNs(PROXY_CORE) - cpuNs(pids) - foreignBefore;
  const elapsedNs = (performance.now() - startedAtMs) * 1e6;
  return { ...result, foreignShare: Math.max(0, foreignNs / elapsedNs) };
}
