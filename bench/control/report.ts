// The result of the control benchmark as Markdown tables, with the targets beside the figures. Pure.

import { figure, renderTable } from '../report.ts';
import type { NginxResult } from './measure-nginx.ts';
import type { SluiceResult } from './measure-sluice.ts';
import type { Quantiles } from './probe.ts';

/** What `--json` writes. */
export interface ControlResult {
  readonly startedAt: string;
  readonly machine: string;
  readonly small: SluiceResult;
  readonly large: SluiceResult;
  readonly nginx: NginxResult;
}

/** The target says MB; the strict reading. */
const MEGABYTE = 1e6;
const KINDS = ['endpoint', 'route', 'certificate'] as const;

export function renderControlReport(result: ControlResult): string {
  const { machine, startedAt, small, large, nginx } = result;
  const head = ['', String(small.ingresses), String(large.ingresses), 'ratio', 'target', ''];
  const rows = [
    ['start to ready s', figure(small.readyMs / 1000), ...judged(large.readyMs / 1000, 10)],
    ...KINDS.flatMap((kind) => changeRows(kind, small[kind], large[kind])),
    ['request p99, quiet ms', figure(small.quiet.p99Ms), figure(large.quiet.p99Ms)],
    [
      `request p99, ${figure(large.achievedChangesPerSecond)} changes/s ms`,
      figure(small.busy.p99Ms),
      ...judged(large.busy.p99Ms, large.quiet.p99Ms * 1.5),
    ],
    ['request p99, statuses being written ms', figure(small.whileWriting.p99Ms), figure(large.whileWriting.p99Ms)],
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
  const peers = [
    ['route change to first answer p50 ms', figure(large.route.p50Ms), figure(nginx.reload.p50Ms)],
    ['the slowest ms', figure(large.route.maxMs), figure(nginx.reload.maxMs)],
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
  return [
    `${machine}; ${large.endpoint.count} changes of each kind; ${startedAt}`,
    '',
    ...renderTable(head, rows),
    '',
    ...renderTable([`${large.ingresses} Ingresses`, 'sluice', 'nginx'], peers),
    '',
  ].join('\n');
}

function changeRows(kind: string, small: Quantiles, large: Quantiles): string[][] {
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
