// How a worker takes updates: what it prepares, applies and refuses. What requests see of it is tested in forward/.

import { expect, test } from '@jest/globals';
import { TestProxy, tableOf } from '../forward/testing/test-proxy.ts';
import { buildParts } from '../table/testing/build.ts';
import type { PartsUpdate } from '../table/update.ts';
import type { ProxyWorker } from './proxy-worker.ts';

const table = tableOf([{ host: 'a.test' }]);

/** Parts that give a.test a policy of their own. */
const parts = (baseRevision: number): PartsUpdate =>
  buildParts({
    revision: baseRevision + 1,
    baseRevision,
    virtualHosts: table.virtualHosts.map((host) => ({
      ...host,
      routes: host.routes.map((route) => ({ ...route, policy: 'of revision 2' })),
    })),
  });

function prepareAll(worker: ProxyWorker, update: PartsUpdate) {
  const preparing = worker.prepare(update);
  let step = preparing.next();
  while (step.done !== true) step = preparing.next();
  return step.value;
}

test('parts on another revision name policies that are not known: nothing is prepared, and they are not applied', async () => {
  await using proxy = new TestProxy();
  proxy.publish(table);
  const update = parts(2);
  const prepared = prepareAll(proxy.worker, update);
  expect(prepared).toBeUndefined();
  expect(proxy.worker.apply(update, prepared)).toBe(false);
  expect(proxy.worker.revision).toBe(1);
});

test('parts on its revision are prepared with their policies and applied', async () => {
  await using proxy = new TestProxy();
  proxy.publish(table);
  const [policy] = Object.values(table.policies);
  if (policy === undefined) throw new Error('the table has a policy');
  const update = { ...parts(1), policies: { 'of revision 2': policy } };
  const prepared = prepareAll(proxy.worker, update);
  expect(prepared?.size).toBe(update.virtualHosts.length);
  expect(proxy.worker.apply(update, prepared)).toBe(true);
  expect(proxy.worker.revision).toBe(2);
});
