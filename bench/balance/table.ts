// The table of docs/load-balancing.md.

import { algorithms, scenarios } from './scenarios.ts';
import { type Result, type Scenario, simulate } from './simulate.ts';

/** Lines between which the table stands in the document. */
export const tableBegins = '<!-- bench:balance -->';
export const tableEnds = '<!-- /bench:balance -->';

/** Runs all simulations, some seconds, and renders one Markdown table per scenario. */
export function renderTables(): string {
  return scenarios.map(renderScenario).join('\n\n');
}

/** Runs one scenario with every algorithm and renders its heading and table. */
export function renderScenario(scenario: Scenario): string {
  const rows = algorithms.map((algorithm) => `| ${algorithm.name} | ${renderResult(simulate(scenario, algorithm))} |`);
  return [
    `**${scenario.name}**`,
    '',
    '| algorithm | share of endpoints 1 to 9 | of the tenth | p50 | p99 | failed attempts | errors seen by clients |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function renderResult({ sharesPercent, p50Ms, p99Ms, requests, failedAttempts, errors }: Result): string {
  const others = sharesPercent.slice(0, -1);
  const range = `${Math.min(...others).toFixed(1)} to ${Math.max(...others).toFixed(1)} %`;
  const last = `${(sharesPercent.at(-1) ?? 0).toFixed(1)} %`;
  return [
    range,
    last,
    `${p50Ms.toFixed(0)} ms`,
    `${p99Ms.toFixed(0)} ms`,
    failedAttempts,
    `${errors} of ${requests}`,
  ].join(' | ');
}

/** Puts fresh tables between the marks of a document. Throws when it has no marks. */
export function replaceTables(document: string, tables: string): string {
  const from = document.indexOf(tableBegins);
  const to = document.indexOf(tableEnds);
  if (from === -1 || to < from) throw new Error('the document has no place for the tables');
  return `${document.slice(0, from + tableBegins.length)}\n\n${tables}\n\n${document.slice(to)}`;
}
