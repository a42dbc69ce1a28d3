// A burst of new connections is accepted within a few turns of the event loop, however busy the turns are.

import { once } from 'node:events';
import net from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { TestProxy, tableOf } from '../forward/testing/test-proxy.ts';

const BURST = 128;

function openConnections(proxy: TestProxy): number {
  const gauge = proxy.worker
    .sample()
    .gauges.find(({ name, labels }) => name === 'sluice_open_connections' && labels['protocol'] === 'http');
  return gauge?.value ?? 0;
}

test('128 connections at once wait far fewer than 128 turns', async () => {
  await using proxy = await new TestProxy({ reusePort: true }).listen();
  proxy.publish(tableOf([{}]));
  const clients = Array.from({ length: BURST }, () => net.connect(proxy.port, '127.0.0.1'));
  // All connect within one turn: the kernel completes them without the worker, which accepts in the turns that follow.
  await once(clients[0] as net.Socket, 'connect');
  let turns = 0;
  for (; openConnections(proxy) < BURST && turns < BURST; turns++) await setImmediate();
  expect(turns).toBeLessThan(BURST / 4);
  for (const client of clients) client.destroy();
});
