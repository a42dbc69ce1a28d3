// Limits of requests, connections and bandwidth: annotation reference section 8. One process with two workers counts.

import { expect } from '@jest/globals';
import { until } from '../../harness/wait.ts';
import type { CaseTable, Check } from '../annotation-cases.ts';
import { all, statusesOf, tally } from '../checks.ts';
import type { Asked } from '../client.ts';
import type { Surroundings } from '../site.ts';

const MANY = 60;
const isNoNumber = 'is not a whole number';
const isNoNetwork = (number: number) => `has an entry that is not an IP address or CIDR block (number ${number})`;

/** Nothing is refused. */
function isOpen(asked: Asked = {}): Check {
  return async (site) => {
    expect(tally(statusesOf(await site.askTogether(MANY, asked)))).toEqual({ 200: MANY });
  };
}

/** Of many at once over both workers, exactly so many pass, and the others never reach an endpoint. */
function passes(count: number, asked: Asked = {}): Check {
  return async (site) => {
    const before = site.calls.length;
    expect(tally(statusesOf(await site.askTogether(MANY, asked)))).toEqual({
      ...(count === 0 ? {} : { 200: count }),
      503: MANY - count,
    });
    expect(site.calls).toHaveLength(before + count);
  };
}

/** `count` at once, and then one for each second: the test itself takes time. */
function passesAndRefills(count: number, perSecond: number): Check {
  return async (site) => {
    const startedAtMs = performance.now();
    const passed = (await site.askTogether(MANY)).filter(({ status }) => status === 200).length;
    const refilled = ((performance.now() - startedAtMs) / 1000) * perSecond;
    expect(passed).toBeGreaterThanOrEqual(count);
    expect(passed).toBeLessThanOrEqual(count + refilled);
  };
}

/** So many requests of a client are under way at one time, whichever worker has them; the next ones are refused. */
function holds(count: number): Check {
  return async (site) => {
    site.answerWith((call) => site.hold(call));
    let refused = 0;
    const asked = Array.from({ length: 20 }, async () => {
      const told = await site.ask({ fresh: true });
      if (told.status === 503) refused++;
      return told;
    });
    // All others have their answer before those that are held: who came later would take a place that is free again.
    await until(
      'refusals',
      () => refused,
      (answers) => answers === 20 - count,
    );
    await site.held(count);
    const elsewhere = site.ask({ from: '127.0.0.2' });
    await site.held(count + 1);
    site.release();
    expect(tally(statusesOf(await Promise.all(asked)))).toEqual({ 200: count, 503: 20 - count });
    expect((await elsewhere).status).toBe(200);
    // The places are free again.
    site.answerWith(() => ({}));
    expect(tally(statusesOf(await site.askTimes(3)))).toEqual({ 200: 3 });
  };
}

const isUnheld: Check = async (site) => {
  site.answerWith((call) => site.hold(call));
  const asked = site.askTogether(20);
  await site.held(20);
  site.release();
  expect(tally(statusesOf(await asked))).toEqual({ 200: 20 });
};

const BODY_KIB = 192;
const longBody: Surroundings = { answer: () => ({ body: 'x'.repeat(BODY_KIB * 1024) }) };

/** The body takes at least so long. The first second's worth is out at once. */
function takesSeconds(seconds: number): Check {
  return async (site) => {
    const { body, tookMs } = await site.ask();
    expect(body).toHaveLength(BODY_KIB * 1024);
    expect(tookMs).toBeGreaterThan(seconds * 950);
    expect(tookMs).toBeLessThan(seconds * 1000 + 8000);
  };
}

/** One of some tries meets a machine that is not busy. */
const isFast: Check = async (site) => {
  const told = await site.askTimes(5);
  expect(Math.min(...told.map(({ tookMs }) => tookMs))).toBeLessThan(800);
};

/** Two per minute: nothing comes free while the test runs. The burst is five times as much, and one more is under way. */
const twoPerMinute: Surroundings = { with: { 'limit-rpm': '2' } };
const paced: Surroundings = { ...longBody, with: { 'limit-rate': '64' } };

const allowlist = {
  ...twoPerMinute,
  absent: passes(11),
  values: [
    ['127.0.0.1', all(isOpen(), passes(11, { from: '127.0.0.2' }))],
    ['127.0.0.0/8', all(isOpen(), isOpen({ from: '127.0.0.2' }))],
    ['10.0.0.0/8, 127.0.0.1/32', isOpen()],
    ['10.0.0.0/8', passes(11)],
    ['0.0.0.0/0', isOpen()],
    ['::/0', passes(11)],
  ],
  invalid: [
    ['local', isNoNetwork(1)],
    ['127.0.0.1/33', isNoNetwork(1)],
    ['10.0.0.0/8, 127.0.0', isNoNetwork(2)],
  ],
  whenInvalid: 'rejected',
} as const;

export const limitCases: CaseTable = {
  'limit-rps': {
    absent: isOpen(),
    values: [
      ['1', passesAndRefills(6, 1)],
      ['4', passesAndRefills(21, 4)],
      ['+1', passesAndRefills(6, 1)],
      ['0', isOpen()],
      ['-1', isOpen()],
      ['1000', isOpen()],
      // Both rates hold.
      ['1000', passes(11), twoPerMinute],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['1k', isNoNumber],
      ['10/s', isNoNumber],
      ['9007199254740993', 'is out of range'],
    ],
    whenInvalid: 'rejected',
  },
  'limit-rpm': {
    absent: isOpen(),
    values: [
      ['1', all(passes(6), passes(6, { from: '127.0.0.2' }))],
      ['2', all(passes(11), passes(0))],
      ['0', isOpen()],
      ['-2', isOpen()],
      ['6000', isOpen()],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['two', isNoNumber],
      ['2m', isNoNumber],
    ],
    whenInvalid: 'rejected',
  },
  'limit-connections': {
    absent: isUnheld,
    values: [
      ['1', holds(1)],
      ['8', holds(8)],
      ['0', isUnheld],
      ['-1', isUnheld],
      ['20', isUnheld],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['few', isNoNumber],
      ['1e3', isNoNumber],
    ],
    whenInvalid: 'rejected',
  },
  'limit-burst-multiplier': {
    ...twoPerMinute,
    absent: passes(11),
    values: [
      ['1', passes(3)],
      ['10', passes(21)],
      ['0', passes(1)],
      ['-3', passes(1)],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['double', isNoNumber],
    ],
    whenInvalid: { holds: '5' },
  },
  'limit-allowlist': allowlist,
  'limit-whitelist': allowlist,
  'limit-rate': {
    ...longBody,
    absent: isFast,
    values: [
      ['64', takesSeconds(2)],
      ['96', takesSeconds(1)],
      ['192', isFast],
      ['0', isFast],
      ['-1', isFast],
    ],
    invalid: [
      ['64k', isNoNumber],
      ['1.5', isNoNumber],
    ],
    whenInvalid: { holds: 'that of ConfigMap limit-rate, else 0' },
  },
  'limit-rate-after': {
    ...paced,
    absent: takesSeconds(2),
    values: [
      ['64', takesSeconds(1)],
      ['128', isFast],
      ['100000', isFast],
      ['0', takesSeconds(2)],
      ['-64', takesSeconds(2)],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['1m', isNoNumber],
    ],
    whenInvalid: { holds: 'that of ConfigMap limit-rate-after, else 0' },
  },
};
