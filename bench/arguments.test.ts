import { describe, expect, test } from '@jest/globals';
import { parseArguments } from './arguments.ts';

const namesOf = (...args: string[]): string[] => parseArguments(args)?.scenarios.map(({ name }) => name) ?? [];

describe('which scenarios run', () => {
  test('--quick is 1 KB and 1 MB with the three proxies, without memory and wrk', () => {
    const options = parseArguments(['--quick']);
    expect(options?.scenarios.map(({ name, field }) => [name, field])).toEqual([
      ['get-1k-64', 'proxies'],
      ['get-1m-8', 'proxies'],
    ]);
    expect(options).toMatchObject({ measuresMemory: false, runsWrk: false });
  });

  test('--only keeps the order of the report', () => {
    expect(namesOf('--only', 'post-1k-64,get-1k-8')).toEqual(['get-1k-8', 'post-1k-64']);
  });

  test('--only memory runs no scenario', () => {
    expect(parseArguments(['--only', 'memory'])).toMatchObject({ scenarios: [], measuresMemory: true, runsWrk: false });
  });

  test('without flags everything runs', () => {
    expect(namesOf().length).toBeGreaterThan(10);
    expect(parseArguments([])).toMatchObject({ measuresMemory: true, runsWrk: true, rounds: 5, soakMinutes: 0 });
  });
});

test.each([
  { name: 'unknown flag', args: ['--fast'], want: '--fast' },
  { name: 'unknown scenario', args: ['--only', 'get-2k'], want: 'get-2k' },
  { name: 'no rounds', args: ['--rounds', '0'], want: '--rounds' },
  { name: 'seconds that are no number', args: ['--seconds', 'x'], want: '--seconds' },
])('is refused: $name', ({ args, want }) => {
  expect(() => parseArguments(args)).toThrow(want);
});

test('--help is null', () => {
  expect(parseArguments(['--help'])).toBeNull();
});
