// The demo as `npm start` serves it, on free ports: every host answers as README.md says.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import type { Origin } from '../../demo/origins/origin.ts';
import { ORIGIN_PORTS, startOrigins } from '../../demo/origins/start-origins.ts';
import { availableCpus } from '../options/available-cpus.ts';
import { FeatureSluice } from './testing/feature-sluice.ts';
import { TestFolder } from './testing/manifest-folder.ts';

const MANIFESTS = join(import.meta.dirname, '../../demo/manifests');

const stack = new AsyncDisposableStack();
let sluice: FeatureSluice;

beforeAll(async () => {
  const origins = await startOrigins({
    whoami1: 0,
    whoami2: 0,
    site: 0,
    chat: 0,
    slow: 0,
    failing: 0,
    defaultBackend: 0,
  });
  stack.defer(async () => {
    await Promise.all(origins.map((origin) => origin.close()));
  });
  const folder = stack.use(await TestFolder.create(demoManifests(origins)));
  sluice = stack.use(await FeatureSluice.start(folder.dir, { flags: ['--workers=2'] }));
});

afterAll(() => stack.disposeAsync());

/** The demo's files with the ports that its origins have here. `startOrigins` keeps the order of `ORIGIN_PORTS`. */
function demoManifests(origins: readonly Origin[]): Record<string, string> {
  const ports = new Map(Object.values(ORIGIN_PORTS).map((port, i) => [String(port), String(origins[i]?.port)]));
  const renumber = (text: string): string => text.replace(/\b91\d\d\b/g, (port) => ports.get(port) ?? port);
  return Object.fromEntries(
    readdirSync(MANIFESTS).map((file) => [file, renumber(readFileSync(join(MANIFESTS, file), 'utf8'))]),
  );
}

test('the demo has nothing to complain about', () => {
  expect(sluice.diagnostics.filter(({ severity }) => severity !== 'info')).toEqual([]);
});

test.each(['http', 'https'] as const)('whoami over %s: both replicas answer, in turn', async (scheme) => {
  const replicas = new Set<unknown>();
  // Each worker takes turns on its own, so two answers of two workers may be of one replica; three may not.
  for (let i = 0; i < 3; i++) {
    const { status, headers } = await sluice.ask({ scheme, host: 'whoami.localhost' });
    expect(status).toBe(200);
    replicas.add(headers['x-replica']);
  }
  expect([...replicas].sort()).toEqual(['whoami-1', 'whoami-2']);
});

test('whoami sees what the proxy adds', async () => {
  const { body } = await sluice.ask({
    scheme: 'https',
    host: 'whoami.localhost',
    headers: { accept: 'application/json' },
  });
  const headers = Object.fromEntries(
    (JSON.parse(body) as { headers: [string, string][] }).headers.map(([name, value]) => [name.toLowerCase(), value]),
  );
  expect(headers).toMatchObject({
    host: 'whoami.localhost',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': 'whoami.localhost',
    'x-forwarded-proto': 'https',
    'x-real-ip': '127.0.0.1',
    'x-request-id': expect.stringMatching(/^[0-9a-f]{32}$/),
  });
});

test.each([
  ['any.wild.localhost', 200],
  ['a.b.wild.localhost', 404],
])('the wildcard stands for one label: %s is %i', async (host, status) => {
  expect((await sluice.ask({ host })).status).toBe(status);
});

describe('the site has TLS', () => {
  test('plain HTTP is answered with 308', async () => {
    const { status, headers } = await sluice.ask({ host: 'site.localhost', path: '/style.css?a=b' });
    expect(status).toBe(308);
    // The tests listen on any free port, which no redirect can name; the demo's own settings name 8443.
    expect(headers.location).toBe('https://site.localhost/style.css?a=b');
  });

  test.each(['/', '/style.css', '/gate.svg'])('HTTPS serves %s', async (path) => {
    const { status, body } = await sluice.ask({ scheme: 'https', host: 'site.localhost', path });
    const file = path === '/' ? 'index.html' : path.slice(1);
    expect({ status, body }).toEqual({ status: 200, body: readFileSync(join(MANIFESTS, '../site', file), 'utf8') });
  });
});

test.each(['ws', 'wss'] as const)('the chat over %s: what one guest says, the other hears', async (scheme) => {
  using first = await enterChat(scheme);
  using second = await enterChat(scheme);
  first.socket.send(`hello over ${scheme}`);
  await Promise.all([first.hears(`: hello over ${scheme}`), second.hears(`: hello over ${scheme}`)]);
});

interface Guest extends Disposable {
  readonly socket: WebSocket;
  /** Resolves when a line with this end was heard. */
  readonly hears: (end: string) => Promise<void>;
}

async function enterChat(scheme: 'ws' | 'wss'): Promise<Guest> {
  const port = scheme === 'ws' ? sluice.httpPort : sluice.httpsPort;
  const options = { headers: { host: 'chat.localhost' }, servername: 'chat.localhost', rejectUnauthorized: false };
  const socket = new WebSocket(`${scheme}://127.0.0.1:${port}/ws`, options);
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  socket.on('message', (data) => {
    lines.push(String(data));
    for (const wake of waiting) wake();
  });
  const hears = async (end: string): Promise<void> => {
    while (!lines.some((line) => line.endsWith(end))) await new Promise<void>((resolve) => waiting.add(resolve));
  };
  await hears('joined');
  return { socket, hears, [Symbol.dispose]: () => socket.terminate() };
}

test.each([
  ['exact', '/api/v1', 200, 'whoami-1'],
  ['prefix below', '/api/v1/users', 200, 'whoami-2'],
  ['prefix, trailing slash', '/api/v1/', 200, 'whoami-2'],
  ['slow', '/slow?ms=1', 200, undefined],
  ['failing: its own 500', '/fail', 500, undefined],
  ['failing: cut connection', '/fail?how=reset', 502, undefined],
  ['failing: no HTTP', '/fail?how=garbage', 502, undefined],
  ['dead endpoint', '/dead', 502, undefined],
  ['slow behind one second of patience', '/hasty?ms=5000', 504, undefined],
  ['the same, quicker', '/hasty?ms=1', 200, undefined],
])('the lab: %s', async (_name, path, status, replica) => {
  const answer = await sluice.ask({ host: 'lab.localhost', path });
  expect({ status: answer.status, replica: answer.headers['x-replica'] }).toEqual({ status, replica });
});

test.each([
  ['an unknown host', 'unknown.localhost', '/'],
  ['an unknown path', 'lab.localhost', '/nothing'],
])('%s gets 404', async (_name, host, path) => {
  expect((await sluice.ask({ host, path })).status).toBe(404);
});

test("an unknown host meets the demo's own default backend", async () => {
  expect((await sluice.ask({ host: 'unknown.localhost' })).body).toContain("the demo's own default backend");
});

test('without --workers there is one for each core that this container may use', async () => {
  await using folder = await TestFolder.create({});
  await using own = await FeatureSluice.start(folder.dir);
  const live = own.records.find(({ msg }) => msg.endsWith(' is live'));
  expect(live?.['workers']).toBe(process.platform === 'linux' ? availableCpus() : 1);
});
