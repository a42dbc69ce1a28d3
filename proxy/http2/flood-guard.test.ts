// The allowances: a burst, the time it takes to come back, and what work gives back.

import { expect, test } from '@jest/globals';
import { FloodGuard, type FloodLimits } from './flood-guard.ts';

const limits: FloodLimits = { resetBurst: 3, resetsPerSecond: 2, controlBurst: 5, controlsPerSecond: 10 };

function spendAll(guard: FloodGuard, kind: 'reset' | 'ping', nowMs: number): number {
  let spent = 0;
  while (spent < 100 && guard.spend(kind, nowMs)) spent++;
  return spent;
}

test('a burst, then nothing', () => {
  const guard = new FloodGuard(limits, 0);
  expect(spendAll(guard, 'reset', 0)).toBe(3);
  expect(spendAll(guard, 'ping', 0)).toBe(5);
});

test('kinds have allowances of their own', () => {
  const guard = new FloodGuard(limits, 0);
  spendAll(guard, 'ping', 0);
  expect(guard.spend('settings', 0)).toBe(true);
});

test('time refills, up to the burst', () => {
  const guard = new FloodGuard(limits, 0);
  for (let i = 0; i < 3; i++) guard.spend('reset', 0);
  expect(guard.spend('reset', 500)).toBe(true);
  expect(guard.spend('reset', 500)).toBe(false);
  expect(spendAll(guard, 'reset', 1_000_000)).toBe(3);
});

test('work refills control frames, not resets', () => {
  const guard = new FloodGuard(limits, 0);
  for (let i = 0; i < 5; i++) guard.spend('ping', 0);
  for (let i = 0; i < 3; i++) guard.spend('reset', 0);
  guard.credit(2);
  expect(spendAll(guard, 'ping', 0)).toBe(2);
  expect(guard.spend('reset', 0)).toBe(false);
});
