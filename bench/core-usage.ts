// How busy a core was, whoever used it. Shows whether a run was disturbed: CPU time per request of the same proxy grows
// by half and more when something else keeps emptying the caches of its core.

import { readFileSync } from 'node:fs';

/** proc(5), /proc/stat: times are in ticks of 1/100 s on every Linux that Node runs on. */
const TICK_NS = 10_000_000;
const IDLE_FIELDS: ReadonlySet<number> = new Set([3, 4]); // idle and iowait

/** Time the core was not idle since boot, nanoseconds; includes interrupts and time stolen by a hypervisor. */
export function coreBusyNs(core: number): number {
  return parseBusyTicks(readFileSync('/proc/stat', 'utf8'), core) * TICK_NS;
}

/** Ticks of the core's line in the text of /proc/stat. */
export function parseBusyTicks(stat: string, core: number): number {
  const line = new RegExp(`^cpu${core} (.+)$`, 'm').exec(stat)?.[1];
  if (line === undefined) throw new Error(`/proc/stat has no core ${core}`);
  // Guest time (the last two fields) is contained in user time already.
  const ticks = line.trim().split(/\s+/).slice(0, 8).map(Number);
  return ticks.reduce((sum, value, i) => (IDLE_FIELDS.has(i) ? sum : sum + value), 0);
}
