import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { EventQueue } from './event-queue.ts';
import { algorithms, named, scenarios } from './scenarios.ts';
import { type Result, simulate } from './simulate.ts';
import { renderScenario, replaceTables } from './table.ts';

/** What has been simulated: a result depends on nothing else. */
const results = new Map<string, Result>();

const simulateOnce: typeof simulate = (scenario, algorithm, seed = 1) => {
  const key = `${scenario.name}|${algorithm.name}|${seed}`;
  const result = results.get(key) ?? simulate(scenario, algorithm, seed);
  results.set(key, result);
  return result;
};

const run = (scenario: string, algorithm: string, seed = 1): Result =>
  simulateOnce(named(scenarios, scenario), named(algorithms, algorithm), seed);

const lastShare = ({ sharesPercent }: Result): number => sharesPercent.at(-1) ?? Number.NaN;

describe('one endpoint of ten is ten times as slow', () => {
  test.each([1, 2, 3])('ewma and two choices keep p99 within 1.3 of the best possible, seed %d', (seed) => {
    const limitMs = 1.3 * run('one 10x slow', 'best possible', seed).p99Ms;
    expect(run('one 10x slow', 'ewma', seed).p99Ms).toBeLessThan(limitMs);
    expect(run('one 10x slow', 'random two choices', seed).p99Ms).toBeLessThan(limitMs);
  });

  test('round robin does not', () => {
    expect(run('one 10x slow', 'round_robin').p99Ms).toBeGreaterThan(10 * run('one 10x slow', 'best possible').p99Ms);
  });
});

describe.each(algorithms.map(({ name }) => name))('%s', (algorithm) => {
  test('no endpoint starves when all are equal', () => {
    for (const share of run('equal', algorithm).sharesPercent) expect(share).toBeGreaterThan(5);
  });

  test('one endpoint that fails costs no client an error, and gets next to nothing', () => {
    const result = run('one failing', algorithm);
    expect(result.errors).toBe(0);
    expect(result.failedAttempts).toBeLessThan(40);
    expect(lastShare(result)).toBeLessThan(0.2);
  });

  test('an endpoint that joins gets its share, and not much more', () => {
    const share = lastShare(run('one joining', algorithm));
    expect(share).toBeGreaterThan(6);
    expect(share).toBeLessThan(13);
  });
});

test('a simulation gives the same figures each time', () => {
  const again = simulate(named(scenarios, 'equal'), named(algorithms, 'ewma'), 5);
  expect(again).toEqual(run('equal', 'ewma', 5));
});

test.each(scenarios)(
  'the table of "$name" in docs/load-balancing.md is what is simulated (npm run bench:balance -- --write)',
  (scenario) => {
    const document = readFileSync(new URL('../../docs/load-balancing.md', import.meta.url), 'utf8');
    expect(document).toContain(renderScenario(scenario, simulateOnce));
  },
);

test('replaceTables refuses a document without a place for them', () => {
  expect(() => replaceTables('text', 'tables')).toThrow('no place');
});

test('EventQueue runs by time, then in the order things were added', () => {
  const events = new EventQueue(100);
  const log: string[] = [];
  const note = (name: string) => () => log.push(`${name}@${events.nowMs}`);
  events.after(30, note('c'));
  events.after(10, note('a'));
  events.after(20, () => {
    note('b')();
    events.after(10, note('e'));
  });
  events.after(30, note('d'));
  events.runAll();
  expect(log).toEqual(['a@110', 'b@120', 'c@130', 'd@130', 'e@130']);
});
