import { expect, test } from '@jest/globals';
import { BackOff } from './back-off.ts';

test.each([
  ['doubles up to ten seconds', [0, 0, 0, 0, 0, 0, 0, 0, 0], [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]],
  ['starts anew after a minute of service', [0, 0, 60_000, 0], [100, 200, 100, 200]],
  ['does not start anew after less', [0, 0, 59_999, 0], [100, 200, 400, 800]],
])('%s', (_name, served, want) => {
  const backOff = new BackOff();
  expect(served.map((ms) => backOff.nextDelayMs(ms))).toEqual(want);
});
