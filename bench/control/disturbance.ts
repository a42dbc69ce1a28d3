// How much of the machine went to something else than the benchmark: other programs, and a hypervisor that takes the
// cores away. Latencies of a disturbed run say more about that than about Sluice, so the share stands beside them.

import { cpus } from 'node:os';
import { coreBusyNs } from '../core-usage.ts';
import { cpuNs, processTree } from '../pinned-process.ts';

/** Counts while it is running; may be run and paused often. Processes that end meanwhile count as others. */
export class Disturbance {
  #othersNs = 0;
  #elapsedNs = 0;

  async while<T>(work: () => Promise<T>): Promise<T> {
    const before = read();
    const result = await work();
    const after = read();
    this.#othersNs += Math.max(0, after.busyNs - before.busyNs - (after.ownNs - before.ownNs));
    this.#elapsedNs += after.atNs - before.atNs;
    return result;
  }

  /** Of all cores together, from 0 to 1. */
  get share(): number {
    return this.#othersNs / (this.#elapsedNs * cpus().length);
  }
}

interface Reading {
  readonly atNs: number;
  readonly busyNs: number;
  /** Of this process and all it has started. */
  readonly ownNs: number;
}

function read(): Reading {
  const busyNs = cpus().reduce((sum, _, core) => sum + coreBusyNs(core), 0);
  return { atNs: performance.now() * 1e6, busyNs, ownNs: cpuNs(processTree(process.pid)) };
}
