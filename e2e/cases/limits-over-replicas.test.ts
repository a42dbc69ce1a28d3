// Rates that replicas count together: two Sluice processes with two workers each and a real Redis, which dies, comes back
// and stands still.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { hasRedis, Redis } from '../harness/redis.ts';
import { until } from '../harness/wait.ts';
import { statusesOf, tally } from '../upstreams/checks.ts';
import type { Edge } from '../upstreams/edge.ts';
import type { Site } from '../upstreams/site.ts';
import { Town } from '../upstreams/town.ts';

if (!hasRedis) process.stderr.write('redis-server is not installed: the tests of limits over replicas are skipped\n');

/** More than a busy machine takes: what is tested is who counts, not how fast. */
const patient = '--limit-store-timeout=5s';
const workers = 2;
/** Eleven requests, and nothing comes free while a test runs. */
const twoPerMinute = { with: { 'limit-rpm': '2' } };
const CONNECTED = 'limit store connected';
const LOST = 'limit store cannot be reached';

/** Waits until so many messages that begin so have been logged. */
async function logged(edge: Edge, text: string, count: number): Promise<void> {
  await until(
    `"${text}" of ${count}`,
    () => edge.process.records.filter(({ msg = '' }) => msg.startsWith(text)).length,
    (found) => found >= count,
  );
}

async function ask(site: Site, count: number): Promise<Record<string, number>> {
  return tally(statusesOf(await site.askTogether(count)));
}

/** Requests that the store has decided about; workers tell when they are asked for their numbers. */
function decided(edge: Edge, result: string): Promise<number> {
  return edge.metric('sluice_limit_store_requests_total', { result });
}

(hasRedis ? describe : describe.skip)('with a Redis', () => {
  test('replicas let pass together what one would, and count connections each for itself', async () => {
    await using redis = await Redis.start();
    await using town = await Town.start(
      [twoPerMinute, { with: { 'limit-connections': '2' } }],
      [`--limit-store-url=${redis.url}`, patient],
    );
    const [rated, connected] = town.sites as [Site, Site];
    const first = town.edge;
    const second = await town.startReplica();
    for (const edge of [first, second]) await logged(edge, CONNECTED, workers);

    const atSecond = rated.askTogether(30);
    town.askThrough(first);
    const told = [...(await Promise.all([rated.askTogether(30), atSecond])).flat()];
    expect(tally(statusesOf(told))).toEqual({ 200: 11, 503: 49 });
    expect(rated.calls).toHaveLength(11);
    // Another client has a rate of its own, whichever replica it asks.
    expect(tally(statusesOf(await rated.askTogether(15, { from: '127.0.0.2' })))).toEqual({ 200: 11, 503: 4 });
    const counted = async (result: string) => (await decided(first, result)) + (await decided(second, result));
    expect([await counted('passed'), await counted('refused'), await counted('failed')]).toEqual([22, 53, 0]);

    connected.answerWith((call) => connected.hold(call));
    const held = connected.askTogether(5);
    await connected.held(2);
    town.askThrough(second);
    const others = connected.askTogether(5);
    await connected.held(4);
    connected.release();
    for (const answers of [held, others]) expect(tally(statusesOf(await answers))).toEqual({ 200: 2, 503: 3 });
  }, 60_000);

  test.each<[string, Record<string, number>, string]>([
    ['local', { 200: 11, 503: 29 }, 'rateLimited'],
    ['open', { 200: 40 }, ''],
    ['closed', { 503: 40 }, 'limitStoreFailed'],
  ])(
    'without an answer, failing %s; and counted in the store again when it is back',
    async (mode, expected, reason) => {
      await using redis = await Redis.start();
      const flags = [`--limit-store-url=${redis.url}`, `--limit-store-failure=${mode}`, patient];
      await using town = await Town.start([twoPerMinute], flags);
      const [site] = town.sites as [Site];
      await logged(town.edge, CONNECTED, workers);
      expect(await ask(site, 20)).toEqual({ 200: 11, 503: 9 });
      await redis.kill();
      await logged(town.edge, LOST, workers);
      expect(await ask(site, 40)).toEqual(expected);
      expect(await decided(town.edge, 'failed')).toBe(40);
      const refusals = expected['503'] ?? 0;
      const own = await town.edge.metric('sluice_self_answered_requests_total', { reason });
      expect(reason === '' ? 0 : own).toBe(reason === 'rateLimited' ? refusals + 9 : refusals);
      await redis.restart();
      await logged(town.edge, CONNECTED, 2 * workers);
      // The store has forgotten everything, and with it who was over the limit.
      expect(await ask(site, 20)).toEqual({ 200: 11, 503: 9 });
    },
    60_000,
  );

  test('one that stands still delays few requests by its time limit, and none by more', async () => {
    const timeoutMs = 1000;
    await using redis = await Redis.start();
    const flags = [`--limit-store-url=${redis.url}`, `--limit-store-timeout=${timeoutMs}ms`];
    await using town = await Town.start([{ with: { 'limit-rps': '100000' } }], flags);
    const [site] = town.sites as [Site];
    await logged(town.edge, CONNECTED, workers);
    redis.pause();
    const startedAtMs = performance.now();
    const told = [...(await site.askTogether(40))];
    for (let at = 0; at < 40; at++) told.push(...(await site.askTogether(5)));
    expect(tally(statusesOf(told))).toEqual({ 200: 240 });
    expect(Math.max(...told.map(({ tookMs }) => tookMs))).toBeLessThan(timeoutMs + 8000);
    // If each waited it would be more than 40 s. It is the time limit, a rest, once or twice more, and then another
    // connection, which nobody waits for.
    expect(performance.now() - startedAtMs).toBeLessThan(20_000);
    redis.resume();
    const passedBefore = await decided(town.edge, 'passed');
    await until(
      'answers of the store',
      async () => {
        await site.ask();
        return await decided(town.edge, 'passed');
      },
      (passed) => passed > passedBefore,
    );
  }, 60_000);

  test('a password from a file; a wrong one is a warning; no password is ever shown', async () => {
    const [right, wrong] = ['s3cr3t/p@ss%', 'wr0ng-p@ss'];
    await using redis = await Redis.start({ password: right });
    await using town = await Town.start([twoPerMinute], ['--limit-store-url=redis://127.0.0.1:1', patient]);
    const file = join(town.folder, 'password.txt');
    const flags = [`--limit-store-url=${redis.url}`, patient, `--limit-store-password-file=${file}`, '--v=5'];

    await writeFile(file, `${right}\n`);
    const edge = await town.startReplica(flags);
    await logged(edge, CONNECTED, workers);
    const [site] = town.sites as [Site];
    expect(await ask(site, 20)).toEqual({ 200: 11, 503: 9 });
    expect(await decided(edge, 'passed')).toBe(11);

    await writeFile(file, wrong);
    const refused = await town.startReplica(flags);
    await logged(refused, LOST, workers);
    expect(refused.process.find(LOST)?.['code']).toBe('WRONGPASS');
    // Each process counts by itself then.
    expect(await ask(site, 20)).toEqual({ 200: 11, 503: 9 });
    for (const { process } of [edge, refused]) {
      const shown = JSON.stringify(process.records) + (await process.metrics());
      for (const secret of [right, wrong]) {
        expect(shown).not.toContain(secret);
        expect(shown).not.toContain(encodeURIComponent(secret));
      }
    }
  }, 60_000);
});

test('a store that was never there: the process starts, says so once for each worker, and counts by itself', async () => {
  await using town = await Town.start([twoPerMinute], ['--limit-store-url=redis://127.0.0.1:1', patient]);
  const [site] = town.sites as [Site];
  await logged(town.edge, LOST, workers);
  expect(await ask(site, 40)).toEqual({ 200: 11, 503: 29 });
  expect(town.edge.process.records.filter(({ msg = '' }) => msg.startsWith(LOST))).toHaveLength(workers);
  expect(town.edge.process.find(LOST)).toMatchObject({ code: 'ECONNREFUSED' });
}, 60_000);
