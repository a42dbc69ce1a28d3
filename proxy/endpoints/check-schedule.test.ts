import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CheckSchedule, type CheckTarget } from './check-schedule.ts';

const check = {
  probe: { kind: 'tcp' },
  port: null,
  intervalMs: 1000,
  timeoutMs: 500,
  healthyThreshold: 2,
  unhealthyThreshold: 3,
} as const;
const target = (n: number): CheckTarget => ({
  upstreamId: 'u',
  endpoint: `10.0.0.${n}:80`,
  address: `10.0.0.${n}`,
  port: 80,
  check,
});

describe('CheckSchedule', () => {
  test('three bad probes in a row turn an endpoint, two good ones turn it back', () => {
    const schedule = new CheckSchedule(10, () => 0);
    schedule.replace([target(1)], 0);
    let nowMs = 0;
    const probe = (isGood: boolean) => {
      const [due] = schedule.takeDue(nowMs);
      if (due === undefined) throw new Error(`nothing due at ${nowMs}`);
      const change = schedule.onResult(due, isGood, nowMs);
      nowMs += 1000;
      return change;
    };
    expect([false, false, true, false, false, false].map(probe)).toEqual([null, null, null, null, null, 'unhealthy']);
    expect(schedule.unhealthy()).toEqual([target(1)]);
    expect([true, false, true, true].map(probe)).toEqual([null, null, null, 'healthy']);
    expect(schedule.unhealthy()).toEqual([]);
  });

  test('first probes are spread over the interval, the next ones come about an interval later', () => {
    const chances = [0.1, 0.9];
    const schedule = new CheckSchedule(10, () => chances.shift() ?? 0.5);
    schedule.replace([target(1), target(2)], 0);
    expect(schedule.takeDue(99)).toEqual([]);
    expect(schedule.takeDue(100)).toEqual([target(1)]);
    schedule.onResult(target(1), true, 150);
    expect(schedule.takeDue(900)).toEqual([target(2)]);
    expect(schedule.takeDue(1149)).toEqual([]);
    expect(schedule.takeDue(1150)).toEqual([target(1)]);
  });

  test('a shorter interval holds at once, a longer one after the next probe', () => {
    const schedule = new CheckSchedule(10, () => 0.5);
    const every = (intervalMs: number) => [{ ...target(1), check: { ...check, intervalMs } }];
    schedule.replace(every(3_600_000), 0);
    schedule.replace(every(1000), 100);
    expect(schedule.takeDue(599)).toEqual([]);
    expect(schedule.takeDue(600)).toHaveLength(1);
    schedule.onResult(target(1), true, 600);
    schedule.replace(every(3_600_000), 700);
    expect(schedule.takeDue(1600)).toHaveLength(1);
    schedule.onResult(target(1), true, 1600);
    expect(schedule.takeDue(3_000_000)).toEqual([]);
  });

  test('counts endpoints by upstream and state', () => {
    const schedule = new CheckSchedule(10, () => 0);
    const once = { ...check, unhealthyThreshold: 1 };
    const other = { ...target(3), upstreamId: 'v' };
    schedule.replace([{ ...target(1), check: once }, target(2), other], 0);
    const [first] = schedule.takeDue(0);
    if (first !== undefined) schedule.onResult(first, false, 0);
    expect(schedule.counts()).toEqual([
      { upstreamId: 'u', healthy: 1, failing: 1 },
      { upstreamId: 'v', healthy: 1, failing: 0 },
    ]);
  });

  test('a running probe is not started again, and no more run than allowed', () => {
    const schedule = new CheckSchedule(2, () => 0);
    schedule.replace([target(1), target(2), target(3)], 0);
    expect(schedule.takeDue(0)).toEqual([target(1), target(2)]);
    expect(schedule.takeDue(5000)).toEqual([]);
    schedule.onResult(target(1), true, 5000);
    expect(schedule.takeDue(5000)).toEqual([target(3)]);
  });

  test('targets that stay keep their state; the end of a probe of one that is gone is only counted', () => {
    const schedule = new CheckSchedule(5, () => 0);
    schedule.replace([target(1), target(2)], 0);
    schedule.takeDue(0);
    schedule.replace([target(2)], 0);
    expect(schedule.onResult(target(1), false, 0)).toBeNull();
    expect(schedule.running).toBe(1);
    schedule.onResult(target(2), false, 0);
    schedule.replace([target(2), target(3)], 0);
    for (const nowMs of [1000, 2000]) {
      const due = schedule.takeDue(nowMs);
      const changes = due.map((each) => schedule.onResult(each, false, nowMs));
      expect(changes).toEqual(nowMs === 1000 ? [null, null] : ['unhealthy', null]);
    }
  });

  test('whatever changes: never more running than allowed, and nobody is forgotten', () => {
    const step = fc.record({ targets: fc.subarray([1, 2, 3, 4, 5]), endsAll: fc.boolean(), good: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const schedule = new CheckSchedule(2, () => 0.5);
        let open: readonly CheckTarget[] = [];
        let nowMs = 0;
        for (const { targets, endsAll, good } of steps) {
          nowMs += 2000;
          schedule.replace(targets.map(target), nowMs);
          open = [...open, ...schedule.takeDue(nowMs)];
          expect(schedule.running).toBeLessThanOrEqual(2);
          expect(schedule.running).toBe(open.length);
          if (!endsAll) continue;
          for (const each of open) schedule.onResult(each, good, nowMs);
          open = [];
        }
      }),
    );
  });
});
