import { expect, test } from '@jest/globals';
import type { FileStamp } from './scan-folder.ts';
import { Settling } from './settling.ts';

const stamp = (size: bigint): FileStamp => ({ dev: 1n, ino: 1n, size, mtimeNs: 0n, ctimeNs: 0n });

test('a sighting is believed when it stayed the same for long enough', () => {
  const settling = new Settling(40);
  expect(settling.leftMs('a', stamp(1n), 100)).toBe(40);
  expect(settling.leftMs('a', stamp(1n), 130)).toBe(10);
  expect(settling.leftMs('a', stamp(1n), 140)).toBe(0);
  expect(settling.leftMs('a', stamp(1n), 150)).toBe(0);
});

test('another sighting starts anew', () => {
  const settling = new Settling(40);
  settling.leftMs('a', stamp(1n), 100);
  expect(settling.leftMs('a', stamp(2n), 130)).toBe(40);
  expect(settling.leftMs('a', 'missing', 140)).toBe(40);
  expect(settling.leftMs('a', 'missing', 180)).toBe(0);
});

test('paths are told apart, and a cleared one starts anew', () => {
  const settling = new Settling(40);
  settling.leftMs('a', 'missing', 100);
  expect(settling.leftMs('b', 'missing', 130)).toBe(40);
  settling.clear('a');
  expect(settling.leftMs('a', 'missing', 150)).toBe(40);
});
