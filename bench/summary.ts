// From runs to numbers: medians over rounds, and ratios of medians. Pure.

import type { LoadResult } from './load.ts';

/** One contender in one scenario. Each figure is the median over the rounds. */
export interface Summary {
  readonly contender: string;
  /** CPU time of the proxy's process tree per request, microseconds. */
  readonly cpuUs: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Body bytes per second of the downloads beside; 0 without them. */
  readonly bulkBytesPerSecond: number;
  /** Each round's `cpuUs`, in order: shows the noise. */
  readonly cpuUsRounds: readonly number[];
  /** Median share of the time in which something else had the proxy's core; null when not known. */
  readonly foreignShare: number | null;
  /** Share of handshakes that resumed a session; null without TLS. */
  readonly resumedShare: number | null;
  readonly cipher: string;
  /** Over all rounds. More than 0: the figures mean nothing. */
  readonly errors: number;
  readonly firstError: string;
}

/** The value in the middle; the mean of the two in the middle of an even number. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return (low + high) / 2;
}

/** A run, and how much it was disturbed if that was watched. */
export type WatchedRun = LoadResult & { readonly foreignShare?: number };

export function summarize(contender: string, runs: readonly WatchedRun[]): Summary {
  const foreignShares = runs.flatMap(({ foreignShare }) => (foreignShare === undefined ? [] : [foreignShare]));
  const medianOf = (figure: (run: LoadResult) => number): number => median(runs.map(figure));
  return {
    contender,
    cpuUs: medianOf(cpuUsOf),
    requestsPerSecond: medianOf((run) => run.requests / run.seconds),
    p50Ms: medianOf((run) => run.p50Us / 1000),
    p99Ms: medianOf((run) => run.p99Us / 1000),
    p999Ms: medianOf((run) => run.p999Us / 1000),
    bulkBytesPerSecond: medianOf((run) => run.bulkBytes / run.seconds),
    cpuUsRounds: runs.map(cpuUsOf),
    foreignShare: foreignShares.length === 0 ? null : median(foreignShares),
    resumedShare: resumedShareOf(runs),
    cipher: runs[0]?.cipher ?? '',
    errors: runs.reduce((sum, run) => sum + run.errors, 0),
    firstError: runs.find((run) => run.firstError !== '')?.firstError ?? '',
  };
}

/** CPU time per request of `summary` divided by that of the named contender; null when it did not take part or failed. */
export function cpuRatio(summary: Summary, summaries: readonly Summary[], against: string): number | null {
  const other = summaries.find(({ contender }) => contender === against);
  if (other === undefined || other.errors > 0 || summary.errors > 0) return null;
  return summary.cpuUs / other.cpuUs;
}

/** The order of contenders in a round: each round starts with the next one, so that no one always runs on a warm cache. */
export function rotate<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

function cpuUsOf({ cpuNs, requests }: LoadResult): number {
  return cpuNs / 1000 / requests;
}

function resumedShareOf(runs: readonly LoadResult[]): number | null {
  const handshakes = runs.reduce((sum, run) => sum + run.handshakes, 0);
  return handshakes === 0 ? null : runs.reduce((sum, run) => sum + run.resumptions, 0) / handshakes;
}
