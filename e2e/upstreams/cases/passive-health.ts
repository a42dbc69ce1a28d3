// Passive health and slow start, Sluice's own: endpoints are left out for a while because of how they answer.

import { expect } from '@jest/globals';
import type { CaseTable, Check } from '../annotation-cases.ts';
import { all, bodiesOf, statusesOf, tally } from '../checks.ts';
import type { Told } from '../client.ts';
import type { Answerer } from '../endpoints.ts';
import type { Site, Surroundings } from '../site.ts';

const badFirst: Answerer = ({ endpoint }) => (endpoint === 'web0' ? { status: 503 } : {});
const oneBad: Surroundings = { endpoints: 2, answer: badFirst };

/** Of twenty requests in turn so many fail: as many as it takes to leave the bad one of two endpoints out. */
function failures(count: number): Check {
  return async (site) => {
    const counts = tally(statusesOf(await site.askTimes(20)));
    expect(counts['503'] ?? 0).toBe(count);
  };
}

/** The last so many answers are all from the second endpoint: the first one is out. */
const STREAK = 12;
const isWithoutFirst = (told: readonly Told[]) =>
  told.length >= STREAK && told.slice(-STREAK).every(({ body }) => body === 'web1' || body === 'web2');
const isLeftOut: Check = async (site) => {
  await site.askUntil(isWithoutFirst);
};
/** For so long it is never out. */
function staysFor(ms: number): Check {
  return async (site) => {
    const told = await site.askFor(ms);
    for (let at = STREAK; at < told.length; at++) expect(isWithoutFirst(told.slice(0, at))).toBe(false);
  };
}

/** Every second answer of the first endpoint is good, so that it never fails twice in a row. */
const everySecondBad: Answerer = ({ endpoint, nth }) => (endpoint === 'web0' && nth % 2 === 0 ? { status: 503 } : {});
/** Half of all fail; windows of a second with the five answers that a second brings at least. */
function halfBad(more: Readonly<Record<string, string>>): Surroundings {
  const window = { 'sluice/passive-health-window': '1s', 'sluice/passive-health-min-requests': '5' };
  return { endpoints: 2, answer: everySecondBad, with: { ...window, ...more } };
}

const slowFirst: Surroundings = {
  answer: ({ endpoint }) => (endpoint === 'web0' ? { afterMs: 250 } : {}),
  with: { 'sluice/passive-health-window': '2s', 'sluice/passive-health-min-requests': '3' },
};

/** Left out after its first failure; good again from then on. */
const recovers: Answerer = ({ endpoint, nth }) => (endpoint === 'web0' && nth === 1 ? { status: 503 } : {});
const atOnce = { 'sluice/passive-health-errors': '1' };
const callsOfFirst = (site: Site) => site.calls.filter(({ endpoint }) => endpoint === 'web0');

/** The endpoint is out for so long, and then used again. */
function isOutFor(seconds: number): Check {
  return async (site) => {
    await site.askUntil(() => callsOfFirst(site).length >= 2);
    const [failed, again] = callsOfFirst(site);
    const outMs = (again?.atMs ?? 0) - (failed?.atMs ?? 0);
    expect(outMs).toBeGreaterThan(seconds * 1000 - 20);
    expect(outMs).toBeLessThan(seconds * 1000 + 4000);
  };
}

/** Gaps between the calls of an endpoint that is tried again and again, and fails each time. */
async function gaps(site: Site, count: number): Promise<readonly number[]> {
  await site.askUntil(() => callsOfFirst(site).length > count);
  const times = callsOfFirst(site).map(({ atMs }) => atMs);
  return times.slice(1).map((atMs, at) => atMs - (times[at] as number));
}
/** Each ejection is longer than the one before. */
const grows: Check = async (site) => {
  const [first = 0, second = 0, third = 0] = await gaps(site, 3);
  expect(first).toBeGreaterThan(280);
  expect(second).toBeGreaterThan(580);
  expect(third).toBeGreaterThan(880);
};
/** They stop growing: the fifth and later ones would be 1.5 s without the limit. */
function isCapped(longestMs: number): Check {
  return async (site) => {
    expect(Math.min(...(await gaps(site, 6)).slice(4))).toBeLessThan(longestMs);
  };
}

/** Of four endpoints three are bad, and so many of them are left out. */
const threeBad: Surroundings = {
  endpoints: 4,
  answer: ({ endpoint }) => (endpoint === 'web3' ? {} : { status: 503 }),
  with: { ...atOnce, 'sluice/passive-health-ejection': '1m' },
};
function leavesOut(count: number): Check {
  return async (site) => {
    await site.askTimes(8);
    expect(Object.keys(tally(bodiesOf(await site.askTimes(12))))).toHaveLength(4 - count);
  };
}

/** Share of the first of two endpoints in what follows its return. */
function returnsWith(least: number, most: number): Check {
  return async (site) => {
    await site.askUntil(() => callsOfFirst(site).length >= 2);
    const told = await site.askTimes(60);
    const share = told.filter(({ body }) => body === 'web0').length / 60;
    expect(share).toBeGreaterThanOrEqual(least);
    expect(share).toBeLessThanOrEqual(most);
  };
}

const isNoNumber = 'is not a whole number';
const isNoTime = 'is not a time such as 30s or 1h';
const invalidTime = [
  ['0', 'is no time at all'],
  ['0ms', 'is no time at all'],
  ['soon', isNoTime],
  ['-1s', isNoTime],
  ['30d', 'is out of range'],
] as const;
const invalidShare = [
  ['1.5', isNoNumber],
  ['-1', 'is below 0'],
  ['101', 'is above 100'],
  ['half', isNoNumber],
] as const;

export const passiveHealthCases: CaseTable = {
  'sluice/passive-health': {
    ...oneBad,
    absent: failures(5),
    values: [
      ['on', failures(5)],
      ['off', failures(10)],
      ['off', failures(10), { with: atOnce }],
    ],
    invalid: [
      ['false', 'is not one of on, off'],
      ['OFF', 'is not one of on, off'],
    ],
    whenInvalid: { holds: 'on' },
  },
  'sluice/passive-health-errors': {
    ...oneBad,
    absent: failures(5),
    values: [
      ['1', failures(1)],
      ['3', failures(3)],
      ['1000', failures(10)],
      ['0', failures(10)],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['-1', 'is below 0'],
      ['1001', 'is above 1000'],
      ['few', isNoNumber],
    ],
    whenInvalid: { holds: '5' },
  },
  'sluice/passive-health-error-rate': {
    ...halfBad({}),
    absent: staysFor(2500),
    values: [
      ['40', isLeftOut, halfBad({})],
      ['1', isLeftOut, halfBad({})],
      ['80', staysFor(2500), halfBad({})],
      ['100', staysFor(2500), halfBad({})],
      ['0', staysFor(2500), halfBad({})],
    ],
    invalid: invalidShare,
    whenInvalid: { holds: '0' },
  },
  'sluice/passive-health-latency-factor': {
    ...slowFirst,
    absent: staysFor(4500),
    values: [
      ['3', isLeftOut],
      ['1.1', isLeftOut],
      ['1000', staysFor(4500)],
    ],
    invalid: [
      ['1', 'is below 1.1'],
      ['1001', 'is above 1000'],
      ['fast', 'is not a decimal number'],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'sluice/passive-health-window': {
    ...halfBad({}),
    with: { 'sluice/passive-health-error-rate': '40' },
    absent: staysFor(2500),
    values: [
      ['1s', isLeftOut, halfBad({})],
      ['500ms', isLeftOut, halfBad({ 'sluice/passive-health-min-requests': '1' })],
      ['1h', staysFor(2500), halfBad({})],
    ],
    invalid: invalidTime,
    whenInvalid: { holds: '10s' },
  },
  'sluice/passive-health-min-requests': {
    endpoints: 2,
    answer: everySecondBad,
    with: { 'sluice/passive-health-error-rate': '40', 'sluice/passive-health-window': '300ms' },
    absent: staysFor(1500),
    values: [
      ['1', isLeftOut],
      ['5', isLeftOut],
      ['100000', staysFor(1500)],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['0', 'is below 1'],
      ['few', isNoNumber],
    ],
    whenInvalid: { holds: '20' },
  },
  'sluice/passive-health-ejection': {
    endpoints: 2,
    answer: recovers,
    with: atOnce,
    absent: isOutFor(5),
    values: [
      ['300ms', isOutFor(0.3)],
      ['2', isOutFor(2)],
    ],
    invalid: invalidTime,
    whenInvalid: { holds: '5s' },
  },
  'sluice/passive-health-max-ejection': {
    ...oneBad,
    with: { ...atOnce, 'sluice/passive-health-ejection': '300ms' },
    absent: grows,
    values: [
      ['400ms', isCapped(900)],
      // Never less than the first ejection.
      ['1ms', all(isCapped(800), isOutFor(0.3))],
      ['1h', grows],
    ],
    invalid: invalidTime,
    whenInvalid: { holds: '60s' },
  },
  'sluice/passive-health-max-ejected': {
    ...threeBad,
    absent: leavesOut(2),
    values: [
      ['75', leavesOut(3)],
      // One always may be out, and one always stays.
      ['0', leavesOut(1)],
      ['100', leavesOut(3)],
    ],
    invalid: invalidShare,
    whenInvalid: { holds: '50' },
  },
  'sluice/slow-start': {
    endpoints: 2,
    answer: recovers,
    with: { ...atOnce, 'sluice/passive-health-ejection': '200ms' },
    absent: returnsWith(0.4, 0.6),
    values: [
      ['1h', returnsWith(0, 0.15)],
      ['0', returnsWith(0.4, 0.6)],
    ],
    invalid: [
      ['soon', isNoTime],
      ['-1', isNoTime],
    ],
    whenInvalid: { holds: '0s' },
  },
};
