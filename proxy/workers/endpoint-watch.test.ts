import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { findCell } from '../endpoints/load-cell.ts';
import { SharedLoads } from '../endpoints/shared-loads.ts';
import { eventually } from '../forward/testing/data-path.ts';
import { defaultHealth, emptyGlobal, plainEndpoint, plainUpstream } from '../table/defaults.ts';
import type { Upstream } from '../table/types.ts';
import type { FullUpdate, PartsUpdate } from '../table/update.ts';
import { EndpointWatch } from './endpoint-watch.ts';

interface Told {
  readonly worker: number | null;
  readonly endpoint: string;
  readonly isFailing: boolean;
}

function startWatch(sharedCounts = 64) {
  const told: Told[] = [];
  const logs: string[] = [];
  const watch = new EndpointWatch({
    workers: 2,
    sharedCounts,
    maxChecks: 8,
    tell: (message, worker) => {
      if (message.type === 'probed') told.push({ worker, endpoint: message.endpoint, isFailing: message.isFailing });
    },
    log: ({ message }) => logs.push(message),
    nowMs: () => performance.now(),
    random: () => 0,
  });
  return { watch, told, logs };
}

function full(upstreams: readonly Upstream[]): FullUpdate {
  const table = {
    format: 1,
    global: emptyGlobal,
    policies: {},
    virtualHosts: [],
    certificates: [],
    streams: [],
  } as const;
  return { kind: 'full', revision: 1, table: { ...table, upstreams }, material: [] };
}

function parts(upstreams: readonly Upstream[], removedUpstreams: readonly string[] = []): PartsUpdate {
  const nothing = { policies: {}, removedPolicies: [], virtualHosts: [], removedVirtualHosts: [], material: [] };
  const rest = { certificates: [], removedCertificates: [], streams: null, global: null };
  return { kind: 'parts', revision: 2, baseRevision: 1, upstreams, removedUpstreams, ...nothing, ...rest };
}

const counted: Upstream = {
  ...plainUpstream('u', [plainEndpoint('10.0.0.1', 80)]),
  balancer: { kind: 'leastConnections' },
};

function probed(port: number): Upstream {
  const probe = { probe: { kind: 'tcp' }, port: null, intervalMs: 10, timeoutMs: 1000 } as const;
  const active = { ...probe, healthyThreshold: 1, unhealthyThreshold: 2 };
  return { ...plainUpstream('p', [plainEndpoint('127.0.0.1', port)]), health: { ...defaultHealth, active } };
}

test('upstreams that ask for it get shared counts, which a dead worker gives back and a removed upstream frees', async () => {
  const { watch } = startWatch();
  const loads = new SharedLoads(watch.memory);
  const cellOf = (column: number) => findCell({ loads, column }, 'u', '10.0.0.1:80');
  watch.onUpdate(full([plainUpstream('u', counted.endpoints)]));
  expect(cellOf(0)).toBeNull();
  watch.onUpdate(parts([counted]));
  cellOf(0)?.set(2);
  cellOf(1)?.set(3);
  expect(cellOf(0)?.sum()).toBe(5);
  watch.onWorkerGone(1);
  expect(cellOf(0)?.sum()).toBe(2);
  watch.onUpdate(parts([], ['u']));
  expect(cellOf(0)).not.toBeNull();
  watch.onAcknowledged();
  expect(cellOf(0)).toBeNull();
  await watch.close();
});

test('too few places are said once', async () => {
  const { watch, logs } = startWatch(1);
  watch.onUpdate(full([counted]));
  watch.onUpdate(full([counted]));
  watch.onUpdate(full([{ ...counted, endpoints: [plainEndpoint('10.0.0.1', 80), plainEndpoint('10.0.0.2', 80)] }]));
  expect(logs).toHaveLength(1);
  expect(logs[0]).toContain('--shared-counts');
  await watch.close();
});

test('checks run once for all workers: they hear when an endpoint turns, and a new worker hears what is known', async () => {
  const server = net.createServer((socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const endpoint = `127.0.0.1:${port}`;
  const { watch, told } = startWatch();
  watch.onUpdate(full([probed(port)]));
  server.close();
  await once(server, 'close');
  await eventually(
    () => told.length === 1,
    () => told,
  );
  expect(told).toEqual([{ worker: null, endpoint, isFailing: true }]);
  watch.repeatTo(1);
  expect(told[1]).toEqual({ worker: 1, endpoint, isFailing: true });
  // A worker may have read the update behind the news.
  watch.onAcknowledged();
  expect(told[2]).toEqual({ worker: null, endpoint, isFailing: true });
  // Behind that all have known it, whatever is updated.
  watch.onUpdate(parts([counted]));
  watch.onAcknowledged();
  expect(told).toHaveLength(3);
  const again = net.createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
  await once(again, 'listening');
  await eventually(
    () => told.length === 4,
    () => told,
  );
  expect(told[3]).toEqual({ worker: null, endpoint, isFailing: false });
  watch.onUpdate(parts([plainUpstream('p', [])]));
  watch.repeatTo(0);
  expect(told).toHaveLength(4);
  await watch.close();
  again.close();
});
