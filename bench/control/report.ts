// The result of the control benchmark as Markdown tables, with the targets beside the figures. Pure.

import { figure, renderTable } from '../report.ts';
import type { NginxResult } from './measure-nginx.ts';
import type { Latencies, SluiceResult, SluiceResults } from './measure-sluice.ts';

/** What `--json` writes. */
export interface ControlResult extends SluiceResults {
  readonly startedAt: string;
  readonly machine: string;
  /** null when it was left out. */
  readonly nginx: NginxResult | null;
}

/** The target says MB; the strict reading. */
const MEGABYTE = 1e6;
const KINDS = ['endpoint', 'route', 'certificate'] as const;

/** `head` says when and where. */
export function renderSluiceReport(result: SluiceResults, head: string): string {
  const { small, large, standstills } = result;
  const columns = ['', String(small.ingresses), String(large.ingresses), 'ratio', 'target', ''];
  const rows = [
    ['start to ready s', figure(small.readyMs / 1000), ...judged(large.readyMs / 1000, 10)],
    ...KINDS.flatMap((kind) => changeRows(kind, small[kind], large[kind])),
    requestRow('request p50, quiet ms', 'quiet', 'p50Ms', result),
    requestRow('request p50, busy ms', 'busy', 'p50Ms', result),
    requestRow('request p99, quiet ms', 'quiet', 'p99Ms', result),
    [
      `request p99, ${figure(large.achievedChangesPerSecond)} changes/s ms`,
      figure(small.busy.undisturbed.p99Ms),
      ...judged(large.busy.undisturbed.p99Ms, large.quiet.undisturbed.p99Ms * 1.5),
    ],
    requestRow('request p99, statuses being written ms', 'whileWriting', 'p99Ms', result),
    ['statuses written', figure(small.writes.statuses), figure(large.writes.statuses)],
    ['Events written', figure(small.writes.events), figure(large.writes.events)],
    [
      'RSS when statuses are written MB',
      figure(small.startBytes / MEGABYTE),
      ...judged(large.startBytes / MEGABYTE, 600),
    ],
    ['RSS after the busy time MB', figure(small.busyBytes / MEGABYTE), ...judged(large.busyBytes / MEGABYTE, 600)],
    ['RSS after relists MB', figure(small.endBytes / MEGABYTE), ...judged(large.endBytes / MEGABYTE, 600)],
    ['highest RSS (VmHWM) MB', figure(small.peakBytes / MEGABYTE), ...judged(large.peakBytes / MEGABYTE, 600)],
    ['relists', figure(small.relists), figure(large.relists)],
    ['tables published by them', figure(small.relistRevisions), ...judged(large.relistRevisions, 0)],
  ];
  return [
    `${head}; ${large.endpoint.all.count} changes of each kind`,
    '',
    ...renderTable(columns, rows),
    '',
    renderStandstills(standstills),
    '',
    ...renderTable(['', String(small.ingresses), String(large.ingresses)], renderEverything(result)),
    '',
  ].join('\n');
}

export function renderPeerReport(large: SluiceResult, nginx: NginxResult): string {
  const rows = [
    ['route change to first answer p50 ms', figure(large.route.all.p50Ms), figure(nginx.reload.p50Ms)],
    ['the slowest ms', figure(large.route.all.maxMs), figure(nginx.reload.maxMs)],
    ['memory at the start MB', figure(large.startBytes / MEGABYTE), figure(nginx.startBytes / MEGABYTE)],
    [
      `memory after the changes MB (nginx: ${nginx.processes} processes)`,
      figure(large.endBytes / MEGABYTE),
      figure(nginx.heldBytes / MEGABYTE),
    ],
    [
      'WebSockets cut',
      `${large.webSocketsCut} of ${large.webSockets}`,
      `${nginx.webSocketsCut} of ${nginx.webSockets}`,
    ],
  ];
  return [...renderTable([`${large.ingresses} Ingresses`, 'sluice', 'nginx'], rows), ''].join('\n');
}

/** The same with the samples that a standstill has held up, and how many those are. */
function renderEverything({ small, large }: SluiceResults): string[][] {
  const kinds = ['endpoint', 'route', 'certificate', 'quiet', 'busy', 'whileWriting'] as const;
  const p99 = (latencies: Latencies): string =>
    `${figure(latencies.all.p99Ms)} (${latencies.all.count - latencies.undisturbed.count} of ${latencies.all.count} held up)`;
  const taken = (share: number): string => `${(share * 100).toFixed(1)} %`;
  return [
    ...kinds.map((kind) => [`${kind} p99 of all ms`, p99(small[kind]), p99(large[kind])]),
    ...(['changes', 'quiet', 'busy'] as const).map((part) => [
      `both cores taken by others, ${part}`,
      taken(small.disturbed[part]),
      taken(large.disturbed[part]),
    ]),
  ];
}

function requestRow(
  what: string,
  kind: 'quiet' | 'busy' | 'whileWriting',
  quantile: 'p50Ms' | 'p99Ms',
  { small, large }: SluiceResults,
): string[] {
  return [what, figure(small[kind].undisturbed[quantile]), figure(large[kind].undisturbed[quantile])];
}

function renderStandstills(standstills: SluiceResults['standstills']): string {
  if (standstills === null) return 'Nobody watched for standstills of the machine: that takes a C compiler and root.';
  const totalMs = standstills.reduce((sum, { tookMs }) => sum + tookMs, 0);
  return `The machine stood still ${standstills.length} times, ${figure(totalMs)} ms in all. What that held up is left out above.`;
}

function changeRows(kind: string, smallAll: Latencies, largeAll: Latencies): string[][] {
  const [small, large] = [smallAll.undisturbed, largeAll.undisturbed];
  const row = (what: string, smallMs: number, largeMs: number, targetMs: number): string[] => {
    const ratio = largeMs / smallMs;
    const verdict = largeMs <= targetMs && ratio <= 1.5 ? 'met' : 'missed';
    return [`${kind} ${what} ms`, figure(smallMs), figure(largeMs), ratio.toFixed(2), `${targetMs}; 1.50`, verdict];
  };
  return [row('p50', small.p50Ms, large.p50Ms, 20), row('p99', small.p99Ms, large.p99Ms, 100)];
}

/** Figure, no ratio, target and verdict. */
function judged(value: number, target: number): string[] {
  return [figure(value), '', figure(target), value <= target ? 'met' : 'missed'];
}
