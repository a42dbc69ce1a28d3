// Circuit breaking, Sluice's own. One worker: with two, requests that come at one moment have no order; what two workers
// count together is tested in `exact-over-workers.test.ts`.

import { expect } from '@jest/globals';
import type { CaseTable, Check } from '../annotation-cases.ts';
import { statusesOf, tally } from '../checks.ts';
import type { Told } from '../client.ts';
import type { Site, Surroundings } from '../site.ts';

/** Flags that {@link overloadCases} need. */
export const overloadFlags = ['--workers=1'];

const noQueue = { 'sluice/max-pending': '0' };
const oneAtATime: Surroundings = { with: { 'sluice/max-requests': '1' } };
const perEndpoint = { 'sluice/max-requests-per-endpoint': '1', 'sluice/pending-timeout': '10s' };

interface Held {
  readonly answers: readonly Promise<Told>[];
  end(): Promise<void>;
}

/** Sends requests that stay at their endpoints, one after the other. `end` lets them go: all are answered well. */
async function hold(site: Site, count: number): Promise<Held> {
  site.answerWith((call) => site.hold(call));
  const answers: Promise<Told>[] = [];
  for (let at = 1; at <= count; at++) {
    answers.push(site.ask({ fresh: true }));
    await site.held(at);
  }
  return {
    answers,
    end: async () => {
      site.answerWith(() => ({}));
      site.release();
      expect(tally(statusesOf(await Promise.all(answers)))).toEqual({ 200: count });
    },
  };
}

/** So many requests are let in at one time; more are refused at once, and let in again when those have ended. */
function admits(count: number): Check {
  return async (site) => {
    const held = await hold(site, count);
    const [refused] = await site.askTogether(1);
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(site.calls).toHaveLength(count);
    await held.end();
    expect((await site.ask()).status).toBe(200);
  };
}

/** As many as come. */
const admitsAll: Check = async (site) => {
  await (await hold(site, 30)).end();
};

/** Of three endpoints each gets so many. */
function admitsAtEach(count: number): Check {
  return async (site) => {
    const held = await hold(site, 3 * count);
    expect(tally(site.seen)).toEqual({ web0: count, web1: count, web2: count });
    const [refused] = await site.askTogether(1);
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    await held.end();
    expect((await site.ask()).status).toBe(200);
  };
}

/** Behind one request that stays, so many wait for their turn; one more is refused at once, whichever comes last. */
function queues(count: number): Check {
  return async (site) => {
    const held = await hold(site, 1);
    const asked = Array.from({ length: count + 1 }, () => site.ask({ fresh: true }));
    expect(await Promise.race(asked)).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    await held.end();
    expect(tally(statusesOf(await Promise.all(asked)))).toEqual({ ...(count === 0 ? {} : { 200: count }), 503: 1 });
  };
}

/** Waits so long for its turn, and is refused then. */
function waits(seconds: number): Check {
  return async (site) => {
    const held = await hold(site, 1);
    const [late] = await site.askTogether(1);
    expect(late).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(late?.tookMs).toBeGreaterThan(seconds * 1000 - 20);
    expect(late?.tookMs).toBeLessThan(seconds * 1000 + 5000);
    await held.end();
  };
}

/** Three get their turn although the first request takes longer than the default allows. */
const waitsLong: Check = async (site) => {
  site.answerWith(() => (site.calls.length === 1 ? { afterMs: 1500 } : {}));
  const told = await site.askTogether(4);
  expect(tally(statusesOf(told))).toEqual({ 200: 4 });
  expect(Math.min(...told.map(({ tookMs }) => tookMs))).toBeGreaterThan(1400);
};

function retryAfter(seconds: string): Check {
  return async (site) => {
    const held = await hold(site, 1);
    const [refused] = await site.askTogether(1);
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': seconds } });
    await held.end();
  };
}

const isNoNumber = 'is not a whole number';
const invalidLimit = [
  ['-1', 'is below 0'],
  ['ten', isNoNumber],
  ['1.5', isNoNumber],
] as const;

const ofAll = {
  with: noQueue,
  absent: admitsAll,
  values: [
    ['1', admits(1)],
    ['4', admits(4)],
    ['1000000', admitsAll],
    ['0', admitsAll],
  ],
  invalid: invalidLimit,
  whenInvalid: { holds: '0' },
} as const;

const ofEach = {
  with: noQueue,
  absent: admitsAll,
  values: [
    ['1', admitsAtEach(1)],
    ['3', admitsAtEach(3)],
    ['1000000', admitsAll],
    ['0', admitsAll],
  ],
  invalid: invalidLimit,
  whenInvalid: { holds: '0' },
} as const;

/** Nothing is answered while `admits` looks: the limit stays at its start, the lowest one. */
const adaptive: Surroundings = { with: { ...noQueue, 'sluice/adaptive-concurrency': 'true' } };
const invalidBound = [
  ['1.5', isNoNumber],
  ['0', 'is below 1'],
  ['100001', 'is above 100000'],
  ['few', isNoNumber],
] as const;

export const overloadCases: CaseTable = {
  'sluice/adaptive-concurrency': {
    absent: admitsAll,
    values: [
      ['true', admits(5), { with: noQueue }],
      ['false', admitsAll],
    ],
    invalid: [['yes', 'is not a bool (true or false)']],
    whenInvalid: { holds: 'false' },
  },
  'sluice/adaptive-concurrency-min': {
    ...adaptive,
    absent: admits(5),
    values: [
      ['1', admits(1)],
      ['8', admits(8)],
      ['100000', admitsAll],
    ],
    invalid: invalidBound,
    whenInvalid: { holds: '5' },
  },
  'sluice/adaptive-concurrency-max': {
    ...adaptive,
    absent: admits(5),
    values: [
      ['100000', admits(5)],
      // The lowest limit wins over a highest one below it.
      ['1', admits(5)],
    ],
    invalid: invalidBound,
    whenInvalid: { holds: '1000' },
  },
  'sluice/adaptive-concurrency-tolerance': {
    ...adaptive,
    absent: admits(5),
    values: [
      ['5', admits(5)],
      ['1000', admits(5)],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['4', 'is below 5'],
      ['1001', 'is above 1000'],
      ['half', isNoNumber],
    ],
    whenInvalid: { holds: '50' },
  },
  'sluice/adaptive-concurrency-interval': {
    ...adaptive,
    absent: admits(5),
    values: [
      ['1s', admits(5)],
      ['1h', admits(5)],
    ],
    invalid: [
      ['0', 'is no time at all'],
      ['soon', 'is not a time such as 30s or 1h'],
      ['30d', 'is out of range'],
    ],
    whenInvalid: { holds: '60s' },
  },
  'sluice/max-requests': ofAll,
  'sluice/max-connections': ofAll,
  'sluice/max-requests-per-endpoint': ofEach,
  'sluice/max-connections-per-endpoint': ofEach,
  'sluice/max-pending': {
    with: { ...oneAtATime.with, 'sluice/pending-timeout': '10s' },
    absent: queues(100),
    values: [
      ['0', queues(0)],
      ['2', queues(2)],
      ['2', queues(2), { endpoints: 1, with: perEndpoint }],
      ['100000', waitsLong],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['-1', 'is below 0'],
      ['100001', 'is above 100000'],
      ['some', isNoNumber],
    ],
    whenInvalid: { holds: '100' },
  },
  'sluice/pending-timeout': {
    ...oneAtATime,
    absent: waits(1),
    values: [
      ['200ms', waits(0.2)],
      ['2', waits(2)],
      ['1h', waitsLong],
    ],
    invalid: [
      ['0', 'is no time at all'],
      ['soon', 'is not a time such as 30s or 1h'],
      ['30d', 'is out of range'],
    ],
    whenInvalid: { holds: '1s' },
  },
  'sluice/retry-after': {
    with: { ...oneAtATime.with, ...noQueue },
    absent: retryAfter('1'),
    values: [
      ['1', retryAfter('1')],
      ['86400', retryAfter('86400')],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['0', 'is below 1'],
      ['86401', 'is above 86400'],
      ['1s', isNoNumber],
    ],
    whenInvalid: { holds: '1' },
  },
};
