// Writes, as recorded from a real server: status, conflicts, patches, ownership, Leases, deletion.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type ApiServer, startApiServer } from './server.ts';
import { Client } from './testing/client.ts';
import { configMap, endpointSlice, ingress, lease, PATHS, secret, service } from './testing/manifests.ts';

let server: ApiServer;
let client: Client;

beforeAll(async () => {
  server = await startApiServer();
  client = new Client(server);
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const path of [PATHS.ingresses, PATHS.configMaps, PATHS.services, PATHS.leases, PATHS.deployments])
    await client.delete(path);
});

const ADDRESS = { loadBalancer: { ingress: [{ ip: '10.0.0.1' }] } };
const CHANGED = 'the object has been modified; please apply your changes to the latest version and try again';

describe('status', () => {
  test('given on create is dropped', async () => {
    const { body } = await client.post(PATHS.ingresses, { ...ingress('i'), status: ADDRESS });
    expect([body.status, body.metadata.generation, body.metadata.managedFields?.length]).toEqual([
      { loadBalancer: {} },
      1,
      1,
    ]);
  });

  test('patched on the main resource changes nothing', async () => {
    const { body: before } = await client.post(PATHS.ingresses, ingress('i'));
    const { body: after } = await client.patch(`${PATHS.ingresses}/i`, 'merge', { status: ADDRESS });
    expect(after).toEqual(before);
  });

  test('is written on /status, with metadata but without spec', async () => {
    await client.post(PATHS.ingresses, ingress('i'));
    const patch = { status: ADDRESS, spec: { ingressClassName: 'x' }, metadata: { annotations: { a: 'b' } } };
    const { body } = await client.patch(`${PATHS.ingresses}/i/status`, 'merge', patch);
    expect([body.status, body.spec.ingressClassName, body.metadata.annotations, body.metadata.generation]).toEqual([
      ADDRESS,
      undefined,
      { a: 'b' },
      1,
    ]);
  });

  test('is owned apart from the rest', async () => {
    await client.post(PATHS.ingresses, ingress('i'));
    const { body } = await client.patch(`${PATHS.ingresses}/i/status`, 'merge', { status: ADDRESS });
    expect(body.metadata.managedFields).toMatchObject([
      { manager: 'test-client', operation: 'Update', fieldsV1: { 'f:spec': { 'f:rules': {} } } },
      {
        manager: 'test-client',
        operation: 'Update',
        subresource: 'status',
        fieldsV1: { 'f:status': { 'f:loadBalancer': { 'f:ingress': {} } } },
      },
    ]);
  });

  test('of another manager conflicts, and force replaces the whole list', async () => {
    await client.post(PATHS.ingresses, ingress('i'));
    const headers = { 'user-agent': '' };
    await client.patch(
      `${PATHS.ingresses}/i/status`,
      'merge',
      { status: { loadBalancer: { ingress: [{ ip: '1.1.1.1' }, { ip: '2.2.2.2' }] } } },
      { headers },
    );
    const wish = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'i' }, status: ADDRESS };
    const refused = await client.patch(`${PATHS.ingresses}/i/status?fieldManager=sluice`, 'apply', wish);
    expect([refused.code, refused.body.reason, refused.body.message]).toEqual([
      409,
      'Conflict',
      'Apply failed with 1 conflict: conflict with "unknown" with subresource "status" using networking.k8s.io/v1: .status.loadBalancer.ingress',
    ]);
    const forced = await client.patch(`${PATHS.ingresses}/i/status?fieldManager=sluice&force=true`, 'apply', wish);
    expect([forced.code, forced.body.status]).toEqual([200, ADDRESS]);
  });
});

describe('an old resourceVersion', () => {
  test.each(['put', 'merge'] as const)('conflicts on %s', async (verb) => {
    const { body: old } = await client.post(PATHS.ingresses, ingress('i'));
    await client.patch(`${PATHS.ingresses}/i`, 'merge', { metadata: { labels: { a: 'b' } } });
    const path = `${PATHS.ingresses}/i`;
    const { code, body } =
      verb === 'put'
        ? await client.put(path, old)
        : await client.patch(path, 'merge', { metadata: { resourceVersion: old.metadata.resourceVersion } });
    expect([code, body.reason, body.message]).toEqual([
      409,
      'Conflict',
      `Operation cannot be fulfilled on ingresses.networking.k8s.io "i": ${CHANGED}`,
    ]);
    expect(body.details).toEqual({ name: 'i', group: 'networking.k8s.io', kind: 'ingresses' });
  });

  test('of a Lease conflicts as well, and a release is an ordinary update', async () => {
    const { body: first } = await client.post(
      PATHS.leases,
      lease('l', { holderIdentity: 'a', leaseDurationSeconds: 15 }),
    );
    const held = await client.put(`${PATHS.leases}/l`, first);
    expect(held.code).toBe(200);
    const released = await client.put(`${PATHS.leases}/l`, { ...first, spec: { ...first.spec, holderIdentity: '' } });
    expect([released.code, released.body.spec.holderIdentity]).toEqual([200, '']);
    const stale = await client.put(`${PATHS.leases}/l`, first);
    expect([stale.code, stale.body.message]).toEqual([
      409,
      `Operation cannot be fulfilled on leases.coordination.k8s.io "l": ${CHANGED}`,
    ]);
  });

  test('is needed to update a Lease, not an Ingress', async () => {
    await client.post(PATHS.leases, lease('l', {}));
    await client.post(PATHS.ingresses, ingress('i'));
    expect((await client.put(`${PATHS.leases}/l`, lease('l', {}))).code).toBe(422);
    expect(
      (await client.put(`${PATHS.ingresses}/i`, ingress('i', { ingressClassName: 'x' }))).body.metadata.generation,
    ).toBe(2);
  });
});

test.each([
  ['PUT of a Lease makes it where it is missing', PATHS.leases, lease('l', { holderIdentity: 'a' }), 201],
  [
    'PUT of a Lease with the uid of an old one does not',
    PATHS.leases,
    { ...lease('l', {}), metadata: { name: 'l', uid: 'old' } },
    409,
  ],
  ['PUT of a missing Ingress is a 404', PATHS.ingresses, ingress('l'), 404],
])('%s', async (_name, path, body, code) => {
  expect((await client.put(`${path}/l`, body)).code).toBe(code);
});

test('concurrent patches without resourceVersion all get through', async () => {
  await client.post(PATHS.configMaps, configMap('c'));
  const patches = Array.from({ length: 10 }, (_, index) =>
    client.patch(`${PATHS.configMaps}/c`, 'merge', { data: { [`k${index}`]: 'v' } }),
  );
  expect((await Promise.all(patches)).map(({ code }) => code)).toEqual(Array(10).fill(200));
  expect(Object.keys((server.get('v1', 'ConfigMap', 'default', 'c')?.['data'] ?? {}) as object).length).toBe(10);
});

describe('server-side apply', () => {
  const wish = (data: object) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data });
  const apply = (manager: string, data: object, force = false) =>
    client.patch(`${PATHS.configMaps}/c?fieldManager=${manager}&force=${force}`, 'apply', wish(data));

  test('needs a fieldManager', async () => {
    const { code, body } = await client.patch(`${PATHS.configMaps}/c`, 'apply', wish({}));
    expect([code, body.message]).toEqual([
      422,
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    ]);
  });

  test('creates, changes, and is a no-op the third time', async () => {
    expect((await apply('a', { x: '1' })).code).toBe(201);
    const changed = await apply('a', { x: '2' });
    const again = await apply('a', { x: '2' });
    expect([changed.code, changed.body.data]).toEqual([200, { x: '2' }]);
    expect(again.body.metadata.resourceVersion).toBe(changed.body.metadata.resourceVersion);
  });

  test('removes what the manager no longer names, and nothing of others', async () => {
    await apply('a', { x: '1', y: '1' });
    await apply('b', { y: '1', z: '1' });
    expect((await apply('a', {})).body.data).toEqual({ y: '1', z: '1' });
    expect((await apply('b', { z: '1' })).body.data).toEqual({ z: '1' });
  });

  test('names all conflicts, by manager', async () => {
    await apply('a', { x: '1', y: '1' });
    const { code, body } = await apply('b', { x: '2', y: '2' });
    expect([code, body.message]).toEqual([
      409,
      'Apply failed with 2 conflicts: conflicts with "a":\n- .data.x\n- .data.y',
    ]);
    expect(body.details.causes[0]).toEqual({
      reason: 'FieldManagerConflict',
      message: 'conflict with "a"',
      field: '.data.x',
    });
  });

  test('forced, takes the field away from its owner', async () => {
    await apply('a', { x: '1' });
    await apply('b', { x: '2' }, true);
    expect((await apply('a', {})).body.data).toEqual({ x: '2' });
  });

  test('merges Service ports by port and protocol', async () => {
    const ports = (manager: string, port: object) =>
      client.patch(`${PATHS.services}/s?fieldManager=${manager}`, 'apply', {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 's' },
        spec: { ports: [port] },
      });
    await ports('a', { name: 'http', port: 80 });
    const both = await ports('b', { name: 'https', port: 443 });
    expect(both.body.spec.ports.map(({ port }) => port)).toEqual([80, 443]);
    const left = await client.patch(`${PATHS.services}/s?fieldManager=a`, 'apply', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's' },
    });
    expect(left.body.spec.ports).toMatchObject([{ name: 'https', port: 443, protocol: 'TCP', targetPort: 443 }]);
  });

  test('keeps what others put into an object that a manager owned empty', async () => {
    await client.post(PATHS.ingresses, ingress('i'));
    const status = (manager: string, content: object) =>
      client.patch(`${PATHS.ingresses}/i/status?fieldManager=${manager}`, 'apply', {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { name: 'i' },
        ...content,
      });
    await status('a', { status: { loadBalancer: {} } });
    await status('b', { status: ADDRESS });
    expect((await status('a', {})).body.status).toEqual(ADDRESS);
  });

  test('reads YAML', async () => {
    const text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {x: "1"}\n';
    expect((await client.patch(`${PATHS.configMaps}/c?fieldManager=a`, 'apply', text)).body.data).toEqual({ x: '1' });
  });
});

describe('other patches', () => {
  test('a JSON patch that does not fit is a 422 with the reason', async () => {
    await client.post(PATHS.configMaps, configMap('c', { x: '1' }));
    const { code, body } = await client.patch(`${PATHS.configMaps}/c`, 'json', [
      { op: 'test', path: '/data/x', value: '2' },
    ]);
    expect([code, body.reason, body.details.causes[0]?.message]).toEqual([
      422,
      'Invalid',
      'testing value /data/x failed: test failed',
    ]);
  });

  test('a strategic patch merges Service ports by number', async () => {
    await client.post(
      PATHS.services,
      service('s', {
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 81 },
        ],
      }),
    );
    const patch = {
      spec: {
        ports: [
          { port: 81, $patch: 'delete' },
          { port: 80, targetPort: 'web' },
        ],
      },
    };
    const { body } = await client.patch(`${PATHS.services}/s`, 'strategic', patch);
    expect(body.spec.ports).toEqual([{ name: 'a', protocol: 'TCP', port: 80, targetPort: 'web' }]);
  });

  test('an unknown patch type is a 415', async () => {
    await client.post(PATHS.configMaps, configMap('c'));
    expect((await client.call('PATCH', `${PATHS.configMaps}/c`, { body: {} })).code).toBe(415);
  });
});

test('managedFields take their share of an Ingress', async () => {
  const { body } = await client.post(
    PATHS.ingresses,
    ingress('i', {}, { annotations: { a: 'b' }, labels: { c: 'd' } }),
  );
  expect(body.metadata.managedFields?.[0]?.fieldsV1).toEqual({
    'f:metadata': { 'f:annotations': { '.': {}, 'f:a': {} }, 'f:labels': { '.': {}, 'f:c': {} } },
    'f:spec': { 'f:rules': {} },
  });
});

test('a Secret is written by stringData and read as data', async () => {
  const { body } = await client.post(PATHS.secrets, { ...secret('s1', 'Opaque', {}), stringData: { a: 'b' } });
  expect([body.data, body.stringData]).toEqual([{ a: 'Yg==' }, undefined]);
});

test('a dry run answers and writes nothing', async () => {
  const { code, body } = await client.post(`${PATHS.configMaps}?dryRun=All`, configMap('c'));
  expect([code, body.metadata.uid !== undefined, server.get('v1', 'ConfigMap', 'default', 'c')]).toEqual([
    201,
    true,
    undefined,
  ]);
});

test('scale reads and writes replicas', async () => {
  const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  await server.apply([
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd' },
      spec: { selector: { matchLabels: { app: 'a' } }, template },
    },
  ]);
  const path = `${PATHS.deployments}/d/scale`;
  expect((await client.get(path)).body).toMatchObject({
    kind: 'Scale',
    spec: { replicas: 1 },
    status: { selector: 'app=a' },
  });
  expect((await client.patch(path, 'merge', { spec: { replicas: 3 } })).body.spec).toEqual({ replicas: 3 });
  expect((await client.get(`${PATHS.deployments}/d`)).body.spec.replicas).toBe(3);
});

describe('create', () => {
  test('of what is there is a 409 AlreadyExists', async () => {
    await client.post(PATHS.configMaps, configMap('c'));
    const { code, body } = await client.post(PATHS.configMaps, configMap('c'));
    expect([code, body.reason, body.message]).toEqual([409, 'AlreadyExists', 'configmaps "c" already exists']);
  });

  test('in a namespace that is not there is a 404', async () => {
    const { code, body } = await client.post('/api/v1/namespaces/none/configmaps', configMap('c', {}, 'none'));
    expect([code, body.message]).toEqual([404, 'namespaces "none" not found']);
  });

  test('with generateName makes up a name', async () => {
    const { body } = await client.post(PATHS.configMaps, { ...configMap(''), metadata: { generateName: 'c-' } });
    expect(body.metadata.name).toMatch(/^c-[0-9a-f]{5}$/);
  });

  test('of an events.k8s.io Event is checked in full', async () => {
    const { code, body } = await client.post(PATHS.newEvents, {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: 'e' },
      regarding: { kind: 'Ingress', name: 'i', namespace: 'default' },
      type: 'Normal',
      reason: 'Sync',
    });
    expect(code).toBe(422);
    expect(body.details.causes.map(({ field }) => field)).toEqual([
      'eventTime',
      'reportingController',
      'reportingInstance',
      'action',
    ]);
  });
});

describe('delete', () => {
  test('answers with a Status, and then 404', async () => {
    const { body: made } = await client.post(PATHS.ingresses, ingress('i'));
    const { code, body } = await client.delete(`${PATHS.ingresses}/i`);
    expect([code, body.status, body.details]).toEqual([
      200,
      'Success',
      { name: 'i', group: 'networking.k8s.io', kind: 'ingresses', uid: made.metadata.uid },
    ]);
    const gone = await client.get(`${PATHS.ingresses}/i`);
    expect([gone.code, gone.body.message]).toEqual([404, 'ingresses.networking.k8s.io "i" not found']);
  });

  test('with the precondition of another uid is a 409', async () => {
    await client.post(PATHS.ingresses, ingress('i'));
    const { code } = await client.delete(`${PATHS.ingresses}/i`, { body: { preconditions: { uid: 'x' } } });
    expect(code).toBe(409);
  });

  test('waits for finalizers', async () => {
    await client.post(PATHS.configMaps, { ...configMap('c'), metadata: { name: 'c', finalizers: ['x.test/y'] } });
    const marked = await client.delete(`${PATHS.configMaps}/c`);
    expect(marked.body.metadata.deletionTimestamp).toMatch(/Z$/);
    await client.patch(`${PATHS.configMaps}/c`, 'merge', { metadata: { finalizers: null } });
    expect((await client.get(`${PATHS.configMaps}/c`)).code).toBe(404);
  });

  test('takes along what the object owns, but no slice without owner', async () => {
    const { body: owner } = await client.post(PATHS.services, service('s'));
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Service', name: 's', uid: owner.metadata.uid }];
    await server.apply([
      { ...endpointSlice('owned'), metadata: { name: 'owned', ownerReferences } },
      endpointSlice('free'),
    ]);
    await client.delete(`${PATHS.services}/s`);
    const { body } = await client.get(PATHS.endpointSlices);
    expect(body.items.map(({ metadata }) => metadata.name)).toEqual(['free']);
  });

  test('of a Namespace takes along its content', async () => {
    await server.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' } }, configMap('c', {}, 'n')]);
    await client.delete('/api/v1/namespaces/n');
    expect((await client.get('/api/v1/namespaces/n/configmaps/c')).code).toBe(404);
  });
});
