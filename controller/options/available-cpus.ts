// How many processor cores this container may use: the default of --workers. Node's own count follows the CPU affinity
// mask but not the cgroup quota, which is how Kubernetes carries out `resources.limits.cpu`.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Reads a small text file; null when it is not there or not readable. */
export type ReadText = (file: string) => string | null;

/**
 * Cores this process may use: the cgroup quota (v2 `cpu.max`, else v1 `cpu.cfs_quota_us`) rounded up, at most
 * `machineCores`, at least 1. A missing or unreadable file means no limit.
 */
export function availableCpus(readText: ReadText = readFile, machineCores: number = availableParallelism()): number {
  const quota = quotaV2(readText) ?? quotaV1(readText);
  const cores = quota === null ? machineCores : Math.min(machineCores, Math.ceil(quota));
  return Math.max(1, cores);
}

/** cgroup v2 (kernel docs, cgroup-v2, "cpu.max"): `<quota|max> <period>` in microseconds. Inside a container the root is its own. */
function quotaV2(readText: ReadText): number | null {
  const content = readText('/sys/fs/cgroup/cpu.max');
  const match = content === null ? null : /^(\d+) (\d+)/.exec(content);
  return match === null ? null : ratio(Number(match[1]), Number(match[2]));
}

/** cgroup v1 (kernel docs, sched-bwc): two files; a quota of -1 is no limit. */
function quotaV1(readText: ReadText): number | null {
  for (const folder of ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct']) {
    const quota = Number(readText(`${folder}/cpu.cfs_quota_us`) ?? Number.NaN);
    const period = Number(readText(`${folder}/cpu.cfs_period_us`) ?? Number.NaN);
    const cores = ratio(quota, period);
    if (cores !== null) return cores;
  }
  return null;
}

function ratio(quota: number, period: number): number | null {
  return quota > 0 && period > 0 ? quota / period : null;
}

function readFile(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null; // No such cgroup controller here: the same as no limit.
  }
}
