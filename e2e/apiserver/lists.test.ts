// Lists, as recorded from a real server: pages, resourceVersion rules, expired continue tokens, selectors, forms.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type ApiServer, startApiServer } from './server.ts';
import { Client, type Response } from './testing/client.ts';
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
  await client.delete(PATHS.secrets);
  await server.apply(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => configMap(name)));
});

const list = (query = '') => client.get(PATHS.configMaps + query);
const namesOf = ({ body }: Pick<Response, 'body'>) => body.items.map(({ metadata }) => metadata.name);

test('a page says how many are left and where to go on', async () => {
  const { body } = await list('?limit=3');
  expect(namesOf({ body })).toEqual(['a', 'b', 'c']);
  expect(body).toMatchObject({ kind: 'ConfigMapList', apiVersion: 'v1', metadata: { remainingItemCount: 4 } });
  expect(body.metadata.continue).toMatch(/^[\w-]+$/);
});

test('items carry neither kind nor apiVersion', async () => {
  const { body } = await list();
  expect(body.items[0]).not.toHaveProperty('kind');
  expect(body.items[0]).not.toHaveProperty('apiVersion');
});

test('all pages are of one revision, whatever happens in between', async () => {
  const first = await list('?limit=3');
  await client.post(PATHS.configMaps, configMap('cc'));
  await client.delete(`${PATHS.configMaps}/e`);
  await client.patch(`${PATHS.configMaps}/f`, 'merge', { data: { x: 'new' } });
  const second = await list(`?limit=3&continue=${first.body.metadata.continue}`);
  const third = await list(`?limit=3&continue=${second.body.metadata.continue}`);
  expect([...namesOf(second), ...namesOf(third)]).toEqual(['d', 'e', 'f', 'g']);
  expect(second.body.items[2]?.data).toBeUndefined();
  expect(second.body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
  expect(third.body.metadata.continue).toBeUndefined();
});

test('limit with resourceVersion=0 is answered whole', async () => {
  const { body } = await list('?limit=3&resourceVersion=0');
  expect([body.items.length, body.metadata.continue]).toEqual([7, undefined]);
});

test('a selector hides how many are left', async () => {
  const { body } = await list('?limit=3&labelSelector=!x');
  expect([body.metadata.continue === undefined, body.metadata.remainingItemCount]).toEqual([false, undefined]);
});

test('a list of a future revision is a 504', async () => {
  const future = server.revision + 100_000;
  const { code, body } = await list(`?resourceVersion=${future}`);
  expect([code, body.reason, body.message]).toEqual([
    504,
    'Timeout',
    `Timeout: Too large resource version: ${future}, current: ${server.revision}`,
  ]);
});

test('Exact answers the state of that revision', async () => {
  const { revision } = server;
  await client.delete(`${PATHS.configMaps}/a`);
  const { body } = await list(`?resourceVersion=${revision}&resourceVersionMatch=Exact`);
  expect([body.items.length, body.metadata.resourceVersion]).toEqual([7, String(revision)]);
});

test.each([
  ['resourceVersionMatch=Exact', 'resourceVersionMatch is forbidden unless resourceVersion is provided'],
  ['resourceVersionMatch=Exact&resourceVersion=0', 'forbidden for resourceVersion "0"'],
  ['resourceVersionMatch=Newest&resourceVersion=1', 'Unsupported value: "Newest"'],
  ['sendInitialEvents=true', 'sendInitialEvents is forbidden for list'],
])('%s is refused', async (query, words) => {
  const { code, body } = await list(`?${query}`);
  expect([code, body.reason]).toEqual([422, 'Invalid']);
  expect(body.message).toContain(words);
});

describe('after compaction', () => {
  test('a continue token is a 410 that offers another', async () => {
    const first = await list('?limit=3');
    server.compact();
    const { code, body } = await list(`?limit=3&continue=${first.body.metadata.continue}`);
    expect([code, body.reason, body.kind]).toEqual([410, 'Expired', 'Status']);
    expect(body.message).toMatch(/^The provided continue parameter is too old to display a consistent list result\./);
    await client.post(PATHS.configMaps, configMap('cc'));
    const rest = await list(`?continue=${body.metadata.continue}`);
    expect(namesOf(rest)).toEqual(['cc', 'd', 'e', 'f', 'g']);
    expect(rest.body.metadata.resourceVersion).toBe(String(server.revision));
  });

  test('Exact at an older revision is a 410', async () => {
    const { revision } = server;
    server.compact();
    const { code, body } = await list(`?resourceVersion=${revision}&resourceVersionMatch=Exact`);
    expect([code, body.reason, body.message]).toEqual([
      410,
      'Expired',
      'The resourceVersion for the provided list is too old.',
    ]);
  });

  test('an ordinary list is as before', async () => {
    server.compact();
    expect((await list()).body.items.length).toBe(7);
  });
});

test('a broken continue token is a 400', async () => {
  expect((await list('?continue=nonsense')).code).toBe(400);
});

test.each([
  ['labelSelector=app=web', ['x']],
  ['labelSelector=app!=web', ['y', 'z']],
  ['labelSelector=app', ['x', 'y']],
  ['labelSelector=!app', ['z']],
  ['labelSelector=app in (web, api)', ['x', 'y']],
  ['labelSelector=app notin (web),tier=1', ['y']],
  ['fieldSelector=metadata.name=y', ['y']],
  ['fieldSelector=metadata.name!=y', ['x', 'z']],
  ['fieldSelector=type=kubernetes.io/tls', ['x']],
  ['fieldSelector=type!=kubernetes.io/tls,metadata.namespace=default', ['y', 'z']],
])('%s selects %j', async (query, names) => {
  const labelled = (name: string, type: string, labels: object) => ({
    ...secret(name, type, { 'tls.crt': '', 'tls.key': '' }),
    metadata: { name, namespace: 'default', labels },
  });
  await server.apply([
    labelled('x', 'kubernetes.io/tls', { app: 'web' }),
    labelled('y', 'Opaque', { app: 'api', tier: '1' }),
    labelled('z', 'Opaque', {}),
  ]);
  const response = await client.get(`${PATHS.secrets}?${query.replaceAll(' ', '%20')}`);
  expect(namesOf(response)).toEqual(names);
});

test.each(['fieldSelector=spec.x=1', 'labelSelector=a%20b', 'fieldSelector=nonsense'])('%s is a 400', async (query) => {
  expect((await list(`?${query}`)).code).toBe(400);
});

test('above 128 KiB a list is compressed for who accepts it', async () => {
  await server.apply([configMap('big', { text: 'x'.repeat(200_000) })]);
  const headers = { 'accept-encoding': 'gzip' };
  const big = await client.get(PATHS.configMaps, { headers });
  expect(big.headers).toMatchObject({ 'content-encoding': 'gzip', 'transfer-encoding': 'chunked' });
  expect(big.body.items.length).toBe(8);
  const small = await client.get(`${PATHS.configMaps}?limit=1`, { headers });
  expect(small.headers['content-encoding']).toBeUndefined();
});

test('a Table has the columns kubectl prints', async () => {
  await server.apply([{ ...ingress('i'), status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } }]);
  const { body } = await client.get(PATHS.ingresses, {
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
  });
  expect(body).toMatchObject({ kind: 'Table', apiVersion: 'meta.k8s.io/v1' });
  expect(body.columnDefinitions.map(({ name }: { name: string }) => name)).toEqual([
    'Name',
    'Class',
    'Hosts',
    'Address',
    'Ports',
    'Age',
  ]);
  expect(body.rows[0]?.cells.slice(0, 5)).toEqual(['i', '<none>', 'a.test', '1.2.3.4', '80']);
  expect(body.rows[0]?.object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'i' } });
});

test('metadata alone is listed without content', async () => {
  await server.apply([secret('s', 'Opaque', { a: 'Yg==' })]);
  const accept = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
  const { body } = await client.get(`${PATHS.secrets}?fieldSelector=metadata.name=s`, { headers: { accept } });
  expect(body.kind).toBe('PartialObjectMetadataList');
  expect(Object.keys(body.items[0] ?? {})).toEqual(['kind', 'apiVersion', 'metadata']);
});

test('all namespaces are listed at once', async () => {
  await server.apply([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } },
    configMap('a', {}, 'other'),
  ]);
  const { body } = await client.get('/api/v1/configmaps?fieldSelector=metadata.name=a');
  expect(body.items.map(({ metadata }) => metadata.namespace)).toEqual(['default', 'other']);
});
