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

class Pair implements AsyncDisposable {
  readonly site: Site;
  readonly nginx: Client;
  readonly #stack: AsyncDisposableStack;

  private constructor(site: Site, nginx: Client, stack: AsyncDisposableStack) {
    this.site = site;
    this.nginx = nginx;
    this.#stack = stack;
  }

  /** Both before the same endpoint: Sluice by the annotations, nginx by `location`. */
  static async start(surroundings: Surroundings, location: string, rates = { rps: 1, rpm: 1 }): Promise<Pair> {
    await using stack = new AsyncDisposableStack();
    const town = stack.use(await Town.start([{ endpoints: 1, ...surroundings }]));
    const site = town.sites[0] as Site;
    const http = zones.replace('RPS', `${rates.rps}`).replace('RPM', `${rates.rpm}`);
    const upstream = `${site.addressOf(0)}:${new URL(site.copyUrl).port}`;
    const { port } = stack.use(await Nginx.start({ http, location, upstream, host: site.host }));
    const nginx = stack.adopt(new Client({ http: port, https: 0 }, site.host), (client) => client.close());
    return new Pair(site, nginx, stack.move());
  }

  /** One request to each at the same time: whether it passes. */
  async ask(): Promise<readonly [sluice: boolean, nginx: boolean]> {
    const [sluice, nginx] = await Promise.all([this.site.ask(), this.nginx.ask()]);
    return [sluice.status === 200, nginx.status === 200];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

interface Rates {
  readonly rps?: number;
  readonly rpm?: number;
  readonly multiplier: number;
}

/** What ingress-nginx writes into the location. */
function location({ rps = 0, rpm = 0, multiplier }: Rates): string {
  const line = (zone: string, burst: number) =>
    `limit_req zone=${zone}${burst === 0 ? '' : ` burst=${burst}`} nodelay;`;
  return `${rps > 0 ? line('rps', rps * multiplier) : ''} ${rpm > 0 ? line('rpm', rpm * multiplier) : ''}`;
}

function annotations({ rps, rpm, multiplier }: Rates): Surroundings {
  const more = {
    ...(rps === undefined ? {} : { 'limit-rps': `${rps}` }),
    ...(rpm === undefined ? {} : { 'limit-rpm': `${rpm}` }),
  };
  return { with: { ...more, 'limit-burst-multiplier': `${multiplier}` } };
}

/** Milliseconds before each request, again and again: bursts, a steady pace below and above the rates, and rests. */
const pauses = [0, 0, 0, 0, 0, 0, 0, 30, 30, 30, 30, 700, 0, 0, 0, 0, 110, 110, 110, 260, 0, 0, 0, 90, 90, 1300];

(hasNginx ? describe : describe.skip)('beside nginx', () => {
  test.each<Rates>([
    { rps: 5, multiplier: 1 },
    { rps: 2, multiplier: 5 },
    { rps: 10, multiplier: 0 },
    { rpm: 300, multiplier: 0 },
    { rpm: 120, multiplier: 0 },
    // Each of them is the narrower one at times.
    { rps: 4, rpm: 120, multiplier: 1 },
  ])(
    '$rps per second and $rpm per minute, times $multiplier at once',
    async (rates) => {
      const { rps = 1, rpm = 1 } = rates;
      await using pair = await Pair.start(annotations(rates), location(rates), { rps, rpm });
      const passed = [0, 0];
      for (const [at, pause] of [...pauses, ...pauses].entries()) {
        if (pause > 0) await delay(pause);
        const [sluice, nginx] = await pair.ask();
        passed[0] = (passed[0] ?? 0) + Number(sluice);
        passed[1] = (passed[1] ?? 0) + Number(nginx);
        // Two clocks: a place may come free between the two requests, but only one, whatever has been before.
        expect({ at, ahead: Math.abs((passed[0] ?? 0) - (passed[1] ?? 0)) <= 1, passed }).toMatchObject({
          ahead: true,
        });
      }
      expect(passed[0]).toBeGreaterThan(5);
      expect(passed[0]).toBeLessThan(2 * pauses.length - 5);
    },
    60_000,
  );

  // Nothing comes free meanwhile: the very same answers.
  test.each<Rates>([
    { rpm: 1, multiplier: 5 },
    { rpm: 2, multiplier: 3 },
    { rpm: 1, multiplier: 0 },
    { rps: 1000, rpm: 2, multiplier: 2 },
  ])(
    'a burst at $rps per second and $rpm per minute, times $multiplier',
    async (rates) => {
      const { rps = 1, rpm = 1 } = rates;
      await using pair = await Pair.start(annotations(rates), location(rates), { rps, rpm });
      for (let at = 0; at < 12; at++) {
        const [sluice, nginx] = await pair.ask();
        expect([at, sluice]).toEqual([at, nginx]);
      }
    },
    60_000,
  );

  test('connections', async () => {
    await using pair = await Pair.start({ with: { 'limit-connections': '3' } }, 'limit_conn conn 3;');
    const { site, nginx } = pair;
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

  test.each([
    [{ 'limit-rate': '64' }, 'limit_rate 64k;'],
    [{ 'limit-rate': '64', 'limit-rate-after': '128' }, 'limit_rate 64k; limit_rate_after 128k;'],
    [{ 'limit-rate-after': '64' }, 'limit_rate_after 64k;'],
  ])(
    'bandwidth: %j',
    async (given, directives) => {
      const body = 'x'.repeat(320 * 1024);
      await using pair = await Pair.start({ with: given, answer: () => ({ body }) }, directives);
      const [sluice, nginx] = await Promise.all([pair.site.ask(), pair.nginx.ask()]);
      expect([sluice.body.length, nginx.body.length]).toEqual([body.length, body.length]);
      // nginx reckons in whole seconds.
      expect(Math.abs(sluice.tookMs - nginx.tookMs)).toBeLessThan(1500);
    },
    60_000,
  );
});
