// Sluice under full load for minutes: does its memory stay flat?

import type { Arena } from './arena.ts';
import type { Contender } from './contenders/contender.ts';
import { type MeasureOptions, runOnce } from './measure.ts';
import { pssBytes } from './pinned-process.ts';
import { median } from './summary.ts';

export interface SoakResult {
  readonly minutes: number;
  /** Proportional set size of the process tree, sampled every few seconds. */
  readonly samplesBytes: readonly number[];
  readonly errors: number;
  readonly requests: number;
}

const LOAD = { isTls: false, load: ['--connections', '64'] } as const;
const SAMPLE_MS = 5000;

export async function soak(
  arena: Arena,
  contender: Contender,
  minutes: number,
  options: MeasureOptions,
): Promise<SoakResult> {
  await arena.stopInstances();
  const instance = await arena.instance(contender, 'plain');
  const samplesBytes: number[] = [];
  const sample = (): number => samplesBytes.push(pssBytes(instance.process.tree()));
  const timer = setInterval(sample, SAMPLE_MS);
  try {
    const { errors, requests } = await runOnce(instance, LOAD, { ...options, seconds: minutes * 60 });
    return { minutes, samplesBytes, errors, requests };
  } finally {
    clearInterval(timer);
  }
}

/** Median of the last third of the samples divided by that of the middle third; near 1 is flat. */
export function growthOf(samples: readonly number[]): number {
  const third = Math.floor(samples.length / 3);
  return median(samples.slice(samples.length - third)) / median(samples.slice(third, samples.length - third));
}
