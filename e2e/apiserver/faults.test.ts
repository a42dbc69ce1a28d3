// The fault switches, and the request log that counts what clients do about them.

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type ApiServer, startApiServer } from './server.ts';
import { Client } from './testing/client.ts';
import { configMap, PATHS, service } from './testing/manifests.ts';

let server: ApiServer;
let client: Client;

beforeEach(async () => {
  server = await startApiServer({ tls: false });
  client = new Client(server);
});
afterEach(() => server[Symbol.asyncDispose]());

/** Whether a promise is still open after everything that is on its way has arrived: two round trips later. */
async function isOpen(promise: Promise<unknown>, probe: () => Promise<unknown>): Promise<boolean> {
  let open = true;
  const close = () => {
    open = false;
  };
  promise.then(close, close);
  await probe();
  await probe();
  return open;
}

test('dropWatches cuts the watches of one resource', async () => {
  using maps = await client.watch(`${PATHS.configMaps}?resourceVersion=0`);
  using services = await client.watch(`${PATHS.services}?resourceVersion=0`);
  expect(server.faults.countWatches()).toBe(2);
  expect(server.faults.dropWatches('configmaps')).toBe(1);
  await maps.ended;
  await server.apply([service('s')]);
  await services.take(1);
  expect([services.isEnded, server.faults.countWatches()]).toEqual([false, 1]);
});

test('a 429 says when to come back, as often as told', async () => {
  server.faults.fail({ code: 429, retryAfterSeconds: 2, times: 1 }, { verb: 'list', resource: 'configmaps' });
  const { code, headers, body } = await client.get(PATHS.configMaps);
  expect([code, headers['retry-after'], body.reason, body.details]).toEqual([
    429,
    '2',
    'TooManyRequests',
    { retryAfterSeconds: 2 },
  ]);
  expect((await client.get(PATHS.configMaps)).code).toBe(200);
});

test('a 500 hits only what matches, until turned off', async () => {
  const turnOff = server.faults.fail({ code: 500 }, { verb: 'write' });
  expect((await client.post(PATHS.configMaps, configMap('c'))).code).toBe(500);
  expect((await client.get(PATHS.configMaps)).code).toBe(200);
  turnOff();
  expect((await client.post(PATHS.configMaps, configMap('c'))).code).toBe(201);
});

test('a delay holds back the answer', async () => {
  server.faults.delay(50, { resource: 'configmaps' });
  const startedAtMs = performance.now();
  await client.get(PATHS.services);
  const undelayedMs = performance.now() - startedAtMs;
  await client.get(PATHS.configMaps);
  expect(performance.now() - startedAtMs - undelayedMs).toBeGreaterThanOrEqual(49);
});

test('held events of one kind arrive after later ones of another, and none is lost', async () => {
  const arrivals: string[] = [];
  using maps = await client.watch(`${PATHS.configMaps}?resourceVersion=0`);
  using services = await client.watch(`${PATHS.services}?resourceVersion=0`);
  const release = server.faults.hold('configmaps');
  await server.apply([configMap('first'), service('second')]);
  arrivals.push(...(await services.take(1)).map(({ object }) => object.metadata.name));
  expect(maps.events).toEqual([]);
  release();
  arrivals.push(...(await maps.take(1)).map(({ object }) => object.metadata.name));
  expect(arrivals).toEqual(['second', 'first']);
});

test('no bookmark overtakes held events', async () => {
  await using other = await startApiServer({ tls: false, bookmarkIntervalMs: 5 });
  const open = (path: string) =>
    new Client(other).watch(`${path}?resourceVersion=${other.revision}&allowWatchBookmarks=1`);
  using held = await open(PATHS.configMaps);
  using free = await open(PATHS.services);
  const release = other.faults.hold('configmaps');
  await other.apply([configMap('c')]);
  const { revision } = other;
  // Two bookmarks of the other kind: the held stream has had its turn as well.
  const isPast = ({ object }: { object: { metadata: { resourceVersion?: string } } }) =>
    Number(object.metadata.resourceVersion) >= revision;
  while (free.events.filter(isPast).length < 2) await free.take(free.events.length + 1);
  expect(held.events.filter(isPast)).toEqual([]);
  release();
  while (!held.events.some(isPast)) await held.take(held.events.length + 1);
  expect(held.events.find(isPast)?.type).toBe('ADDED');
});

test('a pause answers nothing, and afterwards everything', async () => {
  using stream = await client.watch(`${PATHS.configMaps}?resourceVersion=0`);
  const goOn = server.faults.pause();
  const asked = client.get(PATHS.configMaps);
  const probe = () => server.apply([configMap('c')]);
  expect(await isOpen(asked, probe)).toBe(true);
  expect([stream.events, stream.isEnded]).toEqual([[], false]);
  goOn();
  expect((await asked).code).toBe(200);
  await stream.take(1);
  expect(stream.summary).toEqual(['ADDED c']);
});

test('half-open connections never answer again; new ones do', async () => {
  using stream = await client.watch(`${PATHS.configMaps}?resourceVersion=0&timeoutSeconds=1`);
  await client.get(PATHS.configMaps);
  server.faults.halfOpen();
  await server.apply([configMap('c')]);
  const fresh = new Client(server);
  const asked = client.get(PATHS.configMaps).catch(() => 'cut');
  expect(await isOpen(asked, () => fresh.get(PATHS.configMaps))).toBe(true);
  expect([stream.events, stream.isEnded]).toEqual([[], false]);
});

test('a stopped server refuses, and comes back with its objects on the same port', async () => {
  await server.apply([configMap('c')]);
  const { url } = server;
  using stream = await client.watch(`${PATHS.configMaps}?resourceVersion=${server.revision}`);
  await server.stop();
  await stream.ended;
  await expect(client.get(PATHS.configMaps)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await server.start();
  expect([server.url, (await client.get(`${PATHS.configMaps}/c`)).code]).toEqual([url, 200]);
});

test('a server stops under clients that have not ended their handshake', async () => {
  await using secure = await startApiServer({ tls: true });
  const silent = connect({ port: Number(new URL(secure.url).port), host: '127.0.0.1' }).on('error', () => {});
  await once(silent, 'connect');
  // It has accepted the silent one too: that was before this one in the queue.
  await new Client(secure).get('/version');
  const closed = once(silent, 'close');
  await secure.stop();
  await closed;
});

test('compaction reaches a client that has seen everything', async () => {
  const { body } = await client.get(PATHS.configMaps);
  server.compact();
  using stream = await client.watch(`${PATHS.configMaps}?resourceVersion=${body.metadata.resourceVersion}`);
  await stream.ended;
  expect(stream.events).toMatchObject([{ type: 'ERROR', object: { code: 410 } }]);
});

describe('the request log', () => {
  test('counts by verb and resource', async () => {
    await client.post(PATHS.configMaps, configMap('c'));
    await client.get(PATHS.configMaps);
    await client.get(PATHS.configMaps);
    await client.get('/version');
    const { log } = server;
    expect(log.counts()).toEqual({ 'list configmaps': 2, 'create configmaps': 1, 'get /version': 1 });
    expect([
      log.count({ verb: 'write' }),
      log.count({ resource: 'configmaps', status: 200 }),
      log.count({ user: 'admin' }),
    ]).toEqual([1, 2, 4]);
    log.clear();
    expect(log.count()).toBe(0);
  });

  test('tells subresources and failures apart', async () => {
    await client.patch('/apis/networking.k8s.io/v1/namespaces/default/ingresses/i/status', 'merge', {});
    expect(server.log.requests).toMatchObject([
      {
        verb: 'patch',
        resource: 'ingresses.networking.k8s.io/status',
        namespace: 'default',
        name: 'i',
        status: 404,
        userAgent: 'test-client/1.0',
      },
    ]);
  });
});
