// Every annotation of the groups about upstreams has cases: its default, accepted values and refused ones. Who adds an
// annotation to these groups adds its cases in e2e/upstreams/cases.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { SLUICE_MAIN } from '../harness/sluice-process.ts';
import { activeCheckCases } from '../upstreams/cases/active-checks.ts';
import { affinityCases } from '../upstreams/cases/affinity.ts';
import { attemptCases } from '../upstreams/cases/attempts.ts';
import { canaryCases } from '../upstreams/cases/canary.ts';
import { limitCases } from '../upstreams/cases/limits.ts';
import { loadBalancingCases } from '../upstreams/cases/load-balancing.ts';
import { mirroringCases } from '../upstreams/cases/mirroring.ts';
import { overloadCases } from '../upstreams/cases/overload.ts';
import { passiveHealthCases } from '../upstreams/cases/passive-health.ts';

const run = promisify(execFile);

/** Groups of ingress-nginx's annotations that are about upstreams; of Sluice's own all are. */
const GROUPS = ['Canary', 'Session affinity', 'Load balancing', 'Rate limits', 'Mirroring'];
/** And of other groups these. */
const SINGLE = ['service-upstream', 'proxy-next-upstream', 'proxy-next-upstream-tries', 'proxy-next-upstream-timeout'];

const tables = [
  activeCheckCases,
  affinityCases,
  attemptCases,
  canaryCases,
  limitCases,
  loadBalancingCases,
  mirroringCases,
  overloadCases,
  passiveHealthCases,
];

interface Listed {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly group: string;
  readonly support: string;
}

/** As `sluice annotations --json` prints them; what is not carried out yet has no cases. */
async function listed(): Promise<{ readonly annotations: readonly Listed[]; readonly own: readonly Listed[] }> {
  const { stdout } = await run(process.execPath, [SLUICE_MAIN, 'annotations', '--json'], {
    env: { PATH: process.env['PATH'] ?? '' },
  });
  const { annotations, own } = JSON.parse(stdout);
  return { annotations, own: own.annotations };
}

const withAliases = ({ name, aliases }: Listed) => [name, ...aliases];

test('every annotation has its cases, and no case is about another', async () => {
  const { annotations, own } = await listed();
  const ofNginx = annotations.filter(({ name, group }) => GROUPS.includes(group) || SINGLE.includes(name));
  const wanted = [
    ...ofNginx.flatMap(withAliases),
    ...own
      .filter(({ support }) => support !== 'notYet')
      .flatMap((each) => withAliases(each).map((name) => `sluice/${name}`)),
  ];
  expect(tables.flatMap((table) => Object.keys(table)).toSorted()).toEqual(wanted.toSorted());
});

test('each has accepted values and refused ones', () => {
  const poor = tables.flatMap((table) =>
    Object.entries(table).flatMap(([name, { values, invalid }]) =>
      values.length < 2 || invalid.length === 0 ? [name] : [],
    ),
  );
  expect(poor).toEqual([]);
});
