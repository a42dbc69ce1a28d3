// Annotations whose default comes from the ConfigMap: what holds without the annotation, with it, and where its value is
// refused. All sites of the run have this one ConfigMap.

import { expect } from '@jest/globals';
import type { CaseTable, Check } from '../annotation-cases.ts';
import { bodiesOf, statusesOf, takesTurns, tally } from '../checks.ts';
import type { Surroundings } from '../site.ts';

/** The ConfigMap of the run. */
export const globalSettings = {
  'load-balance': 'ewma',
  'limit-rate': '64',
  'limit-rate-after': '64',
  'service-upstream': 'true',
  'proxy-next-upstream': 'http_503',
  'proxy-next-upstream-tries': '2',
  'proxy-next-upstream-timeout': '1',
};

const isNoNumber = 'is not a whole number';
/** Endpoints are picked by their own addresses, unless the case is about that. */
const toPods = { 'service-upstream': 'false', 'sluice/passive-health': 'off' };

const slowFirst: Surroundings = {
  answer: ({ endpoint }) => (endpoint === 'web0' ? { afterMs: 250 } : {}),
  with: toPods,
};
const avoidsSlow: Check = async (site) => {
  await site.askTimes(10);
  expect(tally(bodiesOf(await site.askTimes(30)))['web0'] ?? 0).toBeLessThan(6);
};

const BODY_KIB = 192;
const longBody: Surroundings = { answer: () => ({ body: 'x'.repeat(BODY_KIB * 1024) }), with: toPods };
function takesSeconds(seconds: number): Check {
  return async (site) => {
    const { tookMs } = await site.ask();
    expect(tookMs).toBeGreaterThan(seconds * 950);
    expect(tookMs).toBeLessThan(seconds * 1000 + 8000);
  };
}
const isFast: Check = async (site) => {
  const told = await site.askTimes(5);
  expect(Math.min(...told.map(({ tookMs }) => tookMs))).toBeLessThan(800);
};

const allGoTo = (name: string): Check => {
  return async (site) => expect(tally(bodiesOf(await site.askTimes(6)))).toEqual({ [name]: 6 });
};

const oneFails: Surroundings = {
  endpoints: 2,
  answer: ({ endpoint, path }) => (endpoint === 'web0' ? { status: Number(path.slice(1)) } : {}),
  with: { ...toPods, 'load-balance': 'round_robin' },
};
function statuses(path: string, expected: Readonly<Record<string, number>>): Check {
  return async (site) => expect(tally(statusesOf(await site.askTimes(2, { path })))).toEqual(expected);
}

function allRefuse(afterMs: number): Surroundings {
  return { endpoints: 5, answer: () => ({ status: 503, afterMs }), with: toPods };
}
function tries(count: number): Check {
  return async (site) => {
    expect((await site.ask()).status).toBe(503);
    expect(site.calls).toHaveLength(count);
  };
}

export const globalDefaultCases: CaseTable = {
  'load-balance': {
    ...slowFirst,
    absent: avoidsSlow,
    values: [['round_robin', takesTurns]],
    invalid: [['fastest', 'is not one of round_robin, ewma, chash, chashsubset, sticky_balanced, sticky_persistent']],
    whenInvalid: 'rejected',
  },
  'service-upstream': {
    with: { 'sluice/passive-health': 'off' },
    absent: allGoTo('cluster0'),
    values: [
      ['false', takesTurns, { with: { 'load-balance': 'round_robin' } }],
      ['true', allGoTo('cluster0')],
    ],
    invalid: [],
    whenInvalid: { holds: 'false' },
  },
  'limit-rate': {
    ...longBody,
    absent: takesSeconds(1),
    values: [
      ['0', isFast],
      ['128', isFast],
    ],
    invalid: [['64k', isNoNumber]],
    whenInvalid: { holds: 'that of ConfigMap limit-rate, else 0' },
  },
  'limit-rate-after': {
    ...longBody,
    absent: takesSeconds(1),
    values: [
      ['0', takesSeconds(2)],
      ['128', isFast],
    ],
    invalid: [['64k', isNoNumber]],
    whenInvalid: { holds: 'that of ConfigMap limit-rate-after, else 0' },
  },
  'proxy-next-upstream': {
    ...oneFails,
    absent: statuses('/503', { 200: 2 }),
    values: [
      ['error', statuses('/503', { 200: 1, 503: 1 })],
      ['http_500', statuses('/500', { 200: 2 })],
    ],
    invalid: [
      [
        'http_501',
        'holds a word that is not one of error, timeout, invalid_header, http_500, http_502, http_503, http_504, http_403, http_404, http_429, non_idempotent, off',
      ],
    ],
    whenInvalid: { holds: 'that of ConfigMap proxy-next-upstream, else error, timeout' },
  },
  'proxy-next-upstream-tries': {
    ...allRefuse(0),
    absent: tries(2),
    values: [
      ['1', tries(1)],
      ['4', tries(4)],
      ['0', tries(5)],
    ],
    invalid: [['many', isNoNumber]],
    whenInvalid: { holds: 'that of ConfigMap proxy-next-upstream-tries, else 3' },
  },
  'proxy-next-upstream-timeout': {
    ...allRefuse(1300),
    absent: tries(1),
    values: [
      ['0', tries(2)],
      ['60', tries(2)],
    ],
    invalid: [['2s', isNoNumber]],
    whenInvalid: { holds: 'that of ConfigMap proxy-next-upstream-timeout, else 0' },
  },
};
