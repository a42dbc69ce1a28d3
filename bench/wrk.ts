// Cross-check by wrk, an independent load generator: if load.c flattered somebody, this row would disagree. wrk compares
// no bodies, and its CPU window includes opening 64 connections, so it is not what the other rows use.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Arena } from './arena.ts';
import { type Contender, HOST } from './contenders/contender.ts';
import type { LoadResult } from './load.ts';
import { cpuNs, LOAD_CORE } from './pinned-process.ts';
import { rotate, type Summary, summarize } from './summary.ts';

const SCRIPT = join(import.meta.dirname, 'load/report.lua');

export async function measureWithWrk(
  arena: Arena,
  contenders: readonly Contender[],
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<Summary[]> {
  const runs = new Map<Contender, LoadResult[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of rotate(contenders, round)) {
      const { process, ports } = await arena.instance(contender, 'plain');
      const pids = process.tree();
      const before = cpuNs(pids);
      const result = await runWrk(ports.http, seconds);
      runs.get(contender)?.push({ ...result, cpuNs: cpuNs(pids) - before });
    }
  }
  return contenders.map((contender) => summarize(contender.name, runs.get(contender) ?? []));
}

type WrkResult = Pick<LoadResult, 'requests' | 'seconds' | 'p50Us' | 'p99Us' | 'p999Us' | 'errors'>;

/** wrk takes whole seconds only. */
async function runWrk(port: number, seconds: number): Promise<LoadResult> {
  // biome-ignore format: one flag and its value per line
  const args = [
    '-c', String(LOAD_CORE), 'wrk', '--threads', '1', '--connections', '64', '--duration', `${Math.ceil(seconds)}s`,
    '--header', `Host: ${HOST}`, '--script', SCRIPT, `http://127.0.0.1:${port}/1k`,
  ];
  const child = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  for await (const chunk of child.stdout) output += String(chunk);
  const line = /^RESULT (.+)$/m.exec(output)?.[1];
  if (line === undefined) throw new Error(`wrk gave no result: ${output}`);
  const result = JSON.parse(line) as WrkResult;
  const firstError = result.errors > 0 ? 'wrk counted errors' : '';
  return { cpuNs: 0, bulkBytes: 0, handshakes: 0, resumptions: 0, cipher: '', firstError, ...result };
}
