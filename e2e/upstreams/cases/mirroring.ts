// Copies of requests: annotation reference section 12; and `service-upstream`, section 1.

import { expect } from '@jest/globals';
import type { CaseTable, Check } from '../annotation-cases.ts';
import { all, bodiesOf, takesTurns, tally } from '../checks.ts';
import type { Asked } from '../client.ts';
import type { Call } from '../endpoints.ts';
import type { Site, Surroundings } from '../site.ts';

const copied: Surroundings = { with: { 'mirror-target': 'COPY$request_uri' } };
const toPath: Asked = { path: '/a/b?c=d', method: 'POST', body: 'hello', headers: { 'x-mark': 'same' } };

/** Asks, and gives the copy that came of it. */
async function copyOf(site: Site, asked: Asked = toPath): Promise<Call> {
  const before = copies(site).length;
  const told = await site.ask(asked);
  expect(told.status).toBe(200);
  expect(told.body).toMatch(/^web/);
  await site.came(() => copies(site).length > before);
  return copies(site).at(-1) as Call;
}

function copies(site: Site): readonly Call[] {
  return site.calls.filter(({ endpoint }) => endpoint === 'copy0');
}

/** The copy looks like this. */
function copiesLike(expected: Partial<Pick<Call, 'path' | 'body' | 'method'>>, host?: string): Check {
  return async (site) => {
    const copy = await copyOf(site);
    expect(copy).toMatchObject(expected);
    expect(copy.headers).toMatchObject({ 'x-mark': 'same', host: host ?? new URL(site.copyUrl).host });
  };
}

/** Requests are served, and nothing comes to the place of copies. */
const copiesNothing: Check = async (site) => {
  for (const { status } of await site.askTimes(5, toPath)) expect(status).toBe(200);
  expect(copies(site)).toEqual([]);
};

/** The target is a valid value that can send no copies; the diagnostic says why. */
function noCopies(why: string): Surroundings {
  const field = 'metadata.annotations[nginx.ingress.kubernetes.io/mirror-target]';
  return { complaints: [`warning ${field}: mirror-target ${why}; requests are served without it`] };
}

/** What becomes of a copy is no matter of its request. */
const isIndependent: Check = async (site) => {
  for (const reply of ['silence', 'reset', 'garbage', { status: 500 }] as const) {
    site.answerWith(({ endpoint }) => (endpoint === 'copy0' ? reply : {}));
    await copyOf(site);
  }
};

const isWhole = copiesLike({ path: '/a/b?c=d', body: 'hello', method: 'POST' });
const notName = 'holds characters that are not allowed (letters, digits and regex signs)';

const toPods: Check = takesTurns;
const toClusterIp: Check = async (site) => {
  expect(tally(bodiesOf(await site.askTimes(6)))).toEqual({ cluster0: 6 });
};

export const mirroringCases: CaseTable = {
  'mirror-target': {
    absent: copiesNothing,
    values: [
      ['COPY$request_uri', all(isWhole, isIndependent)],
      ['COPY/fixed?x=1', copiesLike({ path: '/fixed?x=1' })],
      ['COPY/\x24{request_method}$uri', copiesLike({ path: '/POST/a/b' })],
      ['COPY', copiesLike({ path: '/' })],
      ['ftp://127.0.0.1/', copiesNothing, noCopies('does not begin with http:// or https://')],
      // No host in the text: none to send.
      [
        '$scheme://127.0.0.1/',
        copiesNothing,
        noCopies('shows no plain host before its first variable, and mirror-host is not set'),
      ],
    ],
    invalid: [
      ['"http://copy.test"', notName],
      ['http://copy.test/$nosuch', 'names the variable "$nosuch", which Sluice does not have'],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'mirror-host': {
    ...copied,
    absent: isWhole,
    values: [
      ['shadow.test', copiesLike({ body: 'hello' }, 'shadow.test')],
      ['shadow.test:8080', copiesLike({}, 'shadow.test:8080')],
    ],
    invalid: [['"shadow"', notName]],
    whenInvalid: { holds: 'unset' },
  },
  'mirror-request-body': {
    ...copied,
    absent: isWhole,
    values: [
      ['on', isWhole],
      ['off', copiesLike({ path: '/a/b?c=d', body: '' })],
    ],
    invalid: [
      ['true', 'is not one of on, off'],
      ['OFF', 'is not one of on, off'],
    ],
    whenInvalid: { holds: 'on' },
  },
  'service-upstream': {
    absent: toPods,
    values: [
      ['true', toClusterIp],
      ['T', toClusterIp],
      ['false', toPods],
    ],
    invalid: [
      ['yes', 'is not a bool (true or false)'],
      ['on', 'is not a bool (true or false)'],
    ],
    whenInvalid: { holds: 'false' },
  },
};
