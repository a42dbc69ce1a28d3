import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ReceiveWindow } from './receive-window.ts';

test('tells at half a window what was used up', () => {
  const window = new ReceiveWindow();
  window.open(100);
  expect(window.take(100)).toBe(true);
  expect([window.credit(49), window.credit(1), window.credit(50)]).toEqual([0, 50, 50]);
  expect(window.take(100)).toBe(true);
  expect(window.take(1)).toBe(false);
});

test('what is taken and not used up yet is not allowed again', () => {
  const window = new ReceiveWindow();
  window.open(100);
  expect(window.take(60)).toBe(true);
  expect(window.credit(40)).toBe(0);
  expect(window.take(41)).toBe(false);
});

test('opens anew', () => {
  const window = new ReceiveWindow();
  window.open(10);
  window.take(11);
  window.credit(4);
  window.open(20);
  expect(window.take(20)).toBe(true);
  expect(window.credit(9)).toBe(0);
  expect(window.take(1)).toBe(false);
});

test('a peer that keeps to what it was told is never refused, and never stands still for good', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.array(fc.nat(80), { maxLength: 200 }), (size, sends) => {
      const window = new ReceiveWindow();
      window.open(size);
      let allowed = size;
      for (const wish of sends) {
        const bytes = Math.min(wish, allowed);
        allowed -= bytes;
        expect(window.take(bytes)).toBe(true);
        allowed += window.credit(bytes);
        expect(allowed).toBeGreaterThan(0);
      }
      expect(window.take(allowed + 1)).toBe(false);
    }),
  );
});
