import { describe, expect, test } from '@jest/globals';
import type { WorkerSample } from '#proxy/workers/messages.ts';
import { renderExposition } from './exposition.ts';
import type { MetricRecord } from './metric-record.ts';

/** The whole page. */
function textOf(sample: WorkerSample, metrics: readonly MetricRecord[]): string {
  return [...renderExposition(sample, metrics)].join('');
}

const nothing = { counters: [], gauges: [], histograms: [] };
const records = [
  {
    name: 'requests_total',
    kind: 'counter',
    source: 'workers',
    labels: [],
    help: 'Requests with a \\ and\na line feed.',
  },
] as const;

describe('renderExposition', () => {
  test('nothing gives nothing', () => {
    expect(textOf(nothing, records)).toBe('');
  });

  test('series of one metric stand together under one help and type', () => {
    const text = textOf(
      {
        ...nothing,
        counters: [
          { name: 'requests_total', labels: { a: '1' }, value: 3 },
          { name: 'other_total', labels: {}, value: 1.5 },
          { name: 'requests_total', labels: { a: '2', b: '' }, value: 4 },
        ],
        gauges: [{ name: 'open', labels: {}, value: 0 }],
      },
      records,
    );
    expect(text).toBe(`# HELP requests_total Requests with a \\\\ and\\na line feed.
# TYPE requests_total counter
requests_total{a="1"} 3
requests_total{a="2",b=""} 4

# HELP other_total Not described in docs/metrics.md.
# TYPE other_total counter
other_total 1.5

# HELP open Not described in docs/metrics.md.
# TYPE open gauge
open 0
`);
  });

  test('histogram buckets are cumulative and end with +Inf', () => {
    const histogram = { name: 'size', labels: { a: 'b' }, bounds: [0.5, 10], counts: [2, 0, 3], sum: 41.5 };
    expect(
      textOf({ ...nothing, histograms: [histogram] }, [])
        .split('\n')
        .slice(1),
    ).toEqual([
      '# TYPE size histogram',
      'size_bucket{a="b",le="0.5"} 2',
      'size_bucket{a="b",le="10"} 2',
      'size_bucket{a="b",le="+Inf"} 5',
      'size_sum{a="b"} 41.5',
      'size_count{a="b"} 5',
      '',
    ]);
  });

  test('label values cannot break out of their quotes', () => {
    const counters = [{ name: 'c', labels: { path: '/"\n\\x{}' }, value: 1 }];
    expect(textOf({ ...nothing, counters }, [])).toContain('\nc{path="/\\"\\n\\\\x{}"} 1\n');
  });

  test('a long page comes in pieces, none of which is much work', () => {
    const counters = Array.from({ length: 20_000 }, (_, i) => ({
      name: 'a_total',
      labels: { path: `/${i}` },
      value: i,
    }));
    const bounds = Array.from({ length: 12 }, (_, i) => i);
    const counts = [...bounds, 12];
    const histograms = counters.slice(0, 2000).map(({ labels }) => ({ name: 'size', labels, bounds, counts, sum: 1 }));
    const pieces = [...renderExposition({ counters, gauges: [], histograms }, [])];
    expect(pieces.length).toBeGreaterThan(5);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(300_000);
    const lines = pieces.join('').split('\n');
    expect(lines.filter((line) => line.startsWith('a_total{'))).toHaveLength(20_000);
    expect(lines.filter((line) => line.startsWith('size'))).toHaveLength(2000 * 15);
  });
});
