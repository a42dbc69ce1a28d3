// Canaries: annotation reference section 5. The annotation of each case stands on the canary Ingress.

import { expect } from '@jest/globals';
import type { CaseTable, Check } from '../annotation-cases.ts';
import { all } from '../checks.ts';
import type { Asked } from '../client.ts';
import type { Surroundings } from '../site.ts';

/** So many requests: a share is told from another with an error below one in ten million. */
const DRAWS = 400;

/** Such a request goes to the canary. */
function toNext(asked: Asked = {}): Check {
  return async (site) => {
    for (const { body } of await site.askTimes(3, asked)) expect(body).toBe('next0');
  };
}

/** Such a request goes to the Ingress that the canary joins. */
function toWeb(asked: Asked = {}): Check {
  return async (site) => {
    for (const { body } of await site.askTimes(3, asked)) expect(body).toBe('web0');
  };
}

/** The canary takes a share of the requests between these two. */
function takes(from: number, to: number): Check {
  return async (site) => {
    const told = await site.askTimes(DRAWS);
    const share = told.filter(({ body }) => body === 'next0').length / DRAWS;
    expect(share).toBeGreaterThan(from);
    expect(share).toBeLessThan(to);
  };
}

const header = (value: string): Asked => ({ headers: { 'x-next': value } });
const cookie = (value: string): Asked => ({ headers: { cookie: `other=1; next=${value}` } });

/** Two hosts' worth of Ingresses: one plain, one canary that the case is about. */
function on(canary: Readonly<Record<string, string>>): Surroundings {
  return { endpoints: 1, isOnCanary: true, canary };
}

const canaryOn = { canary: 'true' };
const byHeader = { ...canaryOn, 'canary-by-header': 'X-Next' };
const notBasic = 'holds characters that are not allowed (letters, digits and -._~/:)';
const isNoNumber = 'is not a whole number';

const taken =
  'error spec.rules[0].http.paths[0].path: prefix path "/" of host "SITE.test" is already defined by Ingress default/SITE; this path is ignored and Ingress default/SITE gets its requests';

/** Without the switch it is an Ingress like any, for a host and path that the older one has. */
const isNoCanary: Surroundings = {
  endpoints: 1,
  isOnCanary: true,
  canary: { 'canary-by-header': 'X-Next' },
  complaints: [taken],
};
const isOne: Surroundings = { ...isNoCanary, complaints: [] };

/** Of an expression that Sluice does not run: whoever has the header stays at the primary. */
function isNotRun(pattern: string, why: string): readonly [string, Check, Surroundings] {
  const field = 'metadata.annotations[nginx.ingress.kubernetes.io/canary-by-header-pattern]';
  const says = `canary-by-header-pattern ${JSON.stringify(pattern)} is carried out only in part: it ${why}`;
  const complaints = [`warning ${field}: ${says}; requests with the header go to the primary Ingress`];
  // Without the header the weight decides.
  const surroundings = { ...on({ ...byHeader, 'canary-weight': '100' }), complaints };
  return [pattern, all(toWeb(header('always')), toWeb(header('abc')), toNext()), surroundings];
}

export const canaryCases: CaseTable = {
  canary: {
    ...isNoCanary,
    absent: all(toWeb(), toWeb(header('always'))),
    values: [
      ['true', all(toWeb(), toNext(header('always'))), isOne],
      ['1', toNext(header('always')), isOne],
      ['false', toWeb(header('always'))],
    ],
    invalid: [
      ['yes', 'is not a bool (true or false)'],
      ['on', 'is not a bool (true or false)'],
    ],
    whenInvalid: { holds: 'false' },
  },
  'canary-by-header': {
    ...on(canaryOn),
    absent: all(toWeb(), toWeb(header('always'))),
    values: [
      ['X-Next', all(toNext(header('always')), toWeb(header('never')), toWeb(header('sure')), toWeb())],
      ['x-NEXT', all(toNext(header('always')), toWeb(header('Always')))],
      [
        'X-Next',
        all(toWeb(header('never')), toNext(header('sure')), toNext()),
        on({ ...canaryOn, 'canary-weight': '100' }),
      ],
    ],
    invalid: [
      ['x next?', notBasic],
      ['x;next', notBasic],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'canary-by-header-value': {
    ...on(byHeader),
    absent: all(toNext(header('always')), toWeb(header('eu'))),
    values: [
      ['eu', all(toNext(header('eu')), toWeb(header('always')), toWeb(header('eu2')), toWeb())],
      ['eu', toNext(header('never')), on({ ...byHeader, 'canary-weight': '100' })],
    ],
    invalid: [
      ['a|b', notBasic],
      ['$x', notBasic],
    ],
    whenInvalid: { holds: 'unset' },
  },
  'canary-by-header-pattern': {
    ...on(byHeader),
    absent: all(toNext(header('always')), toWeb(header('abc'))),
    values: [
      ['^[a-c]+$', all(toNext(header('abc')), toWeb(header('abx')), toWeb())],
      ['b', all(toNext(header('abc')), toWeb(header('xyz')))],
      ['eu|us', all(toNext(header('us')), toWeb(header('asia')))],
      isNotRun('[', 'has a [ without ]'),
      isNotRun(String.raw`(a)\1`, 'has the escape \\1, which is not supported'),
      isNotRun('(?=a)', 'has a group that only a back-tracking engine can run'),
      ['.', all(toNext(header('eu')), toWeb(header('p'))), on({ ...byHeader, 'canary-by-header-value': 'eu' })],
    ],
    invalid: [['a"b', 'holds characters that are not allowed (letters, digits and regex signs)']],
    whenInvalid: { holds: 'unset' },
  },
  'canary-by-cookie': {
    ...on(canaryOn),
    absent: toWeb(cookie('always')),
    values: [
      ['next', all(toNext(cookie('always')), toWeb(cookie('never')), toWeb(cookie('sure')), toWeb())],
      ['next', all(toWeb(cookie('never')), toNext(cookie('sure'))), on({ ...canaryOn, 'canary-weight': '100' })],
      // The header is asked first.
      ['next', toWeb({ headers: { 'x-next': 'never', cookie: 'next=always' } }), on(byHeader)],
    ],
    invalid: [['a;b', notBasic]],
    whenInvalid: { holds: 'unset' },
  },
  'canary-weight': {
    ...on(canaryOn),
    absent: toWeb(),
    values: [
      ['0', toWeb()],
      ['30', takes(0.18, 0.42)],
      ['100', toNext()],
      ['250', toNext()],
      ['-5', toWeb()],
    ],
    invalid: [
      ['half', isNoNumber],
      ['50%', isNoNumber],
      ['0.5', isNoNumber],
    ],
    whenInvalid: { holds: '0' },
  },
  'canary-weight-total': {
    ...on({ ...canaryOn, 'canary-weight': '100' }),
    absent: toNext(),
    values: [
      ['200', takes(0.37, 0.63)],
      ['1000', takes(0.02, 0.22)],
      // Less than a hundred counts as a hundred.
      ['10', takes(0.18, 0.42), on({ ...canaryOn, 'canary-weight': '30' })],
      ['0', toNext()],
      ['-1', toNext()],
    ],
    invalid: [
      ['1.5', isNoNumber],
      ['many', isNoNumber],
    ],
    whenInvalid: { holds: '100' },
  },
};
