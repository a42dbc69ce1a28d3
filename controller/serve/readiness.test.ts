// Readiness: what /healthz says in each state of the process, and that a started process asks.

import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { RunningSluice } from '../cli/testing/run-sluice.ts';
import { ask } from '../features/testing/ask.ts';
import { findFault, type ReadinessFacts } from './readiness.ts';

type Phases = readonly ReadinessFacts['pool']['workers'][number]['phase'][];

test.each<[string, boolean, boolean, Phases, string | null]>([
  ['before there are workers', false, false, [], 'not every worker serves the first routing table yet'],
  ['one of two serves', false, false, ['serving', 'synced'], 'not every worker serves the first routing table yet'],
  ['all serve', false, true, ['serving', 'serving'], null],
  ['one has crashed later', false, true, ['serving', 'down'], null],
  ['all have crashed', false, true, ['down', 'down'], 'no worker serves'],
  ['stopping', true, true, ['serving', 'serving'], 'shutting down'],
])('%s', (_, isStopping, isReady, phases, want) => {
  expect(findFault({ isStopping, pool: { isReady, workers: phases.map((phase) => ({ phase })) } })).toBe(want);
});

test('while the API server does not answer, /healthz is 500', async () => {
  await using stack = new AsyncDisposableStack();
  const silent = createServer((socket) => void socket.on('error', () => socket.destroy())).listen(0, '127.0.0.1');
  stack.defer(() => void silent.close());
  await new Promise((resolve) => silent.once('listening', resolve));
  const { port } = silent.address() as { readonly port: number };
  const flags = [
    '--http-port=0',
    '--https-port=0',
    '--healthz-port=0',
    '--healthz-host=127.0.0.1',
    '--log-level=debug',
  ];
  const sluice = stack.use(new RunningSluice([`--apiserver-host=http://127.0.0.1:${port}`, ...flags]));
  const record = await sluice.logged(({ msg }) => msg === 'health server listens');
  expect((await ask({ port: Number(record['port']), host: 'localhost', path: '/healthz' })).status).toBe(500);
});
