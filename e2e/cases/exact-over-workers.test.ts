// What holds for the process and not for each worker: turns, least connections, limits and circuit breaking, with two
// workers and requests over many connections.

import { expect, test } from '@jest/globals';
import { until } from '../harness/wait.ts';
import { bodiesOf, heldAtEach, statusesOf, tally } from '../upstreams/checks.ts';
import type { Told } from '../upstreams/client.ts';
import type { Site, Surroundings } from '../upstreams/site.ts';
import { Town } from '../upstreams/town.ts';

const noEjection = { 'sluice/passive-health': 'off' };

/** A site with these annotations, alone. */
async function townOf(surroundings: Surroundings): Promise<{ readonly town: Town; readonly site: Site }> {
  const town = await Town.start([surroundings]);
  return { town, site: town.sites[0] as Site };
}

test.each([2, 3, 7])(
  'round robin over %d endpoints: none gets two more than another',
  async (endpoints) => {
    const { town, site } = await townOf({ endpoints });
    await using _ = town;
    for (let round = 0; round < 6; round++) await site.askTogether(5 * endpoints);
    const counts = Object.values(tally(site.seen));
    expect(counts).toHaveLength(endpoints);
    // Each worker takes turns by itself: within a worker the counts differ by one at most.
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2);
    expect(counts.reduce((sum, count) => sum + count)).toBe(30 * endpoints);
  },
  60_000,
);

test('least connections: exactly as many at each, whichever worker has them', async () => {
  const { town, site } = await townOf({ endpoints: 4, with: { 'sluice/balancer': 'least-connections' } });
  await using _ = town;
  expect(await heldAtEach(site, 40)).toEqual({ web0: 10, web1: 10, web2: 10, web3: 10 });
  // And all of it is counted out again.
  expect(await heldAtEach(site, 8)).toEqual({ web0: 2, web1: 2, web2: 2, web3: 2 });
}, 60_000);

test('limits of a client: exact totals, counted by reason', async () => {
  const town = await Town.start([{ with: { 'limit-rpm': '3' } }, { with: { 'limit-connections': '7' } }]);
  await using _ = town;
  const [rated, connected] = town.sites as [Site, Site];
  expect(tally(statusesOf(await rated.askTogether(80)))).toEqual({ 200: 16, 503: 64 });
  connected.answerWith((call) => connected.hold(call));
  const asked = connected.askTogether(50);
  await connected.held(7);
  await reasonCounts(town, 'connectionLimited', 43);
  connected.release();
  expect(tally(statusesOf(await asked))).toEqual({ 200: 7, 503: 43 });
  await reasonCounts(town, 'rateLimited', 64);
  expect([rated.calls.length, connected.calls.length]).toEqual([16, 7]);
}, 60_000);

test('circuit breaking: never more at once than allowed, and all are served', async () => {
  const limits = { 'sluice/max-requests': '5', 'sluice/pending-timeout': '20s' };
  const { town, site } = await townOf({ with: { ...limits, ...noEjection } });
  await using _ = town;
  let underWay = 0;
  let most = 0;
  site.answerWith(async (call) => {
    most = Math.max(most, ++underWay);
    await site.hold(call);
    underWay--;
    return {};
  });
  const asked = site.askTogether(60);
  await site.held(5);
  for (let answered = 0; answered < 60; answered++) {
    await site.held(1);
    site.release(1);
  }
  expect(tally(statusesOf(await asked))).toEqual({ 200: 60 });
  expect(most).toBe(5);
}, 60_000);

test('circuit breaking: one queue for all workers, nobody is left waiting while others are served again and again', async () => {
  const limits = { 'sluice/max-requests': '1', 'sluice/max-pending': '20', 'sluice/pending-timeout': '2s' };
  const { town, site } = await townOf({ endpoints: 1, with: { ...limits, ...noEjection } });
  await using _ = town;
  site.answerWith(() => ({ afterMs: 10 }));
  // Sixteen clients that ask again as soon as they are answered: a wait is some 160 ms when it is their turn in order.
  const endMs = performance.now() + 4000;
  const client = async () => {
    const told: Told[] = [];
    while (performance.now() < endMs) told.push(await site.ask({ fresh: true }));
    return told;
  };
  const told = (await Promise.all(Array.from({ length: 16 }, client))).flat();
  expect(Object.keys(tally(statusesOf(told)))).toEqual(['200']);
  expect(told.length).toBeGreaterThan(16);
}, 60_000);

test('circuit breaking: what is refused has a Retry-After and is counted by its reason', async () => {
  const queue = { 'sluice/max-pending': '0', 'sluice/retry-after': '7', ...noEjection };
  const town = await Town.start([
    { with: { 'sluice/max-requests': '2', ...queue } },
    { with: { 'sluice/max-requests': '1', 'sluice/pending-timeout': '100ms', ...noEjection } },
    { endpoints: 2, with: { 'sluice/max-requests-per-endpoint': '1', ...queue } },
  ]);
  await using _ = town;
  const [full, late, ends] = town.sites as [Site, Site, Site];
  await refuses(full, 2, { retryAfter: '7' });
  await refuses(late, 1, { retryAfter: '1' });
  await refuses(ends, 2, { retryAfter: '7' });
  await reasonCounts(town, 'overloaded', 4);
  await reasonCounts(town, 'pendingTimeout', 4);
  await reasonCounts(town, 'endpointsFull', 4);
}, 60_000);

/** With `count` requests under way four more are answered 503, each on a connection of its own. */
async function refuses(site: Site, count: number, { retryAfter }: { readonly retryAfter: string }): Promise<void> {
  site.answerWith((call) => site.hold(call));
  const held = [];
  for (let at = 1; at <= count; at++) {
    held.push(site.ask({ fresh: true }));
    await site.held(at);
  }
  for (const { status, headers } of await site.askTogether(4)) {
    expect([status, headers['retry-after']]).toEqual([503, retryAfter]);
  }
  site.release();
  expect(bodiesOf(await Promise.all(held)).every((body) => body.startsWith('web'))).toBe(true);
  expect(site.calls).toHaveLength(count);
}

/** So many have been counted, and no more of them. */
async function reasonCounts({ edge }: Town, reason: string, count: number): Promise<void> {
  const counted = await until(
    `answers counted as ${reason}`,
    () => edge.metric('sluice_self_answered_requests_total', { reason }),
    (value) => value >= count,
  );
  expect(counted).toBe(count);
}
