// Limits beside a real nginx that is configured as ingress-nginx writes it for the same annotations: the same requests at
// the same time get the same answers.

import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { hasNginx, Nginx } from '../harness/nginx.ts';
import { until } from '../harness/wait.ts';
import { statusesOf, tally } from '../upstreams/checks.ts';
import { Client } from '../upstreams/client.ts';
import type { Site, Surroundings } from '../upstreams/site.ts';
import { Town } from '../upstreams/town.ts';

if (!hasNginx) process.stderr.write('nginx is not installed: limits are not compared with it\n');

/** Of the http block: the zones. */
const zones = `
limit_req_zone $binary_remote_addr zone=rps:1m rate=RPSr/s;
limit_req_zone $binary_remote_addr zone=rpm:1m rate=RPMr/m;
limit_conn_zone $binary_remote_addr zone=conn:1m;`;

/** A site of Sluice and a nginx before its endpoint. */
interface Pair {
  readonly site: Site;
  readonly nginx: Client;
}

/** What is limited, as annotations, and as ingress-nginx writes it into the location. */
interface Limited extends Surroundings {
  readonly location: string;
  readonly rates?: Rates;
}

/** Starts one Sluice for all sites, and a nginx for each. */
async function start(stack: AsyncDisposableStack, limited: readonly Limited[]): Promise<Pair[]> {
  const town = stack.use(await Town.start(limited.map((each) => ({ endpoints: 1, ...each }))));
  return await Promise.all(
    limited.map(async ({ location, rates: { rps = 1, rpm = 1 } = {} }, at) => {
      const site = town.sites[at] as Site;
      const http = zones.replace('RPS', `${rps}`).replace('RPM', `${rpm}`);
      const upstream = `${site.addressOf(0)}:${new URL(site.copyUrl).port}`;
      const { port } = stack.use(await Nginx.start({ http, location, upstream, host: site.host }));
      const nginx = stack.adopt(new Client({ http: port, https: 0 }, site.host), (client) => client.close());
      return { site, nginx };
    }),
  );
}

/** One request to each at the same time: whether it passes. */
async function ask({ site, nginx }: Pair): Promise<readonly [sluice: boolean, nginx: boolean]> {
  const [told, other] = await Promise.all([site.ask(), nginx.ask()]);
  return [told.status === 200, other.status === 200];
}

interface Rates {
  readonly rps?: number;
  readonly rpm?: number;
  readonly multiplier?: number;
}

/** What ingress-nginx writes into the location. */
function location({ rps = 0, rpm = 0, multiplier = 5 }: Rates): string {
  const line = (zone: string, burst: number) =>
    `limit_req zone=${zone}${burst === 0 ? '' : ` burst=${burst}`} nodelay;`;
  return `${rps > 0 ? line('rps', rps * multiplier) : ''} ${rpm > 0 ? line('rpm', rpm * multiplier) : ''}`;
}

function limited(rates: Rates): Limited {
  const { rps, rpm, multiplier } = rates;
  const annotations = {
    ...(rps === undefined ? {} : { 'limit-rps': `${rps}` }),
    ...(rpm === undefined ? {} : { 'limit-rpm': `${rpm}` }),
    ...(multiplier === undefined ? {} : { 'limit-burst-multiplier': `${multiplier}` }),
  };
  return { with: annotations, location: location(rates), rates };
}

/** Milliseconds before each request, again and again: bursts, a steady pace below and above the rates, and rests. */
const pauses = [0, 0, 0, 0, 0, 0, 0, 30, 30, 30, 30, 700, 0, 0, 0, 0, 110, 110, 110, 260, 0, 0, 0, 90, 90, 1300];

/** Asks both in this rhythm; `passed` by both may differ by what comes free between the two requests of a pair. */
async function compare(pair: Pair, rates: Rates): Promise<void> {
  let ahead = 0;
  let passed = 0;
  for (const [at, pause] of [...pauses, ...pauses].entries()) {
    if (pause > 0) await delay(pause);
    const [sluice, nginx] = await ask(pair);
    passed += Number(sluice);
    ahead += Number(sluice) - Number(nginx);
    // Now for one side and now for the other. What differs each time (a burst that is one too long) adds up to more.
    expect({ rates, at, ahead, isNear: Math.abs(ahead) <= 2 }).toMatchObject({ isNear: true });
  }
  expect(passed).toBeGreaterThan(5);
  expect(passed).toBeLessThan(2 * pauses.length - 5);
}

(hasNginx ? describe : describe.skip)('beside nginx', () => {
  test('bursts and pauses', async () => {
    await using stack = new AsyncDisposableStack();
    const all: Rates[] = [
      { rps: 5, multiplier: 1 },
      { rps: 2 },
      { rps: 10, multiplier: 0 },
      { rpm: 300, multiplier: 0 },
      { rpm: 120, multiplier: 0 },
      // Each of them is the narrower one at times.
      { rps: 4, rpm: 120, multiplier: 1 },
    ];
    const pairs = await start(stack, all.map(limited));
    await Promise.all(pairs.map((pair, at) => compare(pair, all[at] as Rates)));
  }, 60_000);

  test('bursts within which nothing comes free: the very same answers', async () => {
    await using stack = new AsyncDisposableStack();
    const all: Rates[] = [
      { rpm: 1 },
      { rpm: 2, multiplier: 3 },
      { rpm: 1, multiplier: 0 },
      { rps: 1000, rpm: 2, multiplier: 2 },
    ];
    const pairs = await start(stack, all.map(limited));
    for (const [row, pair] of pairs.entries()) {
      for (let at = 0; at < 12; at++) {
        const [sluice, nginx] = await ask(pair);
        expect([all[row], at, sluice]).toEqual([all[row], at, nginx]);
      }
    }
  }, 60_000);

  test('connections', async () => {
    await using stack = new AsyncDisposableStack();
    const [pair] = await start(stack, [{ with: { 'limit-connections': '3' }, location: 'limit_conn conn 3;' }]);
    const { site, nginx } = pair as Pair;
    for (const who of [site, nginx]) {
      site.answerWith((call) => site.hold(call));
      let refused = 0;
      const asked = Array.from({ length: 8 }, async () => {
        const told = await who.ask({ fresh: true });
        if (told.status === 503) refused++;
        return told;
      });
      await until(
        'refusals',
        () => refused,
        (count) => count === 5,
      );
      await site.held(3);
      site.release();
      expect(tally(statusesOf(await Promise.all(asked)))).toEqual({ 200: 3, 503: 5 });
    }
  }, 60_000);

  test('bandwidth', async () => {
    await using stack = new AsyncDisposableStack();
    const body = 'x'.repeat(320 * 1024);
    const answer = () => ({ body });
    const pairs = await start(stack, [
      { with: { 'limit-rate': '64' }, location: 'limit_rate 64k;', answer },
      {
        with: { 'limit-rate': '64', 'limit-rate-after': '128' },
        location: 'limit_rate 64k; limit_rate_after 128k;',
        answer,
      },
      { with: { 'limit-rate-after': '64' }, location: 'limit_rate_after 64k;', answer },
    ]);
    await Promise.all(
      pairs.map(async (pair) => {
        const [sluice, nginx] = await Promise.all([pair.site.ask(), pair.nginx.ask()]);
        expect([sluice.body.length, nginx.body.length]).toEqual([body.length, body.length]);
        // nginx reckons in whole seconds.
        expect(Math.abs(sluice.tookMs - nginx.tookMs)).toBeLessThan(1900);
      }),
    );
  }, 60_000);
});
