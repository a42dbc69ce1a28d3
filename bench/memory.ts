// Memory of a contender: freshly started, under load, and with 10,000 idle connections.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Arena } from './arena.ts';
import { type Contender, ORIGIN_PORTS } from './contenders/contender.ts';
import { holdIdle } from './load.ts';
import { type MeasureOptions, runOnce } from './measure.ts';
import { pssBytes } from './pinned-process.ts';

export const IDLE_CONNECTIONS = 10_000;

/** Proportional set sizes of the process tree, bytes. */
export interface MemoryResult {
  readonly contender: string;
  readonly idleBytes: number;
  readonly loadedBytes: number;
  /** Growth per connection with 10,000 plain connections, each idle after one request. */
  readonly bytesPerIdleConnection: number;
  /** What was wrong with a response or an idle connection; '' when nothing was. */
  readonly problem: string;
}

const LOAD = { isTls: false, load: ['--connections', '64'] } as const;
/** Allocators and collectors hand memory back late. */
const SETTLE_MS = 2000;

export async function measureMemory(
  arena: Arena,
  contender: Contender,
  options: MeasureOptions,
): Promise<MemoryResult> {
  await arena.stopInstances();
  const instance = await arena.instance(contender, 'plain');
  const pss = (): number => pssBytes(instance.process.tree());
  await sleep(SETTLE_MS);
  const idleBytes = pss();
  const load = await runOnce(instance, LOAD, { ...options, seconds: options.seconds * 2 });
  const loadedBytes = pss();
  await sleep(SETTLE_MS);
  const before = pss();
  const idle = await holdIdle({
    program: options.loadProgram,
    port: instance.ports.http,
    isTls: false,
    originPort: ORIGIN_PORTS[0],
    pids: [],
    warmupSeconds: 0,
    seconds: 0,
    flags: ['--connections', String(IDLE_CONNECTIONS)],
  });
  await sleep(SETTLE_MS);
  const bytesPerIdleConnection = (pss() - before) / IDLE_CONNECTIONS;
  const held = await idle.close();
  const problem = load.firstError || held.firstError;
  return { contender: contender.name, idleBytes, loadedBytes, bytesPerIdleConnection, problem };
}
