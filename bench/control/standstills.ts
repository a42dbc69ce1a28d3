// When the whole machine stood still: a hypervisor that takes a core away holds up whatever is under way, for 2 to 400 ms
// on the machines this was written on. What coincides with it says nothing about Sluice and is told apart.
//
// Needs a C compiler and the right to real-time priority; where either is missing, nothing is known and nothing told apart.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Something that took its time, in milliseconds of CLOCK_MONOTONIC, which is the same in all processes. */
export interface Sample {
  readonly atMs: number;
  readonly tookMs: number;
}

/** As `atMs` of a sample. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export interface StandstillWatch {
  /** So far, over all cores; null when this machine does not let them be watched. */
  readonly standstills: readonly Sample[] | null;
  readonly stop: () => void;
}

/** Starts a watch on each core. */
export function watchStandstills(): StandstillWatch {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  const program = join(directory, 'standstill');
  const standstills: Sample[] = [];
  let isBlind = false;
  const watches = compile(program) ? cpus().map((_, core) => watchCore(program, core, standstills)) : [];
  // Compiled, it ends by itself only where it may not have the priority.
  for (const watch of watches) watch.once('exit', () => (isBlind = true));
  return {
    get standstills() {
      return isBlind || watches.length === 0 ? null : standstills;
    },
    stop: () => {
      for (const watch of watches) watch.kill();
      rmSync(directory, { recursive: true });
    },
  };
}

function compile(program: string): boolean {
  const source = join(import.meta.dirname, 'standstill.c');
  return spawnSync('gcc', ['-O2', '-Wall', '-Wextra', '-o', program, source], { stdio: 'inherit' }).status === 0;
}

function watchCore(program: string, core: number, standstills: Sample[]): ChildProcess {
  const watch = spawn(program, [String(core)], { stdio: ['ignore', 'pipe', 'inherit'] });
  createInterface({ input: watch.stdout }).on('line', (line) => {
    const [from = 0, to = 0] = line.split(' ').map(Number);
    standstills.push({ atMs: from, tookMs: to - from });
  });
  return watch;
}

/**
 * The samples that no standstill has held up: none fell into the time of the sample, nor into that of one it had to wait
 * for. `samples` are in the order in which they were taken.
 */
export function undisturbed(samples: readonly Sample[], standstills: readonly Sample[]): readonly Sample[] {
  let heldUpToMs = Number.NEGATIVE_INFINITY;
  return samples.filter((sample) => {
    const endMs = sample.atMs + sample.tookMs;
    const isHeldUp = sample.atMs < heldUpToMs || standstills.some((standstill) => overlap(sample, standstill));
    if (isHeldUp) heldUpToMs = endMs;
    return !isHeldUp;
  });
}

function overlap(one: Sample, other: Sample): boolean {
  return one.atMs < other.atMs + other.tookMs && other.atMs < one.atMs + one.tookMs;
}
