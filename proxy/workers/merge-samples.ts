// Adds up the metrics of several workers: values with the same name and labels become one. Pure.

import type { SampleHistogram, SampleValue, WorkerSample } from './messages.ts';

export const emptySample: WorkerSample = { counters: [], gauges: [], histograms: [] };

/**
 * Adds samples: counters, gauges and histogram counts are summed by name and labels, in the order of their first
 * appearance. Histograms of one name must have the same bounds; others throw, because all workers run the same code.
 */
export function addSamples(samples: readonly WorkerSample[]): WorkerSample {
  return {
    counters: addValues(samples.flatMap((sample) => sample.counters)),
    gauges: addValues(samples.flatMap((sample) => sample.gauges)),
    histograms: addHistograms(samples.flatMap((sample) => sample.histograms)),
  };
}

/** What stays of a worker that died: what it counted. Its gauges (open connections and the like) died with it. */
export function withoutGauges(sample: WorkerSample): WorkerSample {
  return { ...sample, gauges: [] };
}

/** What is left of a sample without the series that `isKept` refuses by their labels. The same sample when all are kept. */
export function keepSeries(sample: WorkerSample, isKept: (labels: SampleValue['labels']) => boolean): WorkerSample {
  const ofKept = ({ labels }: Pick<SampleValue, 'labels'>) => isKept(labels);
  const { counters, gauges, histograms } = sample;
  if (counters.every(ofKept) && gauges.every(ofKept) && histograms.every(ofKept)) return sample;
  return {
    counters: counters.filter(ofKept),
    gauges: gauges.filter(ofKept),
    histograms: histograms.filter(ofKept),
  };
}

function addValues(values: readonly SampleValue[]): readonly SampleValue[] {
  const sums = new Map<string, SampleValue>();
  const keyOf = seriesKeys();
  for (const value of values) {
    const key = keyOf(value);
    const before = sums.get(key);
    sums.set(key, before === undefined ? value : { ...before, value: before.value + value.value });
  }
  return [...sums.values()];
}

function addHistograms(histograms: readonly SampleHistogram[]): readonly SampleHistogram[] {
  const sums = new Map<string, SampleHistogram>();
  const keyOf = seriesKeys();
  for (const histogram of histograms) {
    const key = keyOf(histogram);
    const before = sums.get(key);
    sums.set(key, before === undefined ? histogram : addHistogram(before, histogram));
  }
  return [...sums.values()];
}

function addHistogram(a: SampleHistogram, b: SampleHistogram): SampleHistogram {
  if (a.bounds.length !== b.bounds.length || a.bounds.some((bound, i) => bound !== b.bounds[i])) {
    throw new Error(`workers disagree about the buckets of ${a.name}`);
  }
  return { ...a, counts: a.counts.map((count, i) => count + (b.counts[i] ?? 0)), sum: a.sum + b.sum };
}

/**
 * Gives a function that identifies a series; label order does not matter. The metrics of a route share their labels, which
 * are rendered once.
 */
function seriesKeys(): (series: Pick<SampleValue, 'name' | 'labels'>) => string {
  const rendered = new Map<SampleValue['labels'], string>();
  return ({ name, labels }) => {
    let text = rendered.get(labels);
    if (text === undefined) {
      text = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
      rendered.set(labels, text);
    }
    return `${name} ${text}`;
  };
}
