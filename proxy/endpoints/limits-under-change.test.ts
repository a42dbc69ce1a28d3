// Places and queues of an upstream while its limits, its endpoints and its workers change.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { plainUpstream } from '../table/defaults.ts';
import { noLimits } from '../table/testing/build.ts';
import type { Upstream } from '../table/types.ts';
import type { UpstreamLimits } from '../table/upstream-settings.ts';
import { LimitedWorkers } from './testing/limited-workers.ts';
import { pod } from './testing/upstream-scene.ts';

const limits = fc.option(
  fc.record({
    maxRequests: fc.option(fc.integer({ min: 1, max: 4 }), { freq: 3 }),
    maxRequestsPerEndpoint: fc.option(fc.integer({ min: 1, max: 2 })),
    maxPending: fc.nat(6),
    pendingTimeoutMs: fc.constantFrom(0, 150, 10_000),
  }),
  { freq: 5 },
);

const upstream = fc
  .record({ limits, pods: fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }) })
  .map((chosen) => upstreamOf(chosen.limits, chosen.pods));

function upstreamOf(changed: Partial<UpstreamLimits> | null, pods: readonly number[]): Upstream {
  return {
    ...plainUpstream(
      'u',
      pods.toSorted().map((n) => pod(n)),
    ),
    limits: changed === null ? null : { ...noLimits, ...changed },
  };
}

const WORKERS = 3;
const worker = fc.nat(WORKERS - 1);
type Act = (workers: LimitedWorkers) => void;

const act: fc.Arbitrary<{ readonly name: string; readonly run: Act }> = fc.oneof(
  { weight: 10, arbitrary: worker.map((at) => ({ name: `begin ${at}`, run: (all: LimitedWorkers) => all.begin(at) })) },
  { weight: 7, arbitrary: fc.nat(9).map((at) => ({ name: `end ${at}`, run: (all: LimitedWorkers) => all.end(at) })) },
  { weight: 2, arbitrary: fc.constant({ name: 'tick', run: (all: LimitedWorkers) => all.tick() }) },
  { weight: 2, arbitrary: fc.constant({ name: 'rest', run: (all: LimitedWorkers) => all.rest() }) },
  {
    weight: 2,
    arbitrary: upstream.map((next) => ({
      name: `publish ${next.endpoints.length} ${JSON.stringify(next.limits)}`,
      run: (all: LimitedWorkers) => all.publish(next),
    })),
  },
  {
    weight: 3,
    arbitrary: worker.map((at) => ({ name: `deliver ${at}`, run: (all: LimitedWorkers) => all.deliver(at) })),
  },
  { weight: 1, arbitrary: worker.map((at) => ({ name: `die ${at}`, run: (all: LimitedWorkers) => all.die(at) })) },
  {
    weight: 1,
    arbitrary: fc.tuple(upstream, worker).map(([next, at]) => ({
      name: `give up ${at}`,
      run: (all: LimitedWorkers) => all.giveUp(next, at),
    })),
  },
);

test('whatever changes: limits hold, nobody waits for what is free, the eldest goes first, and nothing is left', () => {
  fc.assert(
    fc.property(upstream, fc.array(act, { maxLength: 60 }), (first, acts) => {
      const workers = new LimitedWorkers(first, WORKERS);
      for (const { name, run } of acts) {
        run(workers);
        expect([name, workers.broken]).toEqual([name, []]);
      }
      workers.rest();
      workers.empty();
      expect(workers.broken).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test('a shorter wait holds for those who wait already, and for those behind them', () => {
  const patient = { maxRequests: 1, maxPending: 5, pendingTimeoutMs: 60_000 };
  const workers = new LimitedWorkers(upstreamOf(patient, [1]), 1);
  for (let at = 0; at < 3; at++) workers.begin(0);
  const phases = () => workers.requests.map(({ phase }) => phase);
  expect(phases()).toEqual(['running', 'waiting', 'waiting']);
  workers.publish(upstreamOf({ ...patient, pendingTimeoutMs: 150 }, [1]));
  workers.deliver(0);
  workers.begin(0);
  workers.tick();
  expect(phases()).toEqual(['running', 'waiting', 'waiting', 'waiting']);
  workers.tick();
  expect(phases()).toEqual(['running', 'over', 'over', 'over']);
  workers.empty();
  expect(workers.broken).toEqual([]);
});
