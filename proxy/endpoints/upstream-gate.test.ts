import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { plainEndpoint, plainUpstream } from '../table/defaults.ts';
import type { UpstreamLimits } from '../table/upstream-settings.ts';
import { LoadDirectory } from './load-directory.ts';
import { allocateSharedLoads, SharedLoads } from './shared-loads.ts';
import { UpstreamGate } from './upstream-gate.ts';

const limits: UpstreamLimits = {
  maxConnections: null,
  maxRequests: 2,
  maxConnectionsPerEndpoint: null,
  maxRequestsPerEndpoint: null,
  maxPending: 2,
  pendingTimeoutMs: 1000,
  retryAfterSeconds: 1,
  adaptive: null,
};

/** Gates of `workers` workers over shared counters, and waiters that write down what they are told. */
function startGates(workers: number, settings: Partial<UpstreamLimits> = {}) {
  const merged = { ...limits, ...settings };
  const loads = new SharedLoads(allocateSharedLoads(workers, 16));
  new LoadDirectory(loads).apply([{ ...plainUpstream('u', [plainEndpoint('10.0.0.1', 80)]), limits: merged }], []);
  const log: string[] = [];
  const waiter = (name: string) => ({
    onAdmitted: () => log.push(`${name} in`),
    onTimedOut: () => log.push(`${name} late`),
  });
  const gates = Array.from({ length: workers }, (_, column) => new UpstreamGate(merged, 'u', { loads, column }));
  return { gates, log, waiter, loads };
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
    const { gates, waiter } = startGates(1, { ...settings, maxPending: 0 });
    const entries = Array.from({ length: 5 }, () => only(gates).enter(waiter('x'), 0));
    expect(entries.filter((entry) => entry === 'admitted')).toHaveLength(want);
    expect(entries).not.toContain('waiting');
  });

  test('who waits too long is told so once, and its place in the queue is free', () => {
    const { gates, log, waiter } = startGates(1, { maxPending: 1 });
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

  test('places hold over workers; one freed elsewhere is seen at the next tick', () => {
    const { gates, log, waiter } = startGates(2);
    const [here, there] = gates;
    here?.enter(waiter('a'), 0);
    here?.enter(waiter('b'), 0);
    expect(there?.enter(waiter('c'), 0)).toBe('waiting');
    here?.leave();
    expect(log).toEqual([]);
    there?.tick(100);
    expect(log).toEqual(['c in']);
    expect(here?.requests).toBe(2);
  });

  test('a worker that dies gives its places back', () => {
    const { gates, log, waiter, loads } = startGates(2);
    const [dies, lives] = gates;
    dies?.enter(waiter('a'), 0);
    dies?.enter(waiter('b'), 0);
    expect(lives?.enter(waiter('c'), 0)).toBe('waiting');
    loads.clearColumn(0);
    lives?.tick(100);
    expect(log).toEqual(['c in']);
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

  test('whatever happens: never above the limits, everybody gets exactly one answer, and it ends at zero', () => {
    const step = fc.record({
      worker: fc.nat(1),
      kind: fc.constantFrom('enter', 'leave', 'cancel', 'tick'),
      ms: fc.nat(600),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { gates } = startGates(2);
        const held = [0, 0];
        const waiting: { name: number; worker: number; answers: number; onAdmitted(): void; onTimedOut(): void }[] = [];
        let nowMs = 0;
        for (const [name, { worker, kind, ms }] of steps.entries()) {
          nowMs += ms;
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
