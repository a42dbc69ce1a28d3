// Active checks take endpoints out and bring them back, in two workers: one process probes, requests stay away, and the
// metrics show it.

import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { until } from '../harness/wait.ts';
import type { Call } from '../upstreams/endpoints.ts';
import type { Site, Surroundings } from '../upstreams/site.ts';
import { Town } from '../upstreams/town.ts';

const INTERVAL_MS = 200;
const checked = (kind: string): Surroundings => ({
  with: {
    'sluice/active-check': kind,
    'sluice/active-check-interval': `${INTERVAL_MS}ms`,
    'sluice/active-check-unhealthy': '2',
    'sluice/active-check-healthy': '2',
    // What requests show is no part of this.
    'sluice/passive-health': 'off',
    ...(kind === 'grpc' ? { 'sluice/active-check-port': 'GRPC' } : {}),
  },
});

const isProbe = ({ headers, path }: Call) =>
  headers['user-agent'] === 'sluice-health-check' || path === '/grpc.health.v1.Health/Check';

/** Requests on twenty new connections, so that both workers get some, are answered by exactly these endpoints. */
async function isServedBy(site: Site, names: readonly string[]): Promise<void> {
  await until(
    `answers of ${names}`,
    async () => [...new Set((await site.askTogether(20)).map(({ body }) => body))].toSorted(),
    (seen) => seen.join() === names.join(),
  );
}

async function hasFailing({ edge }: Town, site: Site, count: number): Promise<void> {
  const of = (state: string) => edge.metric('sluice_checked_endpoints', { state, upstream: upstreamOf(site) });
  expect([await of('failing'), await of('healthy')]).toEqual([count, 3 - count]);
}

/** Namespace, Service and port: the port is the one that all endpoints have. */
function upstreamOf(site: Site): string {
  return `default-${site.name}-web-${new URL(site.copyUrl).port}`;
}

test.each(['http', 'grpc'])(
  '%s',
  async (kind) => {
    await using town = await Town.start([checked(kind)]);
    const site = town.sites[0] as Site;
    await site.came((calls) => new Set(calls.filter(isProbe).map(({ endpoint }) => endpoint)).size === 3);
    await isServedBy(site, ['web0', 'web1', 'web2']);
    await hasFailing(town, site, 0);
    site.answerWith((call) => (isProbe(call) && call.endpoint === 'web1' ? { status: 503 } : {}));
    await isServedBy(site, ['web0', 'web2']);
    await hasFailing(town, site, 1);
    expect(await town.edge.metric('sluice_endpoint_checks_total', { result: 'bad' })).toBeGreaterThanOrEqual(2);
    site.answerWith(() => ({}));
    await isServedBy(site, ['web0', 'web1', 'web2']);
    await hasFailing(town, site, 0);
  },
  60_000,
);

test('tcp: a port that is closed and opened again', async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const { port } = server.address() as { readonly port: number };
  const surroundings = checked('tcp');
  const withPort = { ...surroundings.with, 'sluice/active-check-port': `${port}` };
  await using town = await Town.start([{ ...surroundings, with: withPort }]);
  const site = town.sites[0] as Site;
  await isServedBy(site, ['web0', 'web1', 'web2']);
  // From now on only the last endpoint's address has the port open.
  await new Promise((resolve) => server.close(resolve));
  const others = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => others.listen(port, site.addressOf(2), resolve));
  await isServedBy(site, ['web2']);
  await hasFailing(town, site, 2);
  await new Promise((resolve) => others.close(resolve));
  const again = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => again.listen(port, '0.0.0.0', resolve));
  await isServedBy(site, ['web0', 'web1', 'web2']);
  await hasFailing(town, site, 0);
  await new Promise((resolve) => again.close(resolve));
}, 60_000);

test('all endpoints fail: all are used', async () => {
  await using town = await Town.start([checked('http')]);
  const site = town.sites[0] as Site;
  site.answerWith((call) => (isProbe(call) ? { status: 500 } : {}));
  await until(
    'three failing endpoints',
    () => town.edge.metric('sluice_checked_endpoints', { state: 'failing' }),
    (failing) => failing === 3,
  );
  await isServedBy(site, ['web0', 'web1', 'web2']);
}, 60_000);

test('one process checks for all workers', async () => {
  await using town = await Town.start([checked('http')], ['--workers=4']);
  const site = town.sites[0] as Site;
  const times = () => site.calls.filter((call) => isProbe(call) && call.endpoint === 'web0').map(({ atMs }) => atMs);
  await site.came(() => times().length >= 9);
  const seen = times();
  // Four workers would be there four times as often. An interval is up to a tenth shorter.
  expect((seen[8] as number) - (seen[0] as number)).toBeGreaterThan(8 * INTERVAL_MS * 0.85);
}, 60_000);

test('an endpoint that failed its checks is used again when they are switched off', async () => {
  await using town = await Town.start([checked('http')]);
  const site = town.sites[0] as Site;
  site.answerWith((call) => (isProbe(call) && call.endpoint === 'web0' ? { status: 503 } : {}));
  await isServedBy(site, ['web1', 'web2']);
  site.extra['sluice/active-check'] = 'off';
  await town.update(site);
  await isServedBy(site, ['web0', 'web1', 'web2']);
  expect(await town.edge.metric('sluice_checked_endpoints')).toBe(0);
}, 60_000);
