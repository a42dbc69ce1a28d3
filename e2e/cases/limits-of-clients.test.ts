// Whom limits count: the client behind PROXY headers and X-Forwarded-For, IPv6 clients, streams of HTTP/2, WebSockets and
// downloads; and what a change of objects or settings leaves as it was. One process with two workers counts.

import { once } from 'node:events';
import { request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { until } from '../harness/wait.ts';
import { statusesOf, tally } from '../upstreams/checks.ts';
import type { Asked } from '../upstreams/client.ts';
import type { Site, Surroundings } from '../upstreams/site.ts';
import { Town } from '../upstreams/town.ts';

/** Eleven requests, and nothing comes free while a test runs. */
const twoPerMinute = { 'limit-rpm': '2' };
const withSettings = ['--configmap=default/settings'];
const MANY = 16;

async function townOf(
  surroundings: Surroundings,
  settings: Readonly<Record<string, string>> = {},
  flags: readonly string[] = withSettings,
): Promise<{ readonly town: Town; readonly site: Site }> {
  const town = await Town.start([surroundings], flags, settings);
  return { town, site: town.sites[0] as Site };
}

async function ask(site: Site, count: number, asked: Asked = {}): Promise<Record<string, number>> {
  return tally(statusesOf(await site.askTogether(count, asked)));
}

/** Says the PROXY header first; gives the status. */
async function askProxied({ town, site }: { town: Town; site: Site }, header: string, isTls: boolean): Promise<string> {
  const { http, https } = town.edge.ports;
  const raw = connect({ port: isTls ? https : http, host: '127.0.0.1' });
  await once(raw, 'connect');
  raw.write(header);
  let socket: Socket = raw;
  if (isTls) {
    socket = connectTls({ socket: raw, servername: site.host, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
  }
  socket.write(`GET / HTTP/1.1\r\nHost: ${site.host}\r\nConnection: close\r\n\r\n`);
  return (await text(socket)).slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length);
}

describe('behind a load balancer', () => {
  test('PROXY headers: each address is a client of its own, over HTTP and HTTPS the same', async () => {
    const { town, site } = await townOf({ with: twoPerMinute }, { 'use-proxy-protocol': 'true' });
    await using _ = town;
    for (const line of ['TCP4 192.0.2.1 192.0.2.9', 'TCP4 192.0.2.2 192.0.2.9', 'TCP6 2001:db8::1 2001:db8::9']) {
      const asked = Array.from({ length: MANY }, (_each, at) =>
        askProxied({ town, site }, `PROXY ${line} ${40_000 + at} 80\r\n`, at % 2 === 1),
      );
      expect([line, tally(await Promise.all(asked))]).toEqual([line, { 200: 11, 503: 5 }]);
    }
    expect(site.calls).toHaveLength(33);
  }, 60_000);

  test('X-Forwarded-For of a trusted peer names the client; that of others changes nothing', async () => {
    const { town, site } = await townOf(
      { with: { ...twoPerMinute, 'limit-allowlist': '198.51.100.0/24' } },
      { 'use-forwarded-headers': 'true', 'proxy-real-ip-cidr': '127.0.0.1/32,10.0.0.0/8' },
    );
    await using _ = town;
    const named = (forwarded: string, more: Asked = {}): Asked => ({
      ...more,
      headers: { 'x-forwarded-for': forwarded },
    });
    expect(await ask(site, MANY, named('192.0.2.1, 10.1.1.1'))).toEqual({ 200: 11, 503: 5 });
    // What the client itself has put before its address does not make it another one.
    expect(await ask(site, 3, named('203.0.113.5, 192.0.2.1, 10.1.1.1'))).toEqual({ 503: 3 });
    expect(await ask(site, MANY, named('2001:db8::7'))).toEqual({ 200: 11, 503: 5 });
    expect(await ask(site, MANY, named('2001:db8::8'))).toEqual({ 200: 11, 503: 5 });
    expect(await ask(site, MANY, named('198.51.100.20'))).toEqual({ 200: MANY });
    const stranger = { from: '127.0.0.2' };
    expect(await ask(site, MANY, named('198.51.100.20', stranger))).toEqual({ 200: 11, 503: 5 });
    expect(await ask(site, 3, named('192.0.2.77', stranger))).toEqual({ 503: 3 });
  }, 60_000);
});

test('IPv6 clients on a listener for both families', async () => {
  const { town, site } = await townOf({ with: { ...twoPerMinute, 'limit-allowlist': '127.0.0.3/32' } }, {}, [
    '--bind-address=::',
  ]);
  await using _ = town;
  const asIpv6 = async (): Promise<string> => {
    const asked = request({
      host: '::1',
      port: town.edge.ports.http,
      headers: { host: site.host },
      agent: false,
    }).end();
    const [response] = await once(asked, 'response');
    response.resume();
    return `${response.statusCode}`;
  };
  expect(tally(await Promise.all(Array.from({ length: MANY }, asIpv6)))).toEqual({ 200: 11, 503: 5 });
  expect(await ask(site, MANY)).toEqual({ 200: 11, 503: 5 });
  // An IPv4 client has the list's address, not that in IPv6 clothes which the socket shows.
  expect(await ask(site, MANY, { from: '127.0.0.3' })).toEqual({ 200: MANY });
}, 60_000);

describe('over HTTP/2', () => {
  /** Asks on one connection at the same time; `onRefused` hears of each status but 200 as it comes. */
  async function askStreams(
    town: Town,
    site: Site,
    count: number,
    onRefused: (status: number) => void = () => {},
  ): Promise<Record<string, number>> {
    const session = connectHttp2(`https://127.0.0.1:${town.edge.ports.https}`, {
      rejectUnauthorized: false,
      servername: site.host,
    });
    const asked = Array.from({ length: count }, async () => {
      const stream = session.request({ ':path': '/', ':authority': site.host });
      const [{ ':status': status = 0 }] = await once(stream, 'response');
      if (status !== 200) onRefused(status);
      await text(stream);
      return `${status}`;
    });
    const statuses = await Promise.all(asked);
    session.close();
    return tally(statuses);
  }

  test('each stream counts as a connection, and gives its place back', async () => {
    const { town, site } = await townOf({ with: { 'limit-connections': '3' } });
    await using _ = town;
    for (let round = 0; round < 2; round++) {
      site.answerWith((call) => site.hold(call));
      let refused = 0;
      const asked = askStreams(town, site, 8, () => refused++);
      await until(
        'refusals',
        () => refused,
        (all) => all === 5,
      );
      await site.held(3);
      // The other protocol counts with it.
      expect(await ask(site, 2)).toEqual({ 503: 2 });
      site.release();
      expect(await asked).toEqual({ 200: 3, 503: 5 });
    }
  }, 60_000);

  test('rates count streams, together with requests of HTTP/1.1', async () => {
    const { town, site } = await townOf({ with: twoPerMinute });
    await using _ = town;
    expect(await ask(site, 4)).toEqual({ 200: 4 });
    expect(await askStreams(town, site, MANY)).toEqual({ 200: 7, 503: 9 });
  }, 60_000);
});

describe('long requests', () => {
  test('a WebSocket is one connection until it ends, and has no limit of bandwidth', async () => {
    const { town, site } = await townOf({ with: { 'limit-connections': '1', 'limit-rate': '1' } });
    await using _ = town;
    const socket = new WebSocket(`ws://127.0.0.1:${town.edge.ports.http}/`, { headers: { host: site.host } });
    await once(socket, 'message');
    expect(await ask(site, 3)).toEqual({ 503: 3 });
    const words = 'x'.repeat(64 * 1024);
    const startedAtMs = performance.now();
    socket.send(words);
    const [echo] = await once(socket, 'message');
    expect(`${echo}`).toBe(words);
    // With the limit it would take a minute.
    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
    socket.close();
    await site.askUntil((told) => told.at(-1)?.status === 200);
  }, 60_000);

  test.each(['http', 'https', 'h2'] as const)(
    'a download over %s is slowed, and holds its place until it ends',
    async (how) => {
      const body = 'x'.repeat(192 * 1024);
      const { town, site } = await townOf({
        with: { 'limit-connections': '1', 'limit-rate': '64' },
        answer: () => ({ body }),
      });
      await using _ = town;
      const startedAtMs = performance.now();
      const download = how === 'h2' ? downloadHttp2(town, site) : site.ask({ scheme: how }).then((told) => told.body);
      await site.came((calls) => calls.length === 1);
      expect(await ask(site, 2)).toEqual({ 503: 2 });
      expect(await download).toHaveLength(body.length);
      expect(performance.now() - startedAtMs).toBeGreaterThan(1_900);
      expect((await site.askUntil((told) => told.at(-1)?.status === 200)).at(-1)?.body).toHaveLength(body.length);
    },
    60_000,
  );
});

async function downloadHttp2(town: Town, site: Site): Promise<string> {
  const session = connectHttp2(`https://127.0.0.1:${town.edge.ports.https}`, {
    rejectUnauthorized: false,
    servername: site.host,
  });
  const body = await text(session.request({ ':path': '/', ':authority': site.host }));
  session.close();
  return body;
}

describe('changes on the way', () => {
  test('of an Ingress reset neither what was asked nor what is under way', async () => {
    const town = await Town.start([{ with: twoPerMinute }, { with: { 'limit-connections': '2' } }]);
    await using _ = town;
    const [rated, connected] = town.sites as [Site, Site];
    expect(await ask(rated, 12)).toEqual({ 200: 11, 503: 1 });
    connected.answerWith((call) => connected.hold(call));
    const held = connected.askTogether(2);
    await connected.held(2);
    for (const site of [rated, connected]) {
      site.extra['proxy-read-timeout'] = '50';
      site.grow();
      await town.update(site);
    }
    expect(await ask(rated, 12)).toEqual({ 503: 12 });
    expect(await ask(connected, 3)).toEqual({ 503: 3 });
    connected.release();
    expect(tally(statusesOf(await held))).toEqual({ 200: 2 });
    connected.answerWith(() => ({}));
    expect(tally(statusesOf(await connected.askTimes(5)))).toEqual({ 200: 5 });
    // A higher limit holds at once.
    rated.extra['limit-rpm'] = '60000';
    await town.update(rated);
    expect((await rated.askUntil((told) => told.at(-1)?.status === 200)).length).toBeLessThan(40);
  }, 60_000);

  test('of statuses and key in the ConfigMap hold for the next request', async () => {
    const limits = { ...twoPerMinute, 'limit-connections': '1' };
    const { town, site } = await townOf({ with: limits }, { 'limit-req-status-code': '429' });
    await using _ = town;
    expect(await ask(site, 1)).toEqual({ 200: 1 });
    const release = () => {
      site.release();
      site.answerWith(() => ({}));
    };
    site.answerWith((call) => site.hold(call));
    const first = site.ask({ fresh: true });
    await site.held(1);
    expect(tally(statusesOf(await site.askTimes(12)))).toEqual({ 429: 3, 503: 9 });
    release();
    expect((await first).status).toBe(200);

    const data = {
      'limit-req-status-code': '420',
      'limit-conn-status-code': '599',
      'limit-conn-zone-variable': '$http_x_user',
    };
    await town.set(data);
    site.answerWith((call) => site.hold(call));
    const [ann, bob]: [Asked, Asked] = [{ headers: { 'x-user': 'ann' } }, { headers: { 'x-user': 'bob' } }];
    const second = site.ask({ ...ann, fresh: true });
    await site.held(1);
    expect(tally(statusesOf(await site.askTimes(12, ann)))).toEqual({ 420: 2, 599: 10 });
    release();
    expect((await second).status).toBe(200);
    expect(tally(statusesOf(await site.askTimes(3, bob)))).toEqual({ 200: 3 });
    // Who has no key is not counted.
    expect(tally(statusesOf(await site.askTimes(30)))).toEqual({ 200: 30 });
  }, 60_000);

  test('without an endpoint requests are answered before they count', async () => {
    const { town, site } = await townOf({ with: twoPerMinute, endpoints: [{ isGone: true }] });
    await using _ = town;
    expect(await ask(site, 20)).toEqual({ 503: 20 });
    expect(await town.edge.metric('sluice_self_answered_requests_total', { reason: 'rateLimited' })).toBe(0);
    site.grow();
    await town.update(site);
    expect(await ask(site, 20)).toEqual({ 200: 11, 503: 9 });
  }, 60_000);
});
