// Watches, as recorded from a real server: where they start, what they send, how they end.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type ApiServer, startApiServer } from './server.ts';
import { Client } from './testing/client.ts';
import { configMap, ingress, PATHS, secret } from './testing/manifests.ts';

let server: ApiServer;
let client: Client;

beforeAll(async () => {
  server = await startApiServer();
  client = new Client(server);
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  await client.delete(PATHS.configMaps);
  await server.apply([configMap('a'), configMap('b')]);
});

const watch = (query: string, path: string = PATHS.configMaps) => client.watch(`${path}?${query}`);

test.each(['resourceVersion=0', ''])('a watch with "%s" sends the state first', async (query) => {
  using stream = await watch(query);
  await server.apply([configMap('c')]);
  await stream.take(3);
  expect(stream.summary).toEqual(['ADDED a', 'ADDED b', 'ADDED c']);
});

test('a watch from a list sends what came after it, each event with its own revision', async () => {
  const { body } = await client.get(PATHS.configMaps);
  await client.patch(`${PATHS.configMaps}/a`, 'merge', { data: { x: '1' } });
  const deleted = server.get('v1', 'ConfigMap', 'default', 'b');
  await client.delete(`${PATHS.configMaps}/b`);
  using stream = await watch(`resourceVersion=${body.metadata.resourceVersion}`);
  await server.apply([configMap('c')]);
  const events = await stream.take(3);
  expect(stream.summary).toEqual(['MODIFIED a', 'DELETED b', 'ADDED c']);
  const revisions = events.map(({ object }) => Number(object.metadata.resourceVersion));
  expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
  expect(revisions[1]).toBeGreaterThan(Number(deleted?.metadata.resourceVersion));
  expect(events[0]?.object).toMatchObject({ kind: 'ConfigMap', apiVersion: 'v1' });
});

test('a stream ends at timeoutSeconds, cleanly', async () => {
  using stream = await watch(`resourceVersion=${server.revision}&timeoutSeconds=1`);
  const startedAtMs = performance.now();
  await stream.ended;
  expect(stream.events).toEqual([]);
  expect(performance.now() - startedAtMs).toBeGreaterThan(900);
});

test('bookmarks come shortly before the end, for who allows them', async () => {
  const query = `resourceVersion=${server.revision}&timeoutSeconds=2`;
  using quiet = await watch(query);
  using stream = await watch(`${query}&allowWatchBookmarks=true`);
  await Promise.all([stream.ended, quiet.ended]);
  expect(quiet.events).toEqual([]);
  expect(stream.events.map(({ type, object }) => ({ type, object }))).toEqual([
    {
      type: 'BOOKMARK',
      object: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { resourceVersion: String(server.revision) } },
    },
  ]);
});

test('bookmarks come at each interval as well', async () => {
  await using other = await startApiServer({ bookmarkIntervalMs: 20, tls: false });
  using stream = await new Client(other).watch(
    `${PATHS.configMaps}?resourceVersion=${other.revision}&allowWatchBookmarks=1`,
    {},
  );
  const events = await stream.take(2);
  expect(events.map(({ type }) => type)).toEqual(['BOOKMARK', 'BOOKMARK']);
});

test('a streaming list ends its state with a marked bookmark', async () => {
  using stream = await watch('sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true');
  const events = await stream.take(3);
  expect(stream.summary).toEqual(['ADDED a', 'ADDED b', 'BOOKMARK']);
  expect(events[2]?.object.metadata).toEqual({
    resourceVersion: String(server.revision),
    annotations: { 'k8s.io/initial-events-end': 'true' },
  });
  await server.apply([configMap('c')]);
  await stream.take(4);
  expect(stream.summary[3]).toBe('ADDED c');
});

test('sendInitialEvents without its match rule is refused', async () => {
  const { code, body } = await client.get(`${PATHS.configMaps}?watch=1&sendInitialEvents=true`);
  expect([code, body.reason]).toEqual([422, 'Invalid']);
});

test('a watch from a future revision hangs until the world is there', async () => {
  using stream = await watch(`resourceVersion=${server.revision + 2}&timeoutSeconds=1`);
  await server.apply([configMap('c'), configMap('d'), configMap('e')]);
  await stream.ended;
  expect(stream.summary).toEqual(['ADDED e']);
});

test('a watch from a revision that is no number is a 500', async () => {
  expect((await client.get(`${PATHS.configMaps}?watch=1&resourceVersion=abc`)).code).toBe(500);
});

test('a no-op patch sends nothing and keeps the revision', async () => {
  const { revision } = server;
  using stream = await watch(`resourceVersion=${revision}`);
  const same = await client.patch(`${PATHS.configMaps}/a`, 'merge', { metadata: { labels: null } });
  expect(same.code).toBe(200);
  expect(server.revision).toBe(revision);
  await client.delete(`${PATHS.configMaps}/a`);
  await stream.take(1);
  expect(stream.summary).toEqual(['DELETED a']);
});

test('a status write is one event', async () => {
  await server.apply([ingress('i')]);
  using stream = await watch(`resourceVersion=${server.revision}`, PATHS.ingresses);
  await client.patch(`${PATHS.ingresses}/i/status`, 'merge', {
    status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } },
  });
  await client.delete(`${PATHS.ingresses}/i`);
  await stream.take(2);
  expect(stream.summary).toEqual(['MODIFIED i', 'DELETED i']);
});

test('after compaction a watch from before is an ERROR event in a 200', async () => {
  const { revision } = server;
  server.compact();
  using stream = await watch(`resourceVersion=${revision}`);
  await stream.ended;
  expect([stream.code, stream.events.length]).toEqual([200, 1]);
  expect(stream.events[0]).toMatchObject({
    type: 'ERROR',
    object: {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: `too old resource version: ${revision} (${server.revision})`,
      reason: 'Expired',
      code: 410,
    },
  });
});

describe('selectors', () => {
  test('an object that leaves the selection is deleted, one that enters is added', async () => {
    using stream = await watch('resourceVersion=0&labelSelector=app=web');
    const label = (name: string, app: string | null) =>
      client.patch(`${PATHS.configMaps}/${name}`, 'merge', { metadata: { labels: { app } } });
    await label('a', 'web');
    await client.patch(`${PATHS.configMaps}/a`, 'merge', { data: { x: '1' } });
    await label('a', 'api');
    await label('b', 'api');
    await label('a', 'web');
    const events = await stream.take(4);
    expect(stream.summary).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a', 'ADDED a']);
    expect(events[2]?.object).toMatchObject({ metadata: { labels: { app: 'web' } } });
  });

  test('one object is watched by its name', async () => {
    using stream = await watch('resourceVersion=0&fieldSelector=metadata.name=s', PATHS.secrets);
    await server.apply([secret('other', 'Opaque', {}), secret('s', 'Opaque', {})]);
    await stream.take(1);
    expect(stream.summary).toEqual(['ADDED s']);
  });

  test('one namespace is watched', async () => {
    using stream = await watch(`resourceVersion=${server.revision}`, '/api/v1/namespaces/elsewhere/configmaps');
    await server.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'elsewhere' } },
      configMap('c'),
      configMap('d', {}, 'elsewhere'),
    ]);
    await stream.take(1);
    expect(stream.summary).toEqual(['ADDED d']);
  });
});

test('events of one kind reach watches of both Event groups', async () => {
  using core = await watch(`resourceVersion=${server.revision}`, PATHS.events);
  using modern = await watch(`resourceVersion=${server.revision}`, PATHS.newEvents);
  await client.post(PATHS.events, {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e1' },
    involvedObject: { kind: 'Ingress', name: 'i', namespace: 'default' },
    message: 'hello',
    type: 'Normal',
    count: 2,
  });
  const [stored] = await core.take(1);
  const [renamed] = await modern.take(1);
  expect(stored?.object).toMatchObject({ apiVersion: 'v1', message: 'hello', involvedObject: { name: 'i' } });
  expect(renamed?.object).toMatchObject({
    apiVersion: 'events.k8s.io/v1',
    note: 'hello',
    regarding: { name: 'i' },
    deprecatedCount: 2,
  });
});
