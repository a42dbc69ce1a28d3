import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { plainEndpoint, plainUpstream } from '../table/defaults.ts';
import { noLimits } from '../table/testing/build.ts';
import type { UpstreamLimits } from '../table/upstream-settings.ts';
import { LoadDirectory } from './load-directory.ts';
import { allocateSharedLoads, SharedLoads } from './shared-loads.ts';
import type { GateJob } from './testing/gate-hammer.ts';
import { TurnedLoads } from './testing/turned-loads.ts';
import { UpstreamGate } from './upstream-gate.ts';

const limits: UpstreamLimits = { ...noLimits, maxRequests: 2, maxPending: 2 };
interface GateScene {
  readonly settings?: Partial<UpstreamLimits>;
  readonly hasRoom?: () => boolean;
}

/** Gates of `workers` workers over shared counters, and waiters that write down what they are told. */
function startGates(workers: number, { settings = {}, hasRoom = () => true }: GateScene = {}) {
  const merged = { ...limits, ...settings };
  const loads = new TurnedLoads(allocateSharedLoads(workers, 16));
  new LoadDirectory(loads).apply([{ ...plainUpstream('u', [plainEndpoint('10.0.0.1', 80)]), limits: merged }], []);
  const log: string[] = [];
  const waiter = (name: string) => ({
    onAdmitted: () => log.push(`${name} in`),
    onTimedOut: () => log.push(`${name} late`),
  });
  const clock = { nowMs: 0 };
  const options = { upstreamId: 'u', nowMs: () => clock.nowMs, hasRoom };
  const gates = Array.from(
    { length: workers },
    (_, column) => new UpstreamGate(merged, { ...options, loads: { loads, column } }),
  );
  return { gates, log, waiter, loads, clock };
}

function only(gates: readonly UpstreamGate[]): UpstreamGate {
  const [gate] = gates;
  if (gate === undefined) throw new Error('expected a gate');
  return gate;
}

describe('UpstreamGate', () => {
  test('places, then the queue, then full; a place that is left goes to who waited longest', () => {
    const { gates, log, waiter } = startGates(1);
    const gate = only(gates);
    expect(['a', 'b', 'c', 'd', 'e'].map((name) => gate.enter(waiter(name), 0))).toEqual([
      'admitted',
      'admitted',
      'waiting',
      'waiting',
      'full',
    ]);
    expect([gate.requests, gate.pending]).toEqual([2, 2]);
    gate.leave();
    gate.leave();
    gate.leave();
    expect(log).toEqual(['c in', 'd in']);
    expect([gate.requests, gate.pending]).toEqual([1, 0]);
  });

  test.each([
    ['requests alone', { maxRequests: 1, maxConnections: null }, 1],
    ['connections alone', { maxRequests: null, maxConnections: 1 }, 1],
    ['the lower of both', { maxRequests: 3, maxConnections: 2 }, 2],
    ['no limit', { maxRequests: null, maxConnections: null }, 5],
  ])('%s', (_, settings, want) => {
    const { gates, waiter } = startGates(1, { settings: { ...settings, maxPending: 0 } });
    const entries = Array.from({ length: 5 }, () => only(gates).enter(waiter('x'), 0));
    expect(entries.filter((entry) => entry === 'admitted')).toHaveLength(want);
    expect(entries).not.toContain('waiting');
  });

  test('who waits too long is told so once, and its place in the queue is free', () => {
    const { gates, log, waiter } = startGates(1, { settings: { maxPending: 1 } });
    const gate = only(gates);
    for (const name of ['a', 'b', 'c']) gate.enter(waiter(name), 0);
    gate.tick(999);
    expect(log).toEqual([]);
    gate.tick(1000);
    gate.tick(5000);
    expect(log).toEqual(['c late']);
    expect(gate.enter(waiter('d'), 5000)).toBe('waiting');
  });

  test('a client that went away is not admitted', () => {
    const { gates, log, waiter } = startGates(1);
    const gate = only(gates);
    gate.enter(waiter('a'), 0);
    gate.enter(waiter('b'), 0);
    const gone = waiter('c');
    gate.enter(gone, 0);
    gate.enter(waiter('d'), 0);
    gate.cancel(gone);
    gate.cancel(gone);
    gate.leave();
    expect([log, gate.pending]).toEqual([['d in'], 0]);
  });

  test('places hold over workers; one freed elsewhere wakes the worker that waits for it', () => {
    const { gates, log, waiter, loads } = startGates(2);
    const [here, there] = gates;
    here?.enter(waiter('a'), 0);
    here?.enter(waiter('b'), 0);
    expect(there?.enter(waiter('c'), 0)).toBe('waiting');
    here?.leave();
    expect(log).toEqual([]);
    loads.turn();
    expect(log).toEqual(['c in']);
    expect(here?.requests).toBe(2);
  });

  test('a place that is freed elsewhere between the look for one and the wait is not missed', () => {
    let leavesMeanwhile = false;
    const hasRoom = () => {
      if (!leavesMeanwhile) return true;
      leavesMeanwhile = false;
      gates[0]?.leave();
      return false;
    };
    const { gates, log, waiter } = startGates(2, { settings: { maxRequests: 1 }, hasRoom });
    const [here, there] = gates as [UpstreamGate, UpstreamGate];
    here.enter(waiter('a'), 0);
    leavesMeanwhile = true;
    expect([there.enter(waiter('b'), 0), there.requests, there.pending]).toEqual(['admitted', 1, 0]);
    there.leave();
    there.tick(100);
    expect([log, there.requests]).toEqual([[], 0]);
  });

  test('a place goes to who has waited longest in all workers, not to the next one of the worker that frees it', () => {
    const { gates, log, waiter, loads } = startGates(3, { settings: { maxRequests: 1, maxPending: 10 } });
    const [a, b, c] = gates as [UpstreamGate, UpstreamGate, UpstreamGate];
    a.enter(waiter('first'), 0);
    const names = ['b1', 'a1', 'c1', 'a2', 'b2'];
    for (const [at, name] of names.entries()) {
      const gate = name.startsWith('a') ? a : name.startsWith('b') ? b : c;
      expect(gate.enter(waiter(name), at + 1)).toBe('waiting');
    }
    let holder = a;
    for (const name of names) {
      holder.leave();
      loads.turn();
      expect(log.at(-1)).toBe(`${name} in`);
      holder = name.startsWith('a') ? a : name.startsWith('b') ? b : c;
    }
    expect(log).toHaveLength(names.length);
  });

  test('nobody overtakes those who wait, in whichever worker', () => {
    const { gates, log, waiter, loads } = startGates(2, { settings: { maxRequests: 1, maxPending: 10 } });
    const [here, there] = gates as [UpstreamGate, UpstreamGate];
    here.enter(waiter('a'), 0);
    there.enter(waiter('b'), 0);
    here.leave();
    // The place is free, and b is on its way to it.
    expect(here.enter(waiter('c'), 1)).toBe('waiting');
    expect(here.enterAgain()).toBe(false);
    loads.turn();
    expect(log).toEqual(['b in']);
    there.leave();
    loads.turn();
    expect(log).toEqual(['b in', 'c in']);
  });

  test('a worker that does not react holds a place up for a moment only', () => {
    const { gates, log, waiter, clock } = startGates(2, { settings: { maxRequests: 1, maxPending: 10 } });
    const [here, busy] = gates as [UpstreamGate, UpstreamGate];
    here.enter(waiter('a'), 0);
    busy.enter(waiter('b'), 0);
    here.leave();
    clock.nowMs = 4;
    expect(here.enter(waiter('c'), clock.nowMs)).toBe('waiting');
    here.tick(clock.nowMs);
    expect(log).toEqual([]);
    clock.nowMs = 5;
    here.tick(clock.nowMs);
    expect(log).toEqual(['c in']);
    here.leave();
    expect(here.enter(waiter('d'), clock.nowMs)).toBe('admitted');
  });

  test('one that has heard and found nothing keeps its turn', () => {
    const { gates, log, waiter, loads, clock } = startGates(2, { settings: { maxRequests: 2, maxPending: 10 } });
    const [here, there] = gates as [UpstreamGate, UpstreamGate];
    here.enter(waiter('a'), 0);
    here.enter(waiter('b'), 0);
    there.enter(waiter('c'), 0);
    here.leave();
    clock.nowMs = 100;
    // Passed over, since it had no turn.
    expect(here.enter(waiter('d'), clock.nowMs)).toBe('admitted');
    loads.turn();
    expect(log).toEqual([]);
    here.leave();
    expect(here.enter(waiter('e'), clock.nowMs)).toBe('waiting');
    loads.turn();
    expect(log).toEqual(['c in']);
  });

  test('a worker that dies gives its places back, and its queue holds nobody up', () => {
    const { gates, log, waiter, loads, clock } = startGates(2);
    const [dies, lives] = gates as [UpstreamGate, UpstreamGate];
    for (const name of ['a', 'b', 'x']) dies.enter(waiter(name), 0);
    expect(lives.enter(waiter('c'), 1)).toBe('waiting');
    loads.clearColumn(0);
    clock.nowMs = 100;
    lives.tick(clock.nowMs);
    expect(log).toEqual(['c in']);
    expect([lives.requests, lives.pending]).toEqual([1, 0]);
    expect(lives.enter(waiter('d'), clock.nowMs)).toBe('admitted');
  });

  test('more places by a change of the limits are taken at once', () => {
    const { gates, log, waiter } = startGates(1);
    const gate = only(gates);
    for (const name of ['a', 'b', 'c', 'd']) gate.enter(waiter(name), 0);
    gate.configure({ ...limits, maxRequests: 3 });
    expect([log, gate.requests, gate.pending]).toEqual([['c in'], 3, 1]);
  });

  test('without room at any endpoint all wait, whatever the other limits', () => {
    let room = 1;
    const settings = { maxRequests: null, maxPending: 2 };
    const { gates, log, waiter } = startGates(1, { settings, hasRoom: () => room > 0 });
    const gate = only(gates);
    expect(gate.enter(waiter('a'), 0)).toBe('admitted');
    room = 0;
    expect(['b', 'c', 'd'].map((name) => gate.enter(waiter(name), 0))).toEqual(['waiting', 'waiting', 'full']);
    gate.tick(100);
    expect(log).toEqual([]);
    room = 1;
    gate.tick(200);
    expect(log).toEqual(['b in', 'c in']);
  });

  test('who is admitted and finds nothing waits on before the others, for the time it has left', () => {
    const { gates, log, waiter } = startGates(1, { settings: { maxRequests: 1, maxPending: 10 } });
    const gate = only(gates);
    const beaten = {
      sinceMs: 0,
      tries: 0,
      onAdmitted() {
        log.push(`beaten ${++this.tries}`);
        gate.waitOn(this, this.sinceMs);
      },
      onTimedOut: () => log.push('beaten late'),
    };
    gate.enter(waiter('a'), 0);
    gate.enter(beaten, 0);
    gate.enter(waiter('b'), 500);
    gate.leave();
    expect(log).toEqual(['beaten 1']);
    gate.tick(999);
    expect([log, gate.requests, gate.pending]).toEqual([['beaten 1', 'beaten 2'], 0, 2]);
    gate.tick(1000);
    gate.tick(1100);
    expect(log).toEqual(['beaten 1', 'beaten 2', 'beaten 3', 'beaten late', 'b in']);
  });

  test('a long queue of requests that fail at once empties without a stack of its length', () => {
    const { gates, waiter } = startGates(1, { settings: { maxRequests: 1, maxPending: 50_000 } });
    const gate = only(gates);
    gate.enter(waiter('a'), 0);
    let failed = 0;
    const failing = () => ({
      onAdmitted() {
        failed++;
        gate.leave();
      },
      onTimedOut: () => undefined,
    });
    for (let at = 0; at < 50_000; at++) gate.enter(failing(), 0);
    gate.leave();
    expect([failed, gate.requests, gate.pending]).toEqual([50_000, 0, 0]);
  });

  test('close lets all go on that wait, and takes the worker out of the sums', () => {
    const { gates, log, waiter } = startGates(2);
    const [goes, stays] = gates;
    for (const name of ['a', 'b', 'c']) goes?.enter(waiter(name), 0);
    goes?.close();
    expect(log).toEqual(['c in']);
    expect([stays?.requests, stays?.pending]).toEqual([0, 0]);
    for (let held = 3; held > 0; held--) goes?.leave();
    expect([stays?.requests, goes?.requests]).toEqual([0, 0]);
  });

  describe('rows that come late', () => {
    const found = { minRequests: 1, maxRequests: 1000, tolerancePercent: 50, measureEveryMs: 60_000 };
    const adaptive: UpstreamLimits = { ...limits, maxRequests: 100, adaptive: found };

    /** Two gates that began with no row. `giveRows`: an update brings rows for them. */
    function startShort(settings: UpstreamLimits) {
      const loads = new TurnedLoads(allocateSharedLoads(2, 16));
      const directory = new LoadDirectory(loads);
      const rest = { upstreamId: 'u', nowMs: () => 0, hasRoom: () => true };
      const gates = [0, 1].map((column) => new UpstreamGate(settings, { ...rest, loads: { loads, column } }));
      const giveRows = () => {
        directory.apply([{ ...plainUpstream('u', []), limits: settings }], []);
        for (const gate of gates) gate.configure(settings);
      };
      return { gates: gates as [UpstreamGate, UpstreamGate], giveRows };
    }

    /** As many answers as a measurement takes. */
    function measure(gate: UpstreamGate, latencyMs: number, fromMs: number) {
      for (let at = 0; at < 80; at++) gate.observe(latencyMs, fromMs + at * 20);
    }

    test('the limit that one worker finds is that of all', () => {
      const { gates, giveRows } = startShort(adaptive);
      const [here, there] = gates;
      measure(here, 10, 1000);
      expect([here.adaptive?.baselineMs, there.adaptive?.baselineMs]).toEqual([10, 0]);
      giveRows();
      expect(gates.map(({ isShared }) => isShared)).toEqual([true, true]);
      measure(there, 20, 5000);
      expect(gates.map(({ adaptive }) => adaptive?.baselineMs)).toEqual([20, 20]);
    });

    test('requests that run and wait by then are in the counts of all', () => {
      const { gates, giveRows } = startShort({ ...limits, maxRequests: 1 });
      const [here, there] = gates;
      const waiter = { onAdmitted: () => undefined, onTimedOut: () => undefined };
      const before = [here, here, there].map((gate) => gate.enter(waiter, 0));
      expect([before, here.requests, there.requests]).toEqual([['admitted', 'waiting', 'admitted'], 1, 1]);
      giveRows();
      expect([here.requests, there.requests, here.pending, there.pending]).toEqual([2, 2, 1, 1]);
    });
  });

  test('whatever happens: never above the limits, everybody gets exactly one answer, and it ends at zero', () => {
    const step = fc.record({
      worker: fc.nat(1),
      kind: fc.constantFrom('enter', 'leave', 'cancel', 'tick'),
      ms: fc.nat(600),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { gates, loads, clock } = startGates(2);
        const held = [0, 0];
        const waiting: { name: number; worker: number; answers: number; onAdmitted(): void; onTimedOut(): void }[] = [];
        let nowMs = 0;
        for (const [name, { worker, kind, ms }] of steps.entries()) {
          nowMs += ms;
          clock.nowMs = nowMs;
          const gate = gates[worker] as UpstreamGate;
          if (kind === 'tick') gate.tick(nowMs);
          else if (kind === 'leave' && (held[worker] ?? 0) > 0) {
            held[worker] = (held[worker] ?? 0) - 1;
            gate.leave();
          } else if (kind === 'cancel') {
            const first = waiting.find((each) => each.worker === worker && each.answers === 0);
            if (first !== undefined) first.answers++;
            if (first !== undefined) gate.cancel(first);
          } else if (kind === 'enter') {
            const each = {
              name,
              worker,
              answers: 0,
              onAdmitted() {
                this.answers++;
                held[worker] = (held[worker] ?? 0) + 1;
              },
              onTimedOut() {
                this.answers++;
              },
            };
            const got = gate.enter(each, nowMs);
            if (got === 'admitted') held[worker] = (held[worker] ?? 0) + 1;
            else if (got === 'waiting') waiting.push(each);
          }
          loads.turn();
          expect((held[0] ?? 0) + (held[1] ?? 0)).toBeLessThanOrEqual(2);
          expect(gate.requests).toBe((held[0] ?? 0) + (held[1] ?? 0));
          expect(gate.pending).toBe(waiting.filter(({ answers }) => answers === 0).length);
          expect(gate.pending).toBeLessThanOrEqual(2);
        }
        for (const gate of gates) gate.close();
        for (const { answers } of waiting) expect(answers).toBe(1);
      }),
    );
  });
});

test('threads that ask at the same moment never hold more places than there are', async () => {
  const workers = 2;
  const memory = allocateSharedLoads(workers, 16);
  const single = { ...limits, maxRequests: 1, maxPending: 0 };
  const upstream = { ...plainUpstream('u', [plainEndpoint('10.0.0.1', 80)]), limits: single };
  new LoadDirectory(new SharedLoads(memory)).apply([upstream], []);
  const board = new SharedArrayBuffer(12);
  const job = { memory, board, workers, rounds: 300_000, limits: single };
  const url = new URL('./testing/gate-hammer.ts', import.meta.url);
  const threads = Array.from(
    { length: workers },
    (_, column) => new Worker(url, { workerData: { ...job, column } satisfies GateJob }),
  );
  const admitted = await Promise.all(threads.map(async (thread) => (await once(thread, 'message'))[0] as number));
  await Promise.all(threads.map((thread) => thread.terminate()));
  expect(Math.min(...admitted)).toBeGreaterThan(0);
  const [, running, mostRunning] = new Int32Array(board);
  expect([running, mostRunning]).toEqual([0, 1]);
});
