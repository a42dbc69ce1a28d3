// The table of docs/load-balancing.md.

import { algorithms, scenarios } from './scenarios.ts';
import { type Result, type Scenario, simulate } from './simulate.ts';

/** Lines between which the table stands in the document. */
const tableBegins = '<!-- bench:balance -->';
const tableEnds = '<!-- /bench:balance -->';

/** Runs all simulations, some seconds, and renders one Markdown table per scenario. */
export function renderTables(): string {
  return scenarios.map((scenario) => renderScenario(scenario)).join('\n\n');
}

/** Renders heading and table of one scenario with every algorithm. `run` gives the results; default: they are simulated. */
export function renderScenario(scenario: Scenario, run: typeof simulate = simulate): string {
  const rows = algorithms.map((algorithm) => `| ${algorithm.name} | ${renderResult(run(scenario, algorithm))} |`);
  return [
    `**${scenario.name}**`,
    '',
    '| algorithm | share of each endpoint, % | p50 | p99 | failed attempts | errors seen by clients |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function renderResult({ sharesPercent, p50Ms, p99Ms, requests, failedAttempts, errors }: Result): string {
  return [
    sharesPercent.map((share) => share.toFixed(1)).join(' '),
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
