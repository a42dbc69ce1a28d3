import { expect, test } from '@jest/globals';
import { type Flushable, LoopTurn } from './loop-turn.ts';

/** Resolves behind the end of this turn, and of what it has put off to its end. */
function turnEnd(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

test('flushes in the order of the calls, once, and not before the turn ends', async () => {
  const turn = new LoopTurn();
  const log: string[] = [];
  for (const name of ['a', 'b', 'c']) turn.add({ flush: () => log.push(name) });
  await Promise.resolve();
  expect(log).toEqual([]);
  await turnEnd();
  expect(log).toEqual(['a', 'b', 'c']);
  turn.add({ flush: () => log.push('d') });
  await turnEnd();
  expect(log).toEqual(['a', 'b', 'c', 'd']);
});

test('what is added by a flush has its turn in the next one', async () => {
  const turn = new LoopTurn();
  const log: number[] = [];
  let turns = 0;
  const again: Flushable = {
    flush: () => {
      log.push(turns);
      if (log.length < 3) turn.add(again);
    },
  };
  turn.add(again);
  for (; turns < 4; turns++) await turnEnd();
  expect(log).toEqual([0, 1, 2]);
});
