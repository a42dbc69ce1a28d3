// Further attempts: `proxy-next-upstream` (annotation reference section 10) and Sluice's own bounds on them.

import { expect } from '@jest/globals';
import type { CaseTable, Check } from '../annotation-cases.ts';
import { all, statusesOf, tally } from '../checks.ts';
import type { Asked } from '../client.ts';
import type { Answerer, Reply } from '../endpoints.ts';
import type { Site, Surroundings } from '../site.ts';

const noEjection = { 'sluice/passive-health': 'off' };

/** What the first of two endpoints does with a request for each path; the second one answers all. */
const faults: Readonly<Record<string, Reply>> = {
  '/reset': 'reset',
  '/silence': 'silence',
  '/garbage': 'garbage',
};
const failsByPath: Answerer = ({ endpoint, path }) => {
  if (endpoint !== 'web0') return {};
  return faults[path] ?? { status: Number(path.slice(1)) };
};
const oneFails: Surroundings = {
  endpoints: 2,
  answer: failsByPath,
  with: { ...noEjection, 'proxy-read-timeout': '1' },
};

/** Two requests in turn: the first endpoint gets one of them, and what it does is hidden by a further attempt. */
function hides(...paths: readonly string[]): Check {
  return async (site) => {
    for (const path of paths) expect(await twoAt(site, { path })).toEqual({ 200: 2 });
  };
}

/** The same, but the client of one of them sees this status. */
function shows(status: number, path: string, asked: Asked = {}): Check {
  return async (site) => {
    expect(await twoAt(site, { ...asked, path })).toEqual({ 200: 1, [status]: 1 });
  };
}

async function twoAt(site: Site, asked: Asked): Promise<Record<string, number>> {
  return tally(statusesOf(await site.askTimes(2, asked)));
}

const post: Asked = { method: 'POST', body: 'x' };
const hidesForPost: Check = async (site) => {
  expect(await twoAt(site, { ...post, path: '/reset' })).toEqual({ 200: 2 });
  expect(await twoAt(site, { ...post, path: '/503' })).toEqual({ 200: 2 });
};

const byDefault = all(
  hides('/reset', '/silence'),
  shows(502, '/garbage'),
  shows(503, '/503'),
  shows(502, '/reset', post),
);
const hidesNothing = all(shows(502, '/reset'), shows(503, '/503'), shows(504, '/silence'));
const badWord =
  'holds a word that is not one of error, timeout, invalid_header, http_500, http_502, http_503, http_504, http_403, http_404, http_429, non_idempotent, off';

/** Every endpoint refuses every request, at once or after a time. */
function allRefuse(endpoints: number, more: Readonly<Record<string, string>> = {}, afterMs = 0): Surroundings {
  return {
    endpoints,
    answer: () => ({ status: 503, afterMs }),
    with: { ...noEjection, 'proxy-next-upstream': 'http_503', ...more },
  };
}

/** One request is sent to so many endpoints, none of them twice. */
function tries(count: number): Check {
  return async (site) => {
    expect((await site.ask()).status).toBe(503);
    expect(site.calls).toHaveLength(count);
    expect(new Set(site.seen).size).toBe(count);
  };
}

/** The first of two endpoints takes its time. */
const slowFirst: Surroundings = {
  endpoints: 2,
  answer: ({ endpoint }) => (endpoint === 'web0' ? { afterMs: 1200 } : {}),
  with: noEjection,
};

const waitsForSlow: Check = async (site) => {
  const told = await site.askTimes(2);
  expect(told.map(({ body }) => body).toSorted()).toEqual(['web0', 'web1']);
};
const goesOn: Check = async (site) => {
  const told = await site.askTimes(2);
  expect(told.map(({ body }) => body)).toEqual(['web1', 'web1']);
  // The slow one was asked all the same.
  expect(site.seen).toContain('web0');
};

const REQUESTS = 60;
/** Each request wants one further attempt; between so many get one. */
function repeats(least: number, most: (seconds: number) => number): Check {
  return async (site) => {
    const startedAtMs = performance.now();
    await site.askTimes(REQUESTS);
    const repeated = site.calls.length - REQUESTS;
    expect(repeated).toBeGreaterThanOrEqual(least);
    expect(repeated).toBeLessThanOrEqual(most((performance.now() - startedAtMs) / 1000));
  };
}
const repeatsAll = repeats(REQUESTS, () => REQUESTS);
const repeatsNone = repeats(0, () => 0);
const wantTwo = { 'proxy-next-upstream-tries': '2' };
const budget = allRefuse(2, { ...wantTwo, 'sluice/retry-budget-min': '0' });
const floor = allRefuse(2, { ...wantTwo, 'sluice/retry-budget': '0' });
/** So many in each second that the test touches. */
const perSecond = (count: number) => repeats(count, (seconds) => count * (Math.ceil(seconds) + 1));

const postsStayAlone: Check = async (site) => {
  const told = await site.askTimes(2, post);
  expect(told.map(({ body }) => body).toSorted()).toEqual(['web0', 'web1']);
  expect(site.calls).toHaveLength(2);
};

/** Both endpoints take longer than a request waits before it is sent to the other as well. */
function slowBoth(more: Readonly<Record<string, string>>): Surroundings {
  const answer: Answerer = () => ({ afterMs: 1500 });
  return { endpoints: 2, answer, with: { ...noEjection, 'sluice/hedge-after': '300ms', ...more } };
}
/** Of many at once over two workers, each of which counts for itself, between so many are sent twice. */
function doubles(least: number, most: number): Check {
  return async (site) => {
    expect(tally(statusesOf(await site.askTogether(REQUESTS)))).toEqual({ 200: REQUESTS });
    expect(site.calls.length - REQUESTS).toBeGreaterThanOrEqual(least);
    expect(site.calls.length - REQUESTS).toBeLessThanOrEqual(most);
  };
}

const isNoNumber = 'is not a whole number';
const isNoTime = 'is not a time such as 30s or 1h';

export const attemptCases: CaseTable = {
  'proxy-next-upstream': {
    ...oneFails,
    absent: byDefault,
    values: [
      ['error timeout', byDefault],
      ['error', all(hides('/reset'), shows(504, '/silence'), shows(503, '/503'))],
      ['timeout', all(shows(502, '/reset'), hides('/silence'))],
      ['invalid_header', all(hides('/garbage'), shows(502, '/reset'))],
      ['http_500', all(hides('/500'), shows(503, '/503'))],
      ['http_502', all(hides('/502'), shows(502, '/reset'))],
      ['http_503', all(hides('/503'), shows(500, '/500'))],
      ['http_504', all(hides('/504'), shows(504, '/silence'))],
      ['http_403', all(hides('/403'), shows(404, '/404'))],
      ['http_404', all(hides('/404'), shows(403, '/403'))],
      ['http_429', hides('/429')],
      ['error http_503', all(hides('/reset', '/503'), shows(503, '/503', post), shows(502, '/reset', post))],
      ['error http_503 non_idempotent', hidesForPost],
      ['off', hidesNothing],
      ['off error http_503', hidesNothing],
    ],
    invalid: [
      ['http_503 http_501', badWord],
      ['error,timeout', badWord],
      ['Error', badWord],
    ],
    whenInvalid: { holds: 'that of ConfigMap proxy-next-upstream, else error, timeout' },
  },
  'proxy-next-upstream-tries': {
    ...allRefuse(5),
    absent: tries(3),
    values: [
      ['1', tries(1)],
      ['2', tries(2)],
      ['5', tries(5)],
      ['100', tries(5)],
      ['0', tries(5)],
    ],
    invalid: [
      ['-1', 'is below 0'],
      ['many', isNoNumber],
      ['1.5', isNoNumber],
    ],
    whenInvalid: { holds: 'that of ConfigMap proxy-next-upstream-tries, else 3' },
  },
  'proxy-next-upstream-timeout': {
    ...allRefuse(5, {}, 1300),
    absent: tries(3),
    values: [
      ['1', tries(1)],
      ['2', tries(2)],
      ['60', tries(3)],
      ['0', tries(3)],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['-1', 'is below 0'],
      ['2s', isNoNumber],
    ],
    whenInvalid: { holds: 'that of ConfigMap proxy-next-upstream-timeout, else 0' },
  },
  'sluice/per-try-timeout': {
    ...slowFirst,
    absent: waitsForSlow,
    values: [
      ['300ms', goesOn],
      ['10', waitsForSlow],
      ['1h 30m', waitsForSlow],
    ],
    invalid: [
      ['0', 'is no time at all'],
      ['soon', isNoTime],
      ['-1', isNoTime],
      ['30d', 'is out of range'],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'sluice/retry-budget': {
    ...budget,
    absent: repeatsAll,
    values: [
      ['0', repeatsNone],
      ['20', repeats(11, () => 12)],
      ['100', repeatsAll],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['101', 'is above 100'],
      ['-1', 'is below 0'],
      ['half', isNoNumber],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'sluice/retry-budget-min': {
    ...floor,
    absent: perSecond(10),
    values: [
      ['0', repeatsNone],
      ['3', perSecond(3)],
      ['100000', repeatsAll],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['-1', 'is below 0'],
      ['100001', 'is above 100000'],
      ['some', isNoNumber],
    ],
    whenInvalid: { holds: '10' },
  },
  'sluice/hedge-after': {
    ...slowFirst,
    absent: waitsForSlow,
    values: [
      ['200ms', goesOn],
      ['200ms', postsStayAlone],
      ['10', waitsForSlow],
      ['1h', waitsForSlow],
    ],
    invalid: [
      ['0', 'is no time at all'],
      ['soon', isNoTime],
      ['30d', 'is out of range'],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'sluice/hedge-budget': {
    ...slowBoth({ 'sluice/hedge-budget-min': '0' }),
    absent: doubles(1, 6),
    values: [
      ['0', doubles(0, 0)],
      ['50', doubles(7, 30)],
      ['100', doubles(REQUESTS, REQUESTS)],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['101', 'is above 100'],
      ['-1', 'is below 0'],
      ['half', isNoNumber],
    ],
    whenInvalid: { holds: '10' },
  },
  'sluice/hedge-budget-min': {
    ...slowBoth({ 'sluice/hedge-budget': '0' }),
    // In each of the seconds that the test touches, and by each worker.
    absent: doubles(10, 40),
    values: [
      ['0', doubles(0, 0)],
      ['3', doubles(3, 12)],
      ['100000', doubles(REQUESTS, REQUESTS)],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['-1', 'is below 0'],
      ['100001', 'is above 100000'],
      ['some', isNoNumber],
    ],
    whenInvalid: { holds: '10' },
  },
};
