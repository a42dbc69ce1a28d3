import { expect, test } from '@jest/globals';
import { Batch } from './batch.ts';
import { FakeClock } from './testing/fake-clock.ts';

function startBatch(options: { readonly firstQuietMs?: number } = {}) {
  const clock = new FakeClock();
  const runsAtMs: number[] = [];
  const batch = new Batch({ ...options, clock, run: () => runsAtMs.push(clock.nowMs()) });
  const markAt = (timesMs: readonly number[]) => {
    for (const timeMs of timesMs) {
      clock.advance(timeMs - clock.nowMs());
      batch.mark();
    }
  };
  return { clock, batch, runsAtMs, markAt };
}

test.each<[string, number[], number[]]>([
  ['no mark gives no run', [], []],
  ['one mark runs after the quiet time', [0], [10]],
  ['marks within the quiet time run together', [0, 5, 14], [24]],
  ['marks further apart run apart', [0, 20], [10, 30]],
  ['a stream runs at the ceiling', [0, 9, 18, 27, 36, 45, 49], [50]],
  ['after the ceiling a new batch opens', [0, 9, 18, 27, 36, 45, 54, 63], [50, 73]],
])('%s', (_name, marksAtMs, want) => {
  const { clock, runsAtMs, markAt } = startBatch();
  markAt(marksAtMs);
  clock.advance(1000);
  expect(runsAtMs).toEqual(want);
});

test.each<[string, number[], number[]]>([
  ['one mark hardly waits', [0], [3]],
  ['a second one makes a burst', [0, 2], [12]],
  ['a stream after it is gathered', [0, 10, 19, 28], [3, 38]],
  ['after a calm it is the first again', [0, 10, 40], [3, 20, 43]],
])('with a shorter first time, %s', (_name, marksAtMs, want) => {
  const { clock, runsAtMs, markAt } = startBatch({ firstQuietMs: 3 });
  markAt(marksAtMs);
  clock.advance(1000);
  expect(runsAtMs).toEqual(want);
});

test('a mark made by the run itself opens the next batch', () => {
  const clock = new FakeClock();
  let runs = 0;
  const batch: Batch = new Batch({ clock, run: () => ++runs < 3 && batch.mark() });
  batch.mark();
  clock.advance(1000);
  expect(runs).toBe(3);
});

test('close drops the open batch and ignores later marks', () => {
  const { clock, batch, runsAtMs, markAt } = startBatch();
  markAt([0]);
  batch.close();
  batch.mark();
  clock.advance(1000);
  expect([runsAtMs, clock.pending]).toEqual([[], 0]);
});
