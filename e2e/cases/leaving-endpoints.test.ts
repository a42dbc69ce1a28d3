// Endpoints that leave a Service: no new requests, what they have is finished, idle connections to them are closed,
// WebSockets stay. And those that terminate but still serve: used as long as there are no others.

import { expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { until } from '../harness/wait.ts';
import { bodiesOf, tally } from '../upstreams/checks.ts';
import type { Told } from '../upstreams/client.ts';
import type { EndpointParts, Site } from '../upstreams/site.ts';
import { Town } from '../upstreams/town.ts';

const ready: EndpointParts = {};
const gone: EndpointParts = { isGone: true };
const terminating: EndpointParts = { conditions: { ready: false, serving: true, terminating: true } };
const ended: EndpointParts = { conditions: { ready: false, serving: false, terminating: true } };

/** Both workers are asked, over many connections. */
async function served(site: Site): Promise<readonly string[]> {
  return Object.keys(tally(bodiesOf(await site.askTogether(24))));
}

async function become(town: Town, site: Site, parts: readonly EndpointParts[]): Promise<void> {
  site.parts.splice(0, site.parts.length, ...parts);
  await town.update(site);
}

test('no new requests; those under way are finished; the connections are closed when they are idle', async () => {
  await using town = await Town.start([{ endpoints: 3 }]);
  const site = town.sites[0] as Site;
  site.answerWith((call) => site.hold(call));
  const asked = site.askTogether(12);
  const where = tally(await site.held(12));
  expect(Object.keys(where)).toEqual(['web0', 'web1', 'web2']);
  await become(town, site, [gone, ready, ready]);
  // Those of the requests under way, and no other.
  await until(
    'idle connections closed',
    () => site.connectionsTo(0),
    (open) => open === where['web0'],
  );
  site.answerWith(() => ({}));
  expect(await served(site)).toEqual(['web1', 'web2']);
  site.release();
  expect(tally(bodiesOf(await asked))).toEqual(where);
  await until(
    'all connections closed',
    () => site.connectionsTo(0),
    (open) => open === 0,
  );
  expect(site.connectionsTo(1)).toBeGreaterThan(0);
}, 60_000);

test('idle connections to an endpoint that leaves are closed, those to the others are used again', async () => {
  await using town = await Town.start([{ endpoints: 2 }]);
  const site = town.sites[0] as Site;
  await site.askTimes(4);
  expect([site.connectionsTo(0), site.connectionsTo(1)]).toEqual([1, 1]);
  const kept = site.calls.find(({ endpoint }) => endpoint === 'web1')?.connection;
  await become(town, site, [gone, ready]);
  await until(
    'a closed connection',
    () => site.connectionsTo(0),
    (open) => open === 0,
  );
  const from = site.calls.length;
  await site.askTimes(4);
  expect(new Set(site.calls.slice(from).map(({ connection }) => connection))).toEqual(new Set([kept]));
}, 60_000);

test('an endpoint that comes back is used again', async () => {
  await using town = await Town.start([{ endpoints: 2 }]);
  const site = town.sites[0] as Site;
  await become(town, site, [gone, ready]);
  expect(await served(site)).toEqual(['web1']);
  await become(town, site, [ready, ready]);
  expect(await served(site)).toEqual(['web0', 'web1']);
}, 60_000);

test('terminating endpoints that serve are a fallback, and only that', async () => {
  await using town = await Town.start([{ endpoints: [ready, terminating, ended] }]);
  const site = town.sites[0] as Site;
  expect(await served(site)).toEqual(['web0']);
  await become(town, site, [gone, terminating, ended]);
  expect(await served(site)).toEqual(['web1']);
  await become(town, site, [gone, terminating, ready]);
  expect(await served(site)).toEqual(['web2']);
  await become(town, site, [gone, ended, ended]);
  expect((await site.ask()).status).toBe(503);
}, 60_000);

test('WebSockets stay at an endpoint that has left', async () => {
  await using town = await Town.start([{ endpoints: 1 }, { endpoints: 2 }]);
  const site = town.sites[0] as Site;
  const socket = new WebSocket(`ws://127.0.0.1:${town.edge.ports.http}/`, { headers: { host: site.host } });
  const heard: string[] = [];
  socket.on('message', (data) => heard.push(`${data}`));
  const hears = (text: string) =>
    until(
      `the word ${text}`,
      () => heard,
      (words) => words.includes(text),
    );
  await hears('web0');
  site.grow();
  await become(town, site, [gone, ready]);
  socket.send('after it left');
  await hears('after it left');
  // Another table, and another: nothing about it is in them.
  await become(town, town.sites[1] as Site, [ready, gone]);
  socket.send('after two changes');
  await hears('after two changes');
  expect([socket.readyState, site.connectionsTo(0)]).toEqual([WebSocket.OPEN, 1]);
  socket.close();
  await until(
    'the end of its connection',
    () => site.connectionsTo(0),
    (open) => open === 0,
  );
}, 60_000);

test('no request is lost while endpoints come and go', async () => {
  await using town = await Town.start([{ endpoints: 4 }]);
  const site = town.sites[0] as Site;
  const told: Promise<readonly Told[]>[] = [];
  for (const at of [0, 1, 2, 3, 0, 2]) {
    told.push(site.askTogether(10));
    await become(
      town,
      site,
      Array.from({ length: 4 }, (_, index) => (index === at ? gone : ready)),
    );
    told.push(site.askTogether(10));
  }
  const statuses = (await Promise.all(told)).flat().map(({ status }) => `${status}`);
  expect(tally(statuses)).toEqual({ 200: 120 });
}, 60_000);
