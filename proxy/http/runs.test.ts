import { expect, test } from '@jest/globals';
import { KeptLines, removeNamedLines } from './runs.ts';

/** Keeps the lines of `text` whose number is in `numbers`. */
function keptOf(text: string, numbers: readonly number[]): KeptLines {
  const kept = new KeptLines();
  kept.text = text;
  let at = 0;
  text.split(/(?<=\n)/).forEach((line, number) => {
    if (numbers.includes(number)) kept.keep(at, at + line.length);
    at += line.length;
  });
  return kept;
}

const TEXT = 'A: 1\r\nB: 2\r\nC: 3\r\na: 4\r\n';

test('neighbouring lines make one run, others several', () => {
  expect(keptOf(TEXT, [0, 1, 2, 3]).runCount).toBe(1);
  expect(keptOf(TEXT, [0, 2, 3]).runCount).toBe(2);
  expect(keptOf(TEXT, [0, 2, 3]).keptText()).toBe('A: 1\r\nC: 3\r\na: 4\r\n');
  expect(keptOf(TEXT, []).keptText()).toBe('');
});

test('named lines go, in any case and wherever they stand', () => {
  const kept = keptOf(TEXT, [0, 1, 2, 3]);
  removeNamedLines(kept, ['a', 'x']);
  expect(kept.keptText()).toBe('B: 2\r\nC: 3\r\n');
  removeNamedLines(kept, ['b', 'c']);
  expect(kept.runCount).toBe(0);
});
