import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CheckSchedule, type CheckTarget, type CheckTurn } from './check-schedule.ts';

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

/** Which endpoints are asked, by number and in order. */
const numbersOf = (turns: readonly CheckTurn[]) =>
  turns.map(({ target: { address } }) => Number(address.split('.').at(-1)));

/** One endpoint of an upstream of its own. */
const upstreamOf = (n: number): CheckTarget => ({ ...target(n), upstreamId: `u${n}` });

describe('CheckSchedule', () => {
  test('three bad probes in a row turn an endpoint, two good ones turn it back', () => {
    const schedule = new CheckSchedule(40, () => 0);
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
    const schedule = new CheckSchedule(40, () => chances.shift() ?? 0.5);
    schedule.replace([target(1), target(2)], 0);
    expect(schedule.takeDue(99)).toEqual([]);
    const [first] = schedule.takeDue(100) as [CheckTurn];
    expect(first.target).toEqual(target(1));
    schedule.onResult(first, true, 150);
    expect(numbersOf(schedule.takeDue(900))).toEqual([2]);
    expect(schedule.takeDue(1149)).toEqual([]);
    expect(numbersOf(schedule.takeDue(1150))).toEqual([1]);
  });

  test('a target that comes back keeps its state until it is settled that it is gone', () => {
    const schedule = new CheckSchedule(40, () => 0);
    const turn = (nowMs: number, isGood: boolean) => {
      for (const due of schedule.takeDue(nowMs)) schedule.onResult(due, isGood, nowMs);
    };
    schedule.replace([target(1)], 0);
    for (const nowMs of [0, 1000, 2000]) turn(nowMs, false);
    schedule.replace([], 2500);
    expect([schedule.unhealthy(), schedule.takeDue(9000)]).toEqual([[], []]);
    schedule.replace([target(1)], 9000);
    expect(schedule.unhealthy()).toEqual([target(1)]);
    for (const nowMs of [9000, 10_000]) turn(nowMs, true);
    expect(schedule.unhealthy()).toEqual([]);
    for (const nowMs of [11_000, 12_000, 13_000]) turn(nowMs, false);
    schedule.replace([], 14_000);
    schedule.settle();
    schedule.replace([target(1)], 14_000);
    expect(schedule.unhealthy()).toEqual([]);
  });

  test.each([
    [0, 900],
    [1, 1100],
  ])('a tenth of the interval more or less: chance %d', (chance, laterMs) => {
    const schedule = new CheckSchedule(4, () => chance);
    schedule.replace([target(1)], 0);
    schedule.onResult(schedule.takeDue(1000)[0] as CheckTurn, true, 1000);
    expect(schedule.takeDue(1000 + laterMs - 1)).toEqual([]);
    expect(schedule.takeDue(1000 + laterMs)).toHaveLength(1);
  });

  test('a shorter interval holds at once, a longer one after the next probe', () => {
    const schedule = new CheckSchedule(40, () => 0.5);
    const every = (intervalMs: number) => [{ ...target(1), check: { ...check, intervalMs } }];
    schedule.replace(every(3_600_000), 0);
    schedule.replace(every(1000), 100);
    expect(schedule.takeDue(599)).toEqual([]);
    schedule.onResult(schedule.takeDue(600)[0] as CheckTurn, true, 600);
    schedule.replace(every(3_600_000), 700);
    schedule.onResult(schedule.takeDue(1600)[0] as CheckTurn, true, 1600);
    expect(schedule.takeDue(3_000_000)).toEqual([]);
  });

  test('counts endpoints by upstream and state', () => {
    const schedule = new CheckSchedule(40, () => 0);
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
    schedule.replace([1, 2, 3].map(upstreamOf), 0);
    const [first] = schedule.takeDue(0) as [CheckTurn, CheckTurn];
    expect([schedule.running, schedule.takeDue(5000)]).toEqual([2, []]);
    schedule.onResult(first, true, 5000);
    expect(numbersOf(schedule.takeDue(5000))).toEqual([3]);
  });

  test('an upstream that never answers has a quarter of the places, and the others theirs', () => {
    const schedule = new CheckSchedule(8, () => 0);
    schedule.replace([...[1, 2, 3, 4, 5].map(target), upstreamOf(6), upstreamOf(7)], 0);
    expect(numbersOf(schedule.takeDue(0))).toEqual([1, 2, 6, 7]);
    expect(schedule.takeDue(9000)).toEqual([]);
  });

  test('who is due for longest comes first, whatever the order of the table', () => {
    const schedule = new CheckSchedule(1, () => 0);
    const often = (n: number, intervalMs: number) => ({ ...upstreamOf(n), check: { ...check, intervalMs } });
    schedule.replace([often(1, 1), often(2, 400), often(3, 400)], 0);
    const asked: number[] = [];
    for (let nowMs = 0; nowMs < 6000; nowMs += 500) {
      const [turn] = schedule.takeDue(nowMs) as [CheckTurn];
      asked.push(...numbersOf([turn]));
      schedule.onResult(turn, true, nowMs);
    }
    expect(asked).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
  });

  test('targets that stay keep their state and their turn; one that is gone gives its place back and says nothing', () => {
    const schedule = new CheckSchedule(20, () => 0);
    schedule.replace([target(1), target(2)], 0);
    const [first, second] = schedule.takeDue(0) as [CheckTurn, CheckTurn];
    expect(schedule.replace([target(2)], 0)).toEqual([first]);
    expect([schedule.running, schedule.onResult(first, false, 0), schedule.running]).toEqual([1, null, 1]);
    schedule.onResult(second, false, 0);
    schedule.replace([target(2), target(3)], 0);
    for (const nowMs of [1000, 2000]) {
      const changes = schedule.takeDue(nowMs).map((turn) => schedule.onResult(turn, false, nowMs));
      // The third bad one of the second endpoint; only two of the third so far, and none counts of its namesake's.
      expect(changes).toEqual(nowMs === 1000 ? [null, null] : ['unhealthy', null]);
    }
  });

  test('a target that comes back is another one: the answer to the old probe says nothing of it', () => {
    const schedule = new CheckSchedule(20, () => 0);
    const once = { ...target(1), check: { ...check, unhealthyThreshold: 1 } };
    schedule.replace([once], 0);
    const [old] = schedule.takeDue(0) as [CheckTurn];
    schedule.replace([], 0);
    schedule.replace([once], 0);
    const [turn] = schedule.takeDue(0) as [CheckTurn];
    expect(schedule.onResult(old, false, 0)).toBeNull();
    expect(schedule.unhealthy()).toEqual([]);
    expect(schedule.onResult(turn, false, 0)).toBe('unhealthy');
  });

  test('a check that asks something else starts anew at once; the state stays until its own answers change it', () => {
    const schedule = new CheckSchedule(20, () => 0);
    const ask = (change: Partial<CheckTarget['check']>) => [{ ...target(1), check: { ...check, ...change } }];
    const answer = (nowMs: number, isGood: boolean) =>
      schedule.takeDue(nowMs).map((turn) => schedule.onResult(turn, isGood, nowMs));
    schedule.replace(ask({}), 0);
    answer(0, false);
    answer(1000, false);
    const [turn] = schedule.takeDue(2000) as [CheckTurn];
    expect(schedule.replace(ask({ intervalMs: 900 }), 2000)).toEqual([]);
    expect(schedule.replace(ask({ port: 81 }), 2000)).toEqual([turn]);
    expect([2000, 3000, 4000].map((nowMs) => answer(nowMs, false))).toEqual([[null], [null], ['unhealthy']]);
    schedule.replace(ask({ timeoutMs: 501 }), 4000);
    expect(schedule.unhealthy()).toHaveLength(1);
  });

  test('whatever changes: never more running than allowed, and nobody is forgotten', () => {
    const step = fc.record({ targets: fc.subarray([1, 2, 3, 4, 5]), endsAll: fc.boolean(), good: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const schedule = new CheckSchedule(2, () => 0);
        let open = new Set<CheckTurn>();
        let nowMs = 0;
        for (const { targets, endsAll, good } of steps) {
          nowMs += 2000;
          for (const turn of schedule.replace(targets.map(upstreamOf), nowMs)) expect(open.delete(turn)).toBe(true);
          const waiting = targets.length - open.size;
          const started = schedule.takeDue(nowMs);
          // All are due by then, so that places stay free for want of targets only.
          expect(started).toHaveLength(Math.min(2 - open.size, waiting));
          open = new Set([...open, ...started]);
          expect(schedule.running).toBe(open.size);
          if (!endsAll) continue;
          for (const turn of open) schedule.onResult(turn, good, nowMs);
          open = new Set();
        }
      }),
    );
  });
});
