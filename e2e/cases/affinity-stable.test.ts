// Clients with an affinity cookie stay where they are: over a restart of Sluice, at another replica, and when the Service is
// scaled, but for those whose endpoint is gone.

import { expect, test } from '@jest/globals';
import type { Told } from '../upstreams/client.ts';
import type { Site } from '../upstreams/site.ts';
import { Town } from '../upstreams/town.ts';

const CLIENTS = 60;
const MODES = ['balanced', 'persistent'] as const;
const sticky = (mode: string) => ({ endpoints: 5, with: { affinity: 'cookie', 'affinity-mode': mode } });

interface Person {
  cookie: string;
  /** Endpoint that answered last. */
  at: string;
}

const cookieOf = ({ headers }: Told) => headers['set-cookie']?.[0]?.split(';')[0] ?? '';

/** New clients, each with the cookie that it got. */
async function arrive(site: Site): Promise<readonly Person[]> {
  const told = await site.askTogether(CLIENTS);
  return told.map((each) => ({ cookie: cookieOf(each), at: each.body }));
}

/** Each comes again with its cookie, and takes a new one if it gets one. Gives those that were moved. */
async function comeAgain(site: Site, people: readonly Person[]): Promise<readonly (Person & { from: string })[]> {
  const moved = await Promise.all(
    people.map(async (person) => {
      const told = await site.ask({ fresh: true, headers: { cookie: person.cookie } });
      expect(told.status).toBe(200);
      const from = person.at;
      person.at = told.body;
      person.cookie = cookieOf(told) || person.cookie;
      return from === person.at ? [] : [{ ...person, from }];
    }),
  );
  return moved.flat();
}

test.each(MODES)(
  '%s: over a restart, and at a second replica',
  async (mode) => {
    await using town = await Town.start([sticky(mode)]);
    const site = town.sites[0] as Site;
    const people = await arrive(site);
    expect(new Set(people.map(({ at }) => at)).size).toBe(5);
    expect(people.every(({ cookie }) => cookie.startsWith('INGRESSCOOKIE='))).toBe(true);
    const cookies = people.map(({ cookie }) => cookie);
    expect(await comeAgain(site, people)).toEqual([]);

    await town.restart();
    expect(await comeAgain(site, people)).toEqual([]);

    const first = town.edge;
    await town.startReplica();
    expect(await comeAgain(site, people)).toEqual([]);
    // Who came to the second one first is known to the first one.
    const others = await arrive(site);
    town.askThrough(first);
    expect(await comeAgain(site, others)).toEqual([]);
    expect(people.map(({ cookie }) => cookie)).toEqual(cookies);
  },
  60_000,
);

test.each(MODES)(
  '%s: with an endpoint less only its clients move, and then stay',
  async (mode) => {
    await using town = await Town.start([sticky(mode)]);
    const site = town.sites[0] as Site;
    const people = await arrive(site);
    const bound = people.filter(({ at }) => at === 'web2').length;
    site.parts[2] = { isGone: true };
    await town.update(site);
    const moved = await comeAgain(site, people);
    expect(moved.every(({ from }) => from === 'web2')).toBe(true);
    expect(moved).toHaveLength(bound);
    expect(await comeAgain(site, people)).toEqual([]);
    await town.restart();
    expect(await comeAgain(site, people)).toEqual([]);
  },
  60_000,
);

test('persistent: with an endpoint more nobody moves, and new clients get it', async () => {
  await using town = await Town.start([sticky('persistent')]);
  const site = town.sites[0] as Site;
  const people = await arrive(site);
  site.grow();
  await town.update(site);
  expect(await comeAgain(site, people)).toEqual([]);
  expect((await arrive(site)).map(({ at }) => at)).toContain('web5');
}, 60_000);

test('balanced: with an endpoint more about a sixth moves, to it alone', async () => {
  await using town = await Town.start([sticky('balanced')]);
  const site = town.sites[0] as Site;
  const people = [...(await arrive(site)), ...(await arrive(site)), ...(await arrive(site))];
  site.grow();
  await town.update(site);
  const moved = await comeAgain(site, people);
  expect(moved.every(({ at }) => at === 'web5')).toBe(true);
  expect(moved.length).toBeGreaterThan(0);
  // A sixth of 180 is 30; so many more would not come by chance.
  expect(moved.length).toBeLessThan(65);
}, 60_000);

const down = { isDead: true };
const noEjection = { 'sluice/passive-health': 'off' };

test.each(MODES)(
  '%s: a new client whose endpoint refuses gets another one, and belongs to that',
  async (mode) => {
    const surroundings = sticky(mode);
    const endpoints = [down, {}, down, {}, down];
    await using town = await Town.start([{ endpoints, with: { ...surroundings.with, ...noEjection } }]);
    const site = town.sites[0] as Site;
    const people = await arrive(site);
    expect(new Set(people.map(({ at }) => at))).toEqual(new Set(['web1', 'web3']));
    expect(await comeAgain(site, people)).toEqual([]);
  },
  60_000,
);

test.each(MODES)(
  '%s: while its endpoint is full a client is the guest of another, and comes back',
  async (mode) => {
    const limit = { 'sluice/max-requests-per-endpoint': '1' };
    const surroundings = sticky(mode);
    await using town = await Town.start([{ endpoints: 2, with: { ...surroundings.with, ...limit } }]);
    const site = town.sites[0] as Site;
    const [first] = await site.askTimes(1);
    const asked = { fresh: true, headers: { cookie: first === undefined ? '' : cookieOf(first) } };
    site.answerWith((call) => (call.endpoint === first?.body ? site.hold(call) : {}));
    const held = site.ask(asked);
    await site.held(1);
    const guest = await site.ask(asked);
    expect([guest.status, guest.body === first?.body, cookieOf(guest)]).toEqual([200, false, '']);
    site.release();
    expect((await held).body).toBe(first?.body);
    site.answerWith(() => ({}));
    expect((await site.ask(asked)).body).toBe(first?.body);
  },
  60_000,
);

test('with no endpoint there is no answer, and afterwards everybody is back', async () => {
  await using town = await Town.start([sticky('persistent')]);
  const site = town.sites[0] as Site;
  const people = await arrive(site);
  const parts = [...site.parts];
  for (const at of site.parts.keys()) site.parts[at] = { isGone: true };
  await town.update(site);
  expect((await site.ask({ headers: { cookie: people[0]?.cookie ?? '' } })).status).toBe(503);
  site.parts.splice(0, parts.length, ...parts);
  await town.update(site);
  expect(await comeAgain(site, people)).toEqual([]);
}, 60_000);
