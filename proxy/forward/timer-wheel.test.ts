import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Deadline, TimerWheel } from './timer-wheel.ts';

class Owner {
  readonly firedAtMs: number[] = [];
  readonly deadline = new Deadline(this);
  onFire: () => void = () => {};
  readonly #wheel: TimerWheel;

  constructor(wheel: TimerWheel) {
    this.#wheel = wheel;
  }

  onDeadline(): void {
    this.firedAtMs.push(this.#wheel.nowMs);
    this.onFire();
  }
}

function run(wheel: TimerWheel, toMs: number): void {
  for (let nowMs = wheel.nowMs + 10; nowMs <= toMs; nowMs += 10) wheel.advance(nowMs);
}

test('fires once, not early and at most one tick late', () => {
  const wheel = new TimerWheel(1000, 10, 16);
  const owner = new Owner(wheel);
  wheel.set(owner.deadline, 55);
  run(wheel, 2000);
  expect(owner.firedAtMs).toEqual([1060]);
});

test('a deadline beyond the turn of the wheel fires in time', () => {
  const wheel = new TimerWheel(0, 10, 16);
  const owner = new Owner(wheel);
  wheel.set(owner.deadline, 1000);
  run(wheel, 990);
  expect(owner.firedAtMs).toEqual([]);
  run(wheel, 1100);
  expect(owner.firedAtMs).toEqual([1000]);
});

test('moving later, moving earlier, clearing and setting again', () => {
  const wheel = new TimerWheel(0, 10, 16);
  const owner = new Owner(wheel);
  wheel.set(owner.deadline, 50);
  wheel.set(owner.deadline, 100);
  run(wheel, 90);
  expect(owner.firedAtMs).toEqual([]);
  wheel.set(owner.deadline, 200);
  wheel.set(owner.deadline, 20);
  run(wheel, 120);
  expect(owner.firedAtMs).toEqual([110]);
  wheel.set(owner.deadline, 20);
  wheel.clear(owner.deadline);
  run(wheel, 200);
  wheel.set(owner.deadline, 30);
  wheel.remove(owner.deadline);
  run(wheel, 400);
  expect(owner.firedAtMs).toEqual([110]);
});

test('an owner that fires may set and remove others in the same slot', () => {
  const wheel = new TimerWheel(0, 10, 16);
  const [a, b, c] = [new Owner(wheel), new Owner(wheel), new Owner(wheel)];
  for (const owner of [a, b, c]) {
    wheel.set(owner.deadline, 50);
    owner.onFire = () => {
      wheel.remove(a.deadline);
      wheel.set(b.deadline, 30);
      wheel.set(c.deadline, 30);
      owner.onFire = () => {};
    };
  }
  run(wheel, 300);
  const fired = [a, b, c].map((owner) => owner.firedAtMs);
  // One of the three was first; it moved the other two, and itself unless it is `a`.
  expect(fired.flat().filter((ms) => ms === 50)).toHaveLength(1);
  expect(b.firedAtMs.at(-1)).toBe(c.firedAtMs.at(-1));
});

test('a long stall fires everything that is due, once', () => {
  const wheel = new TimerWheel(0, 10, 16);
  const owners = Array.from({ length: 50 }, () => new Owner(wheel));
  for (const [index, owner] of owners.entries()) wheel.set(owner.deadline, index * 20);
  wheel.advance(100_000);
  expect(owners.every((owner) => owner.firedAtMs.length === 1)).toBe(true);
});

test('property: a deadline fires once, never before its time and never later than one tick behind it', () => {
  const step = fc.record({
    owner: fc.nat(4),
    delay: fc.option(fc.integer({ min: 1, max: 700 })),
    advance: fc.nat(120),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const wheel = new TimerWheel(0, 10, 16);
      const owners = Array.from({ length: 5 }, () => new Owner(wheel));
      const due = new Map<Owner, number>();
      for (const { owner, delay, advance } of steps) {
        const target = owners[owner] as Owner;
        if (delay === null) {
          wheel.clear(target.deadline);
          due.delete(target);
        } else {
          wheel.set(target.deadline, delay);
          due.set(target, wheel.nowMs + delay);
        }
        const before = owners.map((each) => each.firedAtMs.length);
        wheel.advance(wheel.nowMs + advance);
        for (const [index, each] of owners.entries()) checkFired(each, before[index] as number, due, wheel.nowMs);
      }
    }),
  );
});

test('property: what must not fire early does not, whenever between two ticks it was set', () => {
  const inputs = [fc.integer({ min: 1, max: 500 }), fc.nat(9), fc.integer({ min: 10, max: 25 })] as const;
  fc.assert(
    fc.property(...inputs, (delayMs, sinceTickMs, everyMs) => {
      const wheel = new TimerWheel(1000, 10, 16);
      const owner = new Owner(wheel);
      wheel.setNotBefore(owner.deadline, delayMs);
      const dueMs = 1000 + sinceTickMs + delayMs;
      for (let nowMs = 1000 + everyMs; nowMs < dueMs; nowMs += everyMs) wheel.advance(nowMs);
      expect(owner.firedAtMs).toEqual([]);
      wheel.advance(dueMs + 2 * wheel.tickMs);
      expect(owner.firedAtMs).toHaveLength(1);
    }),
  );
});

test('the time can be set ahead of those whose time is up', () => {
  const wheel = new TimerWheel(0, 10, 16);
  const [late, saved] = [new Owner(wheel), new Owner(wheel)];
  for (const { deadline } of [late, saved]) wheel.set(deadline, 50);
  wheel.nowMs = 100;
  wheel.set(saved.deadline, 50);
  wheel.fire();
  expect([late.firedAtMs, saved.firedAtMs]).toEqual([[100], []]);
  wheel.advance(150);
  expect(saved.firedAtMs).toEqual([150]);
});

function checkFired(owner: Owner, before: number, due: Map<Owner, number>, nowMs: number): void {
  const atMs = due.get(owner);
  const hasFired = owner.firedAtMs.length > before;
  if (atMs === undefined || nowMs < atMs) expect(hasFired).toBe(false);
  else if (Math.floor(nowMs / 10) >= Math.ceil(atMs / 10)) expect(hasFired).toBe(true);
  expect(owner.firedAtMs.length - before).toBeLessThanOrEqual(1);
  if (hasFired) due.delete(owner);
}
