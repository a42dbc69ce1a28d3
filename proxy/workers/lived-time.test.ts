import { expect, test } from '@jest/globals';
import { LivedTime } from './lived-time.ts';

test.each([
  ['readings in time', [1100, 1200, 1310], 1310],
  ['one that is somewhat late', [1100, 1400], 1400],
  ['a standstill', [1100, 61_100, 61_200], 1500],
  ['two of them', [9000, 9100, 19_100], 1700],
])('%s', (_name, readings, lived) => {
  const time = new LivedTime(1000, 300);
  for (const reading of readings) time.read(reading);
  expect(time.nowMs).toBe(lived);
});
