// The benchmark: `npm run bench`. Method, targets and last table: docs/performance.md.
//
// Builds the C programs, starts origin and contenders, shows that they do the same work, measures, prints the table.
// Exit code 1 when a contender gave a wrong response, 2 for a wrong flag.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Arena } from './arena.ts';
import { type BenchOptions, parseArguments, USAGE } from './arguments.ts';
import { build } from './build.ts';
import type { Contender } from './contenders/contender.ts';
import { haproxy } from './contenders/haproxy.ts';
import { nginx } from './contenders/nginx.ts';
import { nodePeers } from './contenders/node-peers.ts';
import { sluice } from './contenders/sluice.ts';
import { assertSameHeaders } from './fairness.ts';
import { type MeasureOptions, measureScenario } from './measure.ts';
import { type MemoryResult, measureMemory } from './memory.ts';
import { LOAD_CORE } from './pinned-process.ts';
import { type BenchResult, renderReport, renderScenario, type ScenarioResult } from './report.ts';
import { soak } from './soak.ts';
import { measureWithWrk } from './wrk.ts';

const PROXIES: readonly Contender[] = [sluice, nginx, haproxy];

async function main(): Promise<void> {
  const options = readArguments();
  if (options === null) return;
  // Debian puts nginx and haproxy where only root looks.
  process.env['PATH'] = `${process.env['PATH']}:/usr/sbin`;
  if (availableParallelism() < 2) throw new Error('the benchmark needs two cores: one for the proxy, one for the rest');
  execFileSync('taskset', ['-acp', String(LOAD_CORE), String(process.pid)], { stdio: 'ignore' });
  const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  try {
    const result = await runAll(options, directory);
    process.stdout.write(renderReport(result));
    if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(result, null, 2)}\n`);
    if (hasErrors(result)) process.exitCode = 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function readArguments(): BenchOptions | null {
  try {
    const options = parseArguments(process.argv.slice(2));
    if (options === null) process.stdout.write(`${USAGE}\n`);
    return options;
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
    return null;
  }
}

async function runAll(options: BenchOptions, directory: string): Promise<BenchResult> {
  const startedAt = new Date().toISOString();
  const built = build(directory);
  const measureOptions: MeasureOptions = { ...options, loadProgram: built.load };
  const contenders = options.scenarios.some(({ field }) => field === 'all') ? [...PROXIES, ...nodePeers] : PROXIES;
  await using arena = new Arena(directory, built);
  await arena.start();
  await assertSameHeaders(arena, contenders);
  const scenarios = await runScenarios(arena, options, measureOptions);
  return {
    startedAt,
    machine: `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Linux ${release()}`,
    versions: contenders.map((contender) => contender.version()),
    rounds: options.rounds,
    seconds: options.seconds,
    scenarios,
    memory: options.measuresMemory ? await runMemory(arena, measureOptions) : [],
    soak: options.soakMinutes > 0 ? await soak(arena, sluice, options.soakMinutes, measureOptions) : null,
  };
}

async function runScenarios(arena: Arena, options: BenchOptions, measure: MeasureOptions): Promise<ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  const add = (result: ScenarioResult): void => {
    results.push(result);
    // Progress, and something to keep when a long run is broken off; standard output gets the whole report at the end.
    process.stderr.write(`${renderScenario(result).join('\n')}\n\n`);
  };
  for (const scenario of options.scenarios) {
    const contenders = scenario.field === 'all' ? [...PROXIES, ...nodePeers] : PROXIES;
    const summaries = await measureScenario(arena, scenario, contenders, measure);
    add({ name: scenario.name, title: scenario.title, summaries });
  }
  if (options.runsWrk) {
    const title = '1 KB GET, 64 connections, loaded by wrk (cross-check)';
    add({ name: 'wrk', title, summaries: await measureWithWrk(arena, PROXIES, measure) });
  }
  return results;
}

async function runMemory(arena: Arena, measure: MeasureOptions): Promise<MemoryResult[]> {
  const results: MemoryResult[] = [];
  for (const contender of PROXIES) results.push(await measureMemory(arena, contender, measure));
  return results;
}

function hasErrors({ scenarios, memory, soak: soaked }: BenchResult): boolean {
  return (
    scenarios.some(({ summaries }) => summaries.some(({ errors }) => errors > 0)) ||
    memory.some(({ problem }) => problem !== '') ||
    (soaked?.errors ?? 0) > 0
  );
}

try {
  await main();
} catch (error) {
  // Everything started has been ended by now. What failed is outside of this program: a peer, a port, a tool.
  process.stderr.write(`bench: ${inspect(error)}\n`);
  process.exitCode = 1;
}
