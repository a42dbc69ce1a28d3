import { expect, test } from '@jest/globals';
import { missingOf, type ValueRange } from './value-ranges.ts';

const anyNumber: ValueRange = { kind: 'numbers', isWhole: true, min: null, max: null };
const percent: ValueRange = { kind: 'numbers', isWhole: true, min: 0, max: 100 };
const factor: ValueRange = { kind: 'numbers', isWhole: false, min: 1.1, max: 10 };

test.each<[ValueRange | null, string[], string[], string[]]>([
  [null, [], [], []],
  [{ kind: 'bool' }, ['true', '0'], ['yes'], []],
  [{ kind: 'bool' }, ['1', 'T'], ['yes'], ['no false']],
  [{ kind: 'bool' }, ['false'], ['yes'], ['no true']],
  [{ kind: 'words', words: ['on', 'off'], many: false }, ['on'], ['ON'], ['no off']],
  [{ kind: 'words', words: ['a', 'b'], many: true }, ['b a'], ['c'], []],
  [{ kind: 'words', words: ['a', 'b'], many: false }, ['b a'], ['c'], ['no a', 'no b']],
  [anyNumber, ['-1', '0', '5'], ['1.5', 'x'], []],
  [anyNumber, ['0', '5'], ['1.5', 'x'], ['nothing below 0']],
  [anyNumber, ['-1', '5'], ['1.5', 'x'], ['no 0']],
  [anyNumber, ['-1', '0'], ['1.5', 'x'], ['nothing above 0']],
  [anyNumber, ['-1', '0', '5'], ['x'], ['no fraction']],
  [percent, ['0', '100'], ['-1', '101', '1.5', 'half'], []],
  [
    percent,
    ['1', '99'],
    ['0', '100', '1.5'],
    ['no 0', 'nothing below 0', 'no 100', 'nothing above 100', 'nothing that is no number'],
  ],
  [factor, ['1.1', '10'], ['1', '11', 'x'], []],
  [factor, ['10'], ['1', '11', 'x'], ['no 1.1', 'no fraction']],
  [{ kind: 'times', hasNone: false }, ['300ms', '1h'], ['0', 'soon', '30d'], []],
  [{ kind: 'times', hasNone: false }, ['300ms', '1h'], ['soon'], ['no 0', 'nothing that is too long']],
  [{ kind: 'times', hasNone: true }, ['0', '1h'], ['0x'], ['nothing that is no time']],
])('%j with %j and without %j lacks %j', (range, accepted, refused, missing) => {
  expect(missingOf(range, accepted, refused)).toEqual(missing);
});
