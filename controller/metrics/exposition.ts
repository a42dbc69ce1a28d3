// Renders worker samples in Prometheus' text format 0.0.4. prom-client renders the controller's own metrics; this is
// for numbers that are already counted elsewhere, which prom-client can only take over one by one.
//
// Source: Prometheus docs, "Exposition formats", text-based format.

import type { SampleHistogram, SampleValue, WorkerSample } from '#proxy/workers/messages.ts';
import type { MetricKind, MetricRecord } from './metric-record.ts';

/** Characters of a piece of the page, about: a millisecond of work. */
const PIECE_CHARS = 256 * 1024;

/**
 * Renders all values, grouped by metric as the format demands, with help texts from `records`. A metric that is not in
 * `records` is rendered too, so that nothing is lost, with a help text that says so. Ends with a line feed. In pieces,
 * because with thousands of routes the page is longer than others can wait for, and than one string can be.
 */
export function* renderExposition(sample: WorkerSample, records: readonly MetricRecord[]): Generator<string> {
  let piece = '';
  let separator = '';
  for (const { name, kind, values } of familiesOf(sample)) {
    const help = records.find((record) => record.name === name)?.help ?? 'Not described in docs/metrics.md.';
    piece += `${separator}# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${kind}\n`;
    separator = '\n';
    for (const value of values) {
      piece += 'bounds' in value ? renderHistogram(value) : renderValue(value);
      if (piece.length < PIECE_CHARS) continue;
      yield piece;
      piece = '';
    }
  }
  if (piece !== '') yield piece;
}

interface Family {
  readonly name: string;
  readonly kind: MetricKind;
  readonly values: (SampleValue | SampleHistogram)[];
}

/** In the order of their first appearance. */
function familiesOf({ counters, gauges, histograms }: WorkerSample): Iterable<Family> {
  const families = new Map<string, Family>();
  const add = (kind: MetricKind, value: SampleValue | SampleHistogram): void => {
    const family = families.get(value.name);
    if (family === undefined) families.set(value.name, { name: value.name, kind, values: [value] });
    else family.values.push(value);
  };
  for (const value of counters) add('counter', value);
  for (const value of gauges) add('gauge', value);
  for (const value of histograms) add('histogram', value);
  return families.values();
}

/** Buckets are cumulative in the format, and counted apart in a sample. */
function renderHistogram({ name, labels, bounds, counts, sum }: SampleHistogram): string {
  const pairs = renderLabels(labels);
  const bucket = `${name}_bucket{${pairs}${pairs === '' ? '' : ','}le="`;
  let text = '';
  let total = 0;
  for (let i = 0; i < counts.length; i++) {
    total += counts[i] ?? 0;
    text += `${bucket}${bounds[i] ?? '+Inf'}"} ${total}\n`;
  }
  const braces = pairs === '' ? '' : `{${pairs}}`;
  return `${text}${name}_sum${braces} ${sum}\n${name}_count${braces} ${total}\n`;
}

function renderValue({ name, labels, value }: SampleValue): string {
  const pairs = renderLabels(labels);
  return pairs === '' ? `${name} ${value}\n` : `${name}{${pairs}} ${value}\n`;
}

function renderLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([label, text]) => `${label}="${escapeLabel(text)}"`)
    .join(',');
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return /[\\"\n]/.test(text) ? escapeHelp(text).replaceAll('"', '\\"') : text;
}
