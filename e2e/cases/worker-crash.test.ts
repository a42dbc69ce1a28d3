// One of two workers dies under load: what it held at endpoints, in queues and under limits is given back, or least_conn,
// breakers and connection limits would be wrong for the rest of the process's life.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ThreadControl } from '../harness/thread-control.ts';
import { until } from '../harness/wait.ts';
import { heldAtEach, statusesOf, tally } from '../upstreams/checks.ts';
import type { Told } from '../upstreams/client.ts';
import type { Site, Surroundings } from '../upstreams/site.ts';
import { Town } from '../upstreams/town.ts';

const noEjection = { 'sluice/passive-health': 'off' };

let stack: AsyncDisposableStack;
let threads: ThreadControl;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  threads = stack.use(await ThreadControl.create());
});

afterEach(() => stack.disposeAsync());

async function townOf(surroundings: Surroundings): Promise<{ readonly town: Town; readonly site: Site }> {
  const town = stack.use(await Town.start([surroundings]));
  await town.startReplica([], threads.env);
  return { town, site: town.sites[0] as Site };
}

/** Ends a worker; resolves when there are two again. */
async function crash({ edge }: Town): Promise<void> {
  await threads.kill(0);
  await until(
    'a worker that died',
    () => edge.process.find('died; the others serve'),
    (record) => record !== undefined,
  );
  await until(
    'two workers that serve',
    () => edge.metric('sluice_workers', { phase: 'serving' }),
    (serving) => serving === 2,
  );
}

/** How requests ended whose worker may have died: with their status, or not at all. */
async function outcomes(asked: readonly Promise<Told>[]): Promise<Record<string, number>> {
  const settled = await Promise.allSettled(asked);
  return tally(settled.map((each) => (each.status === 'fulfilled' ? `${each.value.status}` : 'cut')));
}

/** Sends requests that stay at their endpoints, each on a connection of its own, so that both workers have some. */
async function holdMany(site: Site, count: number): Promise<readonly Promise<Told>[]> {
  site.answerWith((call) => site.hold(call));
  const asked = Array.from({ length: count }, () => site.ask({ fresh: true }));
  // They are looked at when all is over.
  for (const each of asked) each.catch(() => undefined);
  await site.held(count);
  return asked;
}

function letGo(site: Site): void {
  site.answerWith(() => ({}));
  site.release();
}

test('least connections: what the dead worker had under way is no load of its endpoints', async () => {
  const balancer = { 'sluice/balancer': 'least-connections' };
  const { town, site } = await townOf({ endpoints: 2, with: { ...balancer, ...noEjection } });
  const asked = await holdMany(site, 30);
  await crash(town);
  letGo(site);
  const ended = await outcomes(asked);
  // All 30 connections at one worker come once in a thousand million times.
  expect(Object.keys(ended)).toEqual(['200', 'cut']);
  expect(await heldAtEach(site, 20)).toEqual({ web0: 10, web1: 10 });
}, 60_000);

test('circuit breaking: places and queue of the dead worker are free, for the upstream and for each endpoint', async () => {
  const limits = { 'sluice/max-requests': '24', 'sluice/max-requests-per-endpoint': '12' };
  const queue = { 'sluice/max-pending': '16', 'sluice/pending-timeout': '30s' };
  const { town, site } = await townOf({ endpoints: 2, with: { ...limits, ...queue, ...noEjection } });
  const limited = (state: string) => town.edge.metric('sluice_limited_upstream_requests', { state });
  const asked = await holdMany(site, 24);
  const waiting = Array.from({ length: 16 }, () => site.ask({ fresh: true }));
  for (const each of waiting) each.catch(() => undefined);
  await until(
    'a full queue',
    () => limited('pending'),
    (count) => count === 16,
  );
  await crash(town);
  letGo(site);
  expect(Object.keys(await outcomes([...asked, ...waiting]))).toEqual(['200', 'cut']);
  await until(
    'nothing counted',
    async () => (await limited('running')) + (await limited('pending')),
    (count) => count === 0,
  );
  // All places are there again, in both workers, and not one more.
  const again = await holdMany(site, 24);
  const queued = Array.from({ length: 17 }, () => site.ask({ fresh: true }));
  expect((await Promise.race(queued)).status).toBe(503);
  letGo(site);
  expect(tally(statusesOf(await Promise.all([...again, ...queued])))).toEqual({ 200: 40, 503: 1 });
}, 60_000);

test('limit-connections: slots of the dead worker are free', async () => {
  const { town, site } = await townOf({ with: { 'limit-connections': '10', ...noEjection } });
  const asked = await holdMany(site, 10);
  await crash(town);
  letGo(site);
  await outcomes(asked);
  const again = await holdMany(site, 10);
  expect((await site.ask({ fresh: true })).status).toBe(503);
  letGo(site);
  expect(tally(statusesOf(await Promise.all(again)))).toEqual({ 200: 10 });
}, 60_000);
