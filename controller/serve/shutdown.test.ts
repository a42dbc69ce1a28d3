// The order of an orderly shutdown, and the ways out of it.

import { expect, test } from '@jest/globals';
import { Shutdown, type ShutdownSteps, type ShutdownTimes } from './shutdown.ts';

const NO_GRACE: ShutdownTimes = { shutdownGracePeriod: 0, postShutdownGracePeriod: 0 };

function start(times: ShutdownTimes, overrides: Partial<ShutdownSteps> = {}) {
  const events: string[] = [];
  const clock = { nowMs: 0 };
  const shutdown = new Shutdown(times, {
    notReady: () => events.push('notReady'),
    drain: async () => {
      events.push('drain');
    },
    exit: (code) => events.push(`exit ${code}`),
    log: () => {},
    wait: async (ms) => {
      events.push(`wait ${ms}`);
    },
    nowMs: () => clock.nowMs,
    ...overrides,
  });
  return { shutdown, events, clock };
}

test('fails the health check first, then waits, drains, waits and exits 0', async () => {
  const { shutdown, events } = start({ shutdownGracePeriod: 5, postShutdownGracePeriod: 10 });
  await shutdown.onSignal('SIGTERM');
  expect(events).toEqual(['notReady', 'wait 5000', 'drain', 'wait 10000', 'exit 0']);
});

test('waits for nothing without grace periods', async () => {
  const { shutdown, events } = start(NO_GRACE);
  await shutdown.onSignal('SIGINT');
  expect(events).toEqual(['notReady', 'drain', 'exit 0']);
});

test.each([
  ['SIGTERM', 'SIGTERM', 300, 'exit 143'],
  ['SIGTERM', 'SIGINT', 0, 'exit 130'],
  ['SIGINT', 'SIGTERM', 0, 'exit 143'],
  ['SIGINT', 'SIGINT', 300, 'exit 130'],
] as const)('%s, then %s after %i ms, ends at once', async (first, second, afterMs, want) => {
  const { shutdown, events, clock } = start(NO_GRACE, { drain: () => new Promise<void>(() => {}) });
  void shutdown.onSignal(first);
  clock.nowMs += afterMs;
  await shutdown.onSignal(second);
  expect(events).toEqual(['notReady', want]);
});

test.each(['SIGINT', 'SIGTERM'] as const)('a %s that was delivered twice counts once', async (signal) => {
  const { shutdown, events, clock } = start(NO_GRACE, { drain: () => new Promise<void>(() => {}) });
  void shutdown.onSignal(signal);
  clock.nowMs += 299;
  await shutdown.onSignal(signal);
  expect(events).toEqual(['notReady']);
});

test('a drain that fails still ends the process, with code 1', async () => {
  const { shutdown, events } = start(NO_GRACE, { drain: () => Promise.reject(new Error('pool is gone')) });
  await shutdown.onSignal('SIGTERM');
  expect(events).toEqual(['notReady', 'exit 1']);
});
