// Topology hints of EndpointSlices: near endpoints first, those of other zones while near ones are short, and affinity that
// holds whatever the zone of the replica.

import { expect, test } from '@jest/globals';
import { bodiesOf, tally } from '../upstreams/checks.ts';
import type { EndpointParts, Site, Surroundings } from '../upstreams/site.ts';
import { Town } from '../upstreams/town.ts';

const near: EndpointParts = { zones: ['here'] };
const far: EndpointParts = { zones: ['there'] };
const auto = { annotations: { 'service.kubernetes.io/topology-mode': 'Auto' } };
const flagsIn = (zone: string) => ['--enable-topology-aware-routing', `--node-zone=${zone}`];

/** Who answers twelve requests of one connection, which takes turns. */
async function answersOf(site: Site): Promise<Record<string, number>> {
  const told = await site.askTimes(12);
  expect(new Set(told.map(({ status }) => status))).toEqual(new Set([200]));
  return tally(bodiesOf(told));
}

async function answersIn(surroundings: Surroundings, flags = flagsIn('here')): Promise<Record<string, number>> {
  await using town = await Town.start([surroundings], flags);
  return await answersOf(town.sites[0] as Site);
}

const onlyNear = { web0: 6, web1: 6 };
const all = { web0: 3, web1: 3, web2: 3, web3: 3 };

test('who asks for topology hints gets near endpoints; a Service that does not, or incomplete hints, all', async () => {
  const endpoints = [near, near, far, far];
  const close = (trafficDistribution: string) => ({ endpoints, service: { spec: { trafficDistribution } } });
  await using town = await Town.start(
    [
      { endpoints, service: auto },
      close('PreferClose'),
      close('PreferSameZone'),
      close('PreferSameNode'),
      { endpoints },
      { endpoints: [near, near, far, {}], service: auto },
      { endpoints: [far, far, far, far], service: auto },
    ],
    flagsIn('here'),
  );
  const answers = [];
  for (const site of town.sites) answers.push(await answersOf(site));
  expect(answers).toEqual([onlyNear, onlyNear, onlyNear, onlyNear, all, all, all]);
}, 60_000);

test('without the flag hints do nothing', async () => {
  expect(await answersIn({ endpoints: [near, near, far, far], service: auto }, ['--node-zone=here'])).toEqual(all);
}, 60_000);

// Three near ones: one left is less than half of them. The dead ones are found out by requests, which then go elsewhere.
test.each([
  ['one of three is down: the two', [{ isDead: true }, {}, {}], ['web1', 'web2']],
  ['two of three are down: other zones help', [{ isDead: true }, { isDead: true }, {}], ['web2', 'web3', 'web4']],
  ['all are down: the other zones', [{ isDead: true }, { isDead: true }, { isDead: true }], ['web3', 'web4']],
] as const)(
  'near endpoints that are down: %s',
  async (_name, parts, want) => {
    const endpoints = [...parts.map((part) => ({ ...near, ...part })), far, far];
    const patient = { 'sluice/passive-health-errors': '1', 'sluice/passive-health-max-ejected': '100' };
    const surroundings = { endpoints, service: auto, with: { ...patient, 'sluice/passive-health-ejection': '60s' } };
    await using town = await Town.start([surroundings], flagsIn('here'));
    const site = town.sites[0] as Site;
    // Each worker is told of what the other finds out.
    await site.askTimes(12);
    expect(Object.keys(await answersOf(site)).toSorted()).toEqual(want);
  },
  60_000,
);

test.each(['balanced', 'persistent'])(
  'affinity-mode %s: new clients get near endpoints, and replicas of other zones leave them there',
  async (mode) => {
    const endpoints = [near, near, near, far, far, far];
    const sticky = { endpoints, service: auto, with: { affinity: 'cookie', 'affinity-mode': mode } };
    await using town = await Town.start([sticky], flagsIn('here'));
    const site = town.sites[0] as Site;
    const people = await site.askTogether(20);
    expect(Object.keys(tally(bodiesOf(people))).toSorted()).toEqual(['web0', 'web1', 'web2']);
    await town.startReplica(flagsIn('there'));
    for (const { body, headers } of people) {
      const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
      expect((await site.ask({ headers: { cookie } })).body).toBe(body);
    }
    expect(Object.keys(tally(bodiesOf(await site.askTogether(20)))).toSorted()).toEqual(['web3', 'web4', 'web5']);
  },
  60_000,
);
