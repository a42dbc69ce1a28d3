// Annotations that choose how an endpoint is picked: annotation reference section 7, and Sluice's own.

import { expect } from '@jest/globals';
import type { CaseTable, Check } from '../annotation-cases.ts';
import { all, balancesHeld, bodiesOf, heldAtEach, reaches, takesTurns, tally } from '../checks.ts';
import type { Answerer } from '../endpoints.ts';
import type { Surroundings } from '../site.ts';

/** Flags that {@link loadBalancingCases} need. */
export const loadBalancingFlags = ['--node-zone=here'];

const samePath = { path: '/same?user=1' };
const otherPaths = (at: number) => ({ path: `/other/${at}?user=${at}` });
const otherClients = (at: number) => ({ from: `127.0.0.${at + 2}` });

/** Where equal requests go to one endpoint and unequal ones to all of three. */
const hashes = all(reaches(1, samePath), reaches(3, otherPaths));

const slowFirst: Answerer = ({ endpoint }) => (endpoint === 'web0' ? { afterMs: 250 } : {});

/** Once it knows them all. Round robin would send the slow one ten of thirty. */
const avoidsSlow: Check = async (site) => {
  await site.askTimes(10);
  expect(tally(bodiesOf(await site.askTimes(30)))['web0'] ?? 0).toBeLessThan(6);
};

/** Without affinity and hash key nothing else is left to these than to take turns. */
const noCookie: Check = async (site) => {
  expect((await site.ask()).headers['set-cookie']).toBeUndefined();
};

const byUri: Surroundings = { with: { 'upstream-hash-by': '$request_uri' } };
const inGroups: Surroundings = { endpoints: 6, with: { ...byUri.with, 'upstream-hash-by-subset': 'true' } };

/** Eight requests with one key; more than `most` are never at one endpoint. */
function isBounded(most: number): Check {
  return async (site) => {
    const counts = Object.values(await heldAtEach(site, 8));
    expect(Math.max(...counts)).toBeLessThanOrEqual(most);
  };
}

const isUnbounded: Check = async (site) => {
  expect(Object.values(await heldAtEach(site, 8))).toEqual([8]);
};

/** Two endpoints near, two far. */
const twoZones: Surroundings = {
  endpoints: [{ zones: ['here'] }, { zones: ['here'] }, { zones: ['there'] }, { zones: ['there'] }],
};
/** One of the two near ones is down and left out after its first refusal. */
const halfOfZone: Surroundings = {
  endpoints: [{ zones: ['here'] }, { zones: ['here'], isDead: true }, { zones: ['there'] }, { zones: ['there'] }],
  with: { 'sluice/zone-preference': 'true', 'sluice/passive-health-errors': '1' },
};
const isEverywhere: Check = async (site) => {
  expect(tally(bodiesOf(await site.askTimes(8)))).toEqual({ web0: 2, web1: 2, web2: 2, web3: 2 });
};
const staysNear: Check = async (site) => {
  expect(tally(bodiesOf(await site.askTimes(8)))).toEqual({ web0: 4, web1: 4 });
};
/** The dead one is found out by the first two requests, which go on to another. */
const staysAtHalf: Check = async (site) => {
  await site.askTimes(2);
  expect(tally(bodiesOf(await site.askTimes(6)))).toEqual({ web0: 6 });
};
const spillsOver: Check = async (site) => {
  await site.askTimes(2);
  expect(tally(bodiesOf(await site.askTimes(6)))).toEqual({ web0: 2, web2: 2, web3: 2 });
};

const balancers =
  'is not one of round-robin, ewma, least-connections, random-two-choices, source-hash, destination-hash, shortest-expected-delay, never-queue';

export const loadBalancingCases: CaseTable = {
  'load-balance': {
    absent: takesTurns,
    values: [
      ['round_robin', takesTurns],
      ['ewma', avoidsSlow, { answer: slowFirst }],
      ['chash', all(takesTurns, noCookie)],
      ['chashsubset', all(takesTurns, noCookie)],
      ['sticky_balanced', all(takesTurns, noCookie)],
      ['sticky_persistent', all(takesTurns, noCookie)],
    ],
    invalid: [
      ['fastest', 'is not one of round_robin, ewma, chash, chashsubset, sticky_balanced, sticky_persistent'],
      ['EWMA', 'is not one of round_robin, ewma, chash, chashsubset, sticky_balanced, sticky_persistent'],
      ['least_conn', 'is not one of round_robin, ewma, chash, chashsubset, sticky_balanced, sticky_persistent'],
    ],
    whenInvalid: 'rejected',
  },
  'upstream-hash-by': {
    absent: takesTurns,
    values: [
      ['$request_uri', hashes],
      ['$request_uri$host', hashes],
      ['$arg_user', hashes],
      // Without the field the key is empty, and equal for all.
      [
        '$http_x_user',
        all(
          reaches(1),
          reaches(3, (at) => ({ headers: { 'x-user': `${at}` } })),
        ),
      ],
      ['$cookie_user', reaches(3, (at) => ({ headers: { cookie: `user=${at}` } }))],
      ['\x24{remote_addr}-text', all(reaches(1, otherPaths), reaches(3, otherClients))],
      ['$scheme', reaches(1, otherPaths)],
      ['constant', reaches(1, otherPaths)],
    ],
    invalid: [
      ['$request_uri;', 'holds characters that are not allowed (letters, digits, -, _, $ and braces)'],
      ['/path', 'holds characters that are not allowed (letters, digits, -, _, $ and braces)'],
      ['$nosuch', 'names the variable "$nosuch", which Sluice does not have', { holds: 'unset' }],
      ['\x24{host', 'has no } behind ${host', { holds: 'unset' }],
      ['$', 'holds a $ without the name of a variable', { holds: 'unset' }],
    ],
    whenInvalid: 'rejected',
  },
  'upstream-hash-by-subset': {
    ...byUri,
    endpoints: 6,
    absent: reaches(1, samePath),
    values: [
      ['true', reaches(3, samePath)],
      ['1', reaches(3, samePath)],
      ['false', reaches(1, samePath)],
      ['F', reaches(1, samePath)],
    ],
    invalid: [
      ['yes', 'is not a bool (true or false)'],
      ['tRUE', 'is not a bool (true or false)'],
    ],
    whenInvalid: 'rejected',
  },
  'upstream-hash-by-subset-size': {
    ...inGroups,
    absent: reaches(3, samePath),
    values: [
      ['1', reaches(1, samePath)],
      ['2', reaches(2, samePath)],
      ['0', reaches(3, samePath)],
      ['-1', reaches(3, samePath)],
      ['6', reaches(6, samePath, 100)],
      ['99', reaches(6, samePath, 100)],
    ],
    invalid: [
      ['two', 'is not a whole number'],
      ['2.5', 'is not a whole number'],
      [' 2', 'is not a whole number'],
    ],
    whenInvalid: 'rejected',
  },
  'sluice/balancer': {
    absent: takesTurns,
    values: [
      ['round-robin', takesTurns, { with: { 'load-balance': 'ewma' } }],
      ['ewma', avoidsSlow, { answer: slowFirst }],
      ['ewma', avoidsSlow, { answer: slowFirst, with: { 'load-balance': 'round_robin' } }],
      ['least-connections', balancesHeld(3, 3)],
      // With two endpoints both are looked at.
      ['random-two-choices', balancesHeld(2, 4), { endpoints: 2 }],
      ['source-hash', all(reaches(1, otherPaths), reaches(3, otherClients))],
      ['destination-hash', all(reaches(1, samePath), reaches(3, otherPaths))],
      ['shortest-expected-delay', balancesHeld(3, 3)],
      ['never-queue', balancesHeld(3, 3)],
      ['least-connections', hashes, byUri],
    ],
    invalid: [
      ['least_conn', balancers],
      ['EWMA', balancers],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'sluice/hash-bounded-load': {
    ...byUri,
    absent: isUnbounded,
    values: [
      ['1.01', isBounded(3)],
      ['1.5', isBounded(4)],
      ['100', isUnbounded],
    ],
    invalid: [
      ['1', 'is below 1.01'],
      ['100.5', 'is above 100'],
      ['1,5', 'is not a decimal number'],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'sluice/zone-preference': {
    ...twoZones,
    absent: isEverywhere,
    values: [
      ['true', staysNear],
      ['false', isEverywhere],
      // Safeguard of Kubernetes: hints count only when every endpoint has some.
      ['true', isEverywhere, { endpoints: [{ zones: ['here'] }, { zones: ['here'] }, { zones: ['there'] }, {}] }],
    ],
    invalid: [['on', 'is not a bool (true or false)']],
    whenInvalid: { holds: 'false' },
  },
  'sluice/zone-spill-over': {
    ...halfOfZone,
    absent: staysAtHalf,
    values: [
      ['0', staysAtHalf],
      ['50', staysAtHalf],
      ['51', spillsOver],
      ['100', spillsOver],
    ],
    invalid: [
      ['1.5', 'is not a whole number'],
      ['-1', 'is below 0'],
      ['101', 'is above 100'],
      ['half', 'is not a whole number'],
    ],
    whenInvalid: { holds: '50' },
  },
};
