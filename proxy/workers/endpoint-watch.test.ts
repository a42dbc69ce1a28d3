import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { findCell } from '../endpoints/load-cell.ts';
import { EndpointRegistry } from '../endpoints/registry.ts';
import { SharedLoads } from '../endpoints/shared-loads.ts';
import { eventually } from '../forward/testing/data-path.ts';
import { defaultHealth, plainEndpoint, plainUpstream } from '../table/defaults.ts';
import { buildParts, buildUpstreams } from '../table/testing/build.ts';
import type { Upstream } from '../table/types.ts';
import { EndpointWatch, type EndpointWatchOptions } from './endpoint-watch.ts';
import type { ToWorker } from './messages.ts';

interface Told {
  readonly worker: number | null;
  readonly endpoint: string;
  readonly isFailing: boolean;
}

function startWatch(sharedCounts = 64, hear: EndpointWatchOptions['tell'] = () => undefined) {
  const told: Told[] = [];
  const logs: string[] = [];
  const watch = new EndpointWatch({
    workers: 2,
    sharedCounts,
    maxChecks: 8,
    tell: (message, worker) => {
      hear(message, worker);
      if (message.type === 'probed') told.push({ worker, endpoint: message.endpoint, isFailing: message.isFailing });
    },
    log: ({ message }) => logs.push(message),
    nowMs: () => performance.now(),
    random: () => 0,
  });
  return { watch, told, logs };
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
  watch.onUpdate(buildUpstreams([plainUpstream('u', counted.endpoints)]));
  expect(cellOf(0)).toBeNull();
  watch.onUpdate(buildParts({ upstreams: [counted] }));
  cellOf(0)?.set(2);
  cellOf(1)?.set(3);
  expect(cellOf(0)?.sum()).toBe(5);
  watch.onWorkerGone(1);
  expect(cellOf(0)?.sum()).toBe(2);
  watch.onUpdate(buildParts({ removedUpstreams: ['u'] }));
  expect(cellOf(0)).not.toBeNull();
  watch.onAcknowledged();
  expect(cellOf(0)).toBeNull();
  await watch.close();
});

/** A listener that closes every connection, as a healthy Pod would answer a TCP probe. */
async function listen(port = 0) {
  const server = net.createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      await once(server, 'close');
    },
  };
}

/** Two workers that hear what the watch tells, with the table that was accepted last. */
function startWorkers(upstreams: readonly Upstream[]) {
  const registries = [0, 1].map(() => new EndpointRegistry({ random: () => 0, onEndpointRemoved: () => undefined }));
  for (const registry of registries) registry.replaceUpstreams(upstreams);
  const hear = (message: ToWorker, worker: number | null) => {
    if (message.type !== 'probed') return;
    for (const [id, registry] of registries.entries()) {
      if (worker !== null && worker !== id) continue;
      registry.get(message.upstream)?.probed(message.endpoint, message.isFailing);
    }
  };
  /** A new thread in the place of one that died: it begins with the table in force. */
  const restart = (worker: number) => {
    registries[worker] = new EndpointRegistry({ random: () => 0, onEndpointRemoved: () => undefined });
    registries[worker].replaceUpstreams(upstreams);
  };
  const failing = () => registries.map((registry) => registry.get('p')?.endpoints.map((each) => each.isProbeFailing));
  return { hear, restart, failing };
}

describe('an update that removes an endpoint which fails its checks is given up', () => {
  async function startFailing() {
    const pod = await listen();
    await pod.close();
    const upstream = probed(pod.port);
    const workers = startWorkers([upstream]);
    const { watch } = startWatch(64, workers.hear);
    watch.onUpdate(buildUpstreams([upstream]));
    watch.onAcknowledged();
    await eventually(
      () =>
        workers
          .failing()
          .flat()
          .every((is) => is === true),
      workers.failing,
    );
    watch.onUpdate(buildParts({ upstreams: [{ ...upstream, endpoints: [] }] }));
    return { upstream, workers, watch, port: pod.port };
  }

  test('workers that never saw it use the endpoint once it is well', async () => {
    const { upstream, workers, watch, port } = await startFailing();
    const pod = await listen(port);
    watch.onGivenUp(buildUpstreams([upstream]));
    expect(workers.failing()).toEqual([[true], [true]]);
    await eventually(
      () =>
        workers
          .failing()
          .flat()
          .every((is) => is === false),
      workers.failing,
    );
    await watch.close();
    await pod.close();
  });

  test('a worker that was restarted meanwhile is told that it fails', async () => {
    const { upstream, workers, watch } = await startFailing();
    workers.restart(1);
    watch.repeatTo(1);
    expect(workers.failing()).toEqual([[true], [false]]);
    watch.onGivenUp(buildUpstreams([upstream]));
    expect(workers.failing()).toEqual([[true], [true]]);
    await watch.close();
  });
});

test('an endpoint that was removed for good begins as healthy when it comes again', async () => {
  const pod = await listen();
  await pod.close();
  const { watch, told } = startWatch();
  watch.onUpdate(buildUpstreams([probed(pod.port)]));
  await eventually(() => told.length === 1);
  watch.onUpdate(buildParts({ upstreams: [plainUpstream('p', [])] }));
  watch.onAcknowledged();
  watch.onUpdate(buildParts({ upstreams: [probed(pod.port)] }));
  watch.repeatTo(0);
  expect(told).toHaveLength(1);
  await watch.close();
});

test('too few places are said once', async () => {
  const { watch, logs } = startWatch(1);
  watch.onUpdate(buildUpstreams([counted]));
  watch.onUpdate(buildUpstreams([counted]));
  watch.onUpdate(
    buildUpstreams([{ ...counted, endpoints: [plainEndpoint('10.0.0.1', 80), plainEndpoint('10.0.0.2', 80)] }]),
  );
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
  watch.onUpdate(buildUpstreams([probed(port)]));
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
  watch.onUpdate(buildParts({ upstreams: [counted] }));
  watch.onAcknowledged();
  expect(told).toHaveLength(3);
  const again = net.createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
  await once(again, 'listening');
  await eventually(
    () => told.length === 4,
    () => told,
  );
  expect(told[3]).toEqual({ worker: null, endpoint, isFailing: false });
  watch.onUpdate(buildParts({ upstreams: [plainUpstream('p', [])] }));
  watch.repeatTo(0);
  expect(told).toHaveLength(4);
  await watch.close();
  again.close();
});
