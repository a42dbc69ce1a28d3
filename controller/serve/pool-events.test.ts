// What a worker that dies, or has just started, sets going on the main thread.

import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { findCell } from '#proxy/endpoints/load-cell.ts';
import { SharedLoads } from '#proxy/endpoints/shared-loads.ts';
import { defaultHealth, plainEndpoint, plainUpstream } from '#proxy/table/defaults.ts';
import { buildUpstreams } from '#proxy/table/testing/build.ts';
import type { Upstream } from '#proxy/table/types.ts';
import { EndpointWatch } from '#proxy/workers/endpoint-watch.ts';
import type { ToWorker } from '#proxy/workers/messages.ts';
import { createLogger } from './logger.ts';
import { poolEvents } from './pool-events.ts';
import { StreamPortFaults } from './stream-port-faults.ts';

const counted: Upstream = {
  ...plainUpstream('u', [plainEndpoint('10.0.0.1', 80)]),
  balancer: { kind: 'leastConnections' },
};

let watch: EndpointWatch;
let told: { readonly message: ToWorker; readonly worker: number | null }[];
let lines: Record<string, unknown>[];
/** Messages of the diagnostics about ports, as they changed. */
let portNews: string[];
let turned: () => void;

beforeEach(() => {
  [told, lines, portNews, turned] = [[], [], [], () => undefined];
  watch = new EndpointWatch({
    workers: 3,
    sharedCounts: 64,
    maxChecks: 8,
    tell: (message, worker) => {
      told.push({ message, worker });
      turned();
    },
    log: () => undefined,
    nowMs: () => performance.now(),
    random: () => 0,
  });
});
afterEach(() => watch.close());

function events() {
  const portFaults = new StreamPortFaults({
    configMaps: { tcp: 'edge/tcp', udp: 'edge/udp' },
    apply: (changes) => {
      for (const change of changes) {
        if (change.kind === 'sourceDiagnostics') portNews.push(change.diagnostics.map(({ message }) => message).join());
      }
    },
  });
  const log = createLogger('json', 'info', false, (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
  return poolEvents({ log, writeAccessLog: () => undefined, watch, portFaults });
}

function serve(upstreams: readonly Upstream[]): void {
  watch.onUpdate(buildUpstreams(upstreams));
}

const crash = { workerId: 1, error: new Error('out of memory'), exitCode: 7, restartInMs: 250 };

test('a worker that dies leaves no load behind, at endpoints and in the upstream; that of the others stays', () => {
  serve([counted]);
  const loads = new SharedLoads(watch.memory);
  const cells = ['10.0.0.1:80', ''].flatMap((endpoint) =>
    [0, 1, 2].map((column) => findCell({ loads, column }, 'u', endpoint)),
  );
  for (const [at, cell] of cells.entries()) cell?.set(at + 1);
  expect(cells.map((cell) => cell?.sum())).toEqual([6, 6, 6, 15, 15, 15]);
  events().onCrash(crash);
  expect(cells.map((cell) => cell?.sum())).toEqual([4, 4, 4, 10, 10, 10]);
  expect(lines).toMatchObject([
    { level: 50, worker: 1, exitCode: 7, restartInMs: 250, err: { message: 'out of memory' } },
  ]);
  expect(lines[0]?.['msg']).toBe('worker 1 died; the others serve, it is replaced in 250 ms');
});

test('what a dead worker has said of ports is void', () => {
  const { onPortFault, onCrash } = events();
  onPortFault?.(1, 'tcp:9000', 'it is taken');
  onPortFault?.(2, 'udp:53', 'it is taken');
  onCrash({ ...crash, error: null });
  expect(portNews).toEqual(['edge/tcp key "9000": it is taken', 'edge/udp key "53": it is taken', '']);
  expect(lines[0]).not.toHaveProperty('err');
});

test('a worker that has just started hears which endpoints fail their checks, and nobody else does', async () => {
  const closed = net.createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, 'close');
  const probe = { probe: { kind: 'tcp' }, port: null, intervalMs: 10, timeoutMs: 1000 } as const;
  const active = { ...probe, healthyThreshold: 1, unhealthyThreshold: 1 };
  const failing = new Promise<void>((resolve) => {
    turned = resolve;
  });
  const upstream = plainUpstream('p', [plainEndpoint('127.0.0.1', port)]);
  serve([{ ...upstream, health: { ...defaultHealth, active } }]);
  await failing;
  events().onSynced?.(2);
  const message = { type: 'probed', upstream: 'p', endpoint: `127.0.0.1:${port}`, isFailing: true };
  expect(told).toEqual([
    { message, worker: null },
    { message, worker: 2 },
  ]);
});
