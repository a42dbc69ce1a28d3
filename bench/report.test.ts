import { describe, expect, test } from '@jest/globals';
import { parseBusyTicks } from './core-usage.ts';
import { headerNames } from './fairness.ts';
import { parsePss } from './pinned-process.ts';
import { figure, renderScenario, renderTable } from './report.ts';
import { growthOf } from './soak.ts';
import type { Summary } from './summary.ts';

const SLUICE: Summary = {
  contender: 'sluice',
  cpuUs: 10,
  requestsPerSecond: 50_000,
  p50Ms: 1,
  p99Ms: 2,
  p999Ms: 3,
  bulkBytesPerSecond: 0,
  cpuUsRounds: [11, 9, 10],
  foreignShare: 0.123,
  resumedShare: null,
  cipher: '',
  errors: 0,
  firstError: '',
};

describe('renderScenario', () => {
  const nginx = { ...SLUICE, contender: 'nginx', cpuUs: 12.5 };

  test('a row has figures, the span of the rounds and ratios', () => {
    const lines = renderScenario({ name: 'x', title: 'x', summaries: [SLUICE, nginx] });
    const cells = lines
      .find((line) => line.includes('sluice'))
      ?.split('|')
      .map((cell) => cell.trim());
    expect(cells).toEqual(['', 'sluice', '10', '9–11', '50000', '1', '2', '3', '0.80', '-', '12 %', '']);
  });

  test('handshakes that were to be resumed and were not are shown', () => {
    const lines = renderScenario({ name: 'x', title: 'x', summaries: [SLUICE, { ...nginx, resumedShare: 0.5 }] });
    expect(lines.find((line) => line.includes('contender'))).toMatch(/resumed +\|$/);
    expect(lines.at(-1)).toMatch(/50 % +\|$/);
  });

  test('a contender with a wrong response gets no figure', () => {
    const broken = { ...nginx, errors: 2, firstError: 'status 502' };
    const text = renderScenario({ name: 'x', title: 'x', summaries: [SLUICE, broken] }).join('\n');
    expect(text).toContain('WRONG: 2 × status 502');
    expect(text).not.toContain('12.5');
    expect(text).not.toContain('0.80');
  });
});

test('renderTable lines columns up and fills missing cells', () => {
  expect(renderTable(['a', 'bb'], [['long', '1'], ['x']])).toEqual([
    '| a    | bb |',
    '|------|----|',
    '| long | 1  |',
    '| x    |    |',
  ]);
});

test.each([
  [Number.NaN, '-'],
  [0, '0'],
  [1.2345, '1.23'],
  [99.96, '100'],
  [12345.6, '12346'],
])('figure(%p) is %p', (value, want) => {
  expect(figure(value)).toBe(want);
});

test('growthOf compares the last third with the middle third, not with the start', () => {
  expect(growthOf([1, 1, 100, 100, 100, 100, 110, 110, 110].slice(0, 9))).toBeCloseTo(1.1);
  expect(growthOf([5, 5, 5, 9, 9, 9, 9, 9, 9])).toBe(1);
});

test('headerNames ignores order, case and connection handling', () => {
  const head = 'GET / HTTP/1.1\r\nX-Scheme: http\r\nHOST: a\r\nConnection: keep-alive\r\n\r\n';
  expect(headerNames(head)).toEqual(['host', 'x-scheme']);
});

test('parsePss takes the Pss line, not Pss_Dirty', () => {
  expect(parsePss('Rss:  10 kB\nPss_Dirty: 3 kB\nPss:                 7 kB\n')).toBe(7168);
  expect(() => parsePss('Rss: 10 kB\n')).toThrow('Pss');
});

test('parseBusyTicks adds what is not idle, iowait or guest time, of one core', () => {
  const stat = 'cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 9 9 9 9 9 9 9 9 9 9\ncpu1 1 2 4 1000 1000 8 16 32 500 500\n';
  expect(parseBusyTicks(stat, 1)).toBe(63);
  expect(() => parseBusyTicks(stat, 2)).toThrow('core 2');
});
