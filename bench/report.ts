// The result of a benchmark as a Markdown table, readable in a terminal and pasted into docs/performance.md as it is.

import { IDLE_CONNECTIONS, type MemoryResult } from './memory.ts';
import { growthOf, type SoakResult } from './soak.ts';
import { cpuRatio, type Summary } from './summary.ts';

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  readonly summaries: readonly Summary[];
}

/** What `--json` writes. */
export interface BenchResult {
  readonly startedAt: string;
  readonly machine: string;
  readonly versions: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly scenarios: readonly ScenarioResult[];
  readonly memory: readonly MemoryResult[];
  readonly soak: SoakResult | null;
}

const MEBIBYTE = 1 << 20;

export function renderReport(result: BenchResult): string {
  const { machine, versions, rounds, seconds } = result;
  const lines = [
    `${machine}; ${versions.join(', ')}; ${rounds} interleaved rounds of ${seconds} s, medians; ${result.startedAt}`,
    '',
  ];
  for (const scenario of result.scenarios) lines.push(...renderScenario(scenario), '');
  if (result.memory.length > 0) lines.push(...renderMemory(result.memory), '');
  if (result.soak !== null) lines.push(renderSoak(result.soak), '');
  return lines.join('\n');
}

export function renderScenario({ title, summaries }: ScenarioResult): string[] {
  const head = [
    'contender',
    'CPU µs/req',
    'rounds',
    'req/s',
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    '/ nginx',
    '/ haproxy',
    'disturbed',
  ];
  const hasBulk = summaries.some(({ bulkBytesPerSecond }) => bulkBytesPerSecond > 0);
  if (hasBulk) head.push('10 MB downloads MB/s');
  const hasResumptions = summaries.some(({ resumedShare }) => (resumedShare ?? 0) > 0);
  if (hasResumptions) head.push('resumed');
  const rows = summaries.map((summary) => {
    if (summary.errors > 0) return [summary.contender, `WRONG: ${summary.errors} × ${summary.firstError}`];
    const row = [
      summary.contender,
      figure(summary.cpuUs),
      `${figure(Math.min(...summary.cpuUsRounds))}–${figure(Math.max(...summary.cpuUsRounds))}`,
      figure(summary.requestsPerSecond),
      figure(summary.p50Ms),
      figure(summary.p99Ms),
      figure(summary.p999Ms),
      ratio(cpuRatio(summary, summaries, 'nginx')),
      ratio(cpuRatio(summary, summaries, 'haproxy')),
      percent(summary.foreignShare),
    ];
    if (hasBulk) row.push(figure(summary.bulkBytesPerSecond / 1e6));
    if (hasResumptions) row.push(percent(summary.resumedShare));
    return row;
  });
  return [`**${title}**`, '', ...renderTable(head, rows)];
}

function renderMemory(results: readonly MemoryResult[]): string[] {
  const rows = results.map((result) => [
    result.contender,
    figure(result.idleBytes / MEBIBYTE),
    figure(result.loadedBytes / MEBIBYTE),
    result.problem === '' ? figure(result.bytesPerIdleConnection / 1024) : `WRONG: ${result.problem}`,
  ]);
  const perConnection = `KB per idle connection (${IDLE_CONNECTIONS.toLocaleString('en')})`;
  return ['**Memory (PSS)**', '', ...renderTable(['contender', 'idle MB', 'loaded MB', perConnection], rows)];
}

function renderSoak({ minutes, samplesBytes, errors, requests }: SoakResult): string {
  const last = (samplesBytes.at(-1) ?? Number.NaN) / MEBIBYTE;
  return (
    `Sluice after ${minutes} minutes at full load (${figure(requests)} requests, ${errors} errors): ${figure(last)} MB, ` +
    `last third / middle third = ${growthOf(samplesBytes).toFixed(3)}`
  );
}

/** A Markdown table whose columns line up in a terminal. Missing cells are empty. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, i) => (cells[i] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)];
}

/** Three significant digits, without exponent. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '-';
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function ratio(value: number | null): string {
  return value === null ? '-' : value.toFixed(2);
}

function percent(share: number | null): string {
  return share === null ? '-' : `${Math.round(share * 100)} %`;
}
