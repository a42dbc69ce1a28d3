// Renders worker samples in Prometheus' text format 0.0.4. prom-client renders the controller's own metrics; this is
// for numbers that are already counted elsewhere, which prom-client can only take over one by one.
//
// Source: Prometheus docs, "Exposition formats", text-based format.

import type { SampleHistogram, SampleValue, WorkerSample } from '#proxy/workers/messages.ts';
import type { MetricKind, MetricRecord } from './catalogue.ts';

/**
 * Renders all values, grouped by metric as the format demands, with help texts from `records`. A metric that is not in
 * `records` is rendered too, so that nothing is lost, with a help text that says so. Ends with a line feed.
 */
export function renderExposition(sample: WorkerSample, records: readonly MetricRecord[]): string {
  const families = new Map<string, string[]>();
  const linesOf = (name: string, kind: MetricKind): string[] => {
    let lines = families.get(name);
    if (lines === undefined) {
      const help = records.find((record) => record.name === name)?.help ?? 'Not described in docs/metrics.md.';
      lines = [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${kind}`];
      families.set(name, lines);
    }
    return lines;
  };
  for (const value of sample.counters) linesOf(value.name, 'counter').push(renderLine(value));
  for (const value of sample.gauges) linesOf(value.name, 'gauge').push(renderLine(value));
  for (const value of sample.histograms) linesOf(value.name, 'histogram').push(...renderHistogram(value));
  return [...families.values()].map((lines) => `${lines.join('\n')}\n`).join('\n');
}

/** Buckets are cumulative in the format, and counted apart in a sample. */
function renderHistogram({ name, labels, bounds, counts, sum }: SampleHistogram): string[] {
  const lines: string[] = [];
  let total = 0;
  for (const [i, count] of counts.entries()) {
    total += count;
    const bound = bounds[i];
    const le = bound === undefined ? '+Inf' : String(bound);
    lines.push(renderLine({ name: `${name}_bucket`, labels: { ...labels, le }, value: total }));
  }
  lines.push(renderLine({ name: `${name}_sum`, labels, value: sum }));
  lines.push(renderLine({ name: `${name}_count`, labels, value: total }));
  return lines;
}

function renderLine({ name, labels, value }: SampleValue): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return pairs.length === 0 ? `${name} ${value}` : `${name}{${pairs.join(',')}} ${value}`;
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return /[\\"\n]/.test(text) ? escapeHelp(text).replaceAll('"', '\\"') : text;
}
