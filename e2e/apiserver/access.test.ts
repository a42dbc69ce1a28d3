// Tokens and RBAC: who is let in, and who may do what.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { type ApiServer, startApiServer } from './server.ts';
import { Client } from './testing/client.ts';
import { configMap, ingress, PATHS, secret } from './testing/manifests.ts';

let server: ApiServer;
let client: Client;

const CONTROLLER = 'system:serviceaccount:default:controller';

function role(name: string, rules: readonly object[]) {
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name }, rules };
}

function binding(name: string, subjects: readonly object[], roleRef: object) {
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name }, subjects, roleRef };
}

beforeAll(async () => {
  server = await startApiServer({
    tokens: {
      reader: {
        name: 'reader',
        rules: [{ apiGroups: ['networking.k8s.io'], resources: ['ingresses'], verbs: ['get', 'list'] }],
      },
    },
  });
  client = new Client(server);
  server.users.add({ name: CONTROLLER }, 'controller');
  await server.apply([
    ingress('i'),
    configMap('c'),
    secret('mine', 'Opaque', { a: 'Yg==' }),
    secret('other', 'Opaque', { a: 'Yg==' }),
    role('one-secret', [
      { apiGroups: [''], resources: ['secrets'], resourceNames: ['mine'], verbs: ['get', 'list', 'watch'] },
    ]),
    binding('one-secret', [{ kind: 'ServiceAccount', name: 'controller', namespace: 'default' }], {
      kind: 'Role',
      name: 'one-secret',
    }),
    {
      ...role('status', [{ apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['patch'] }]),
      kind: 'ClusterRole',
    },
    binding('status', [{ kind: 'Group', name: 'system:serviceaccounts:default' }], {
      kind: 'ClusterRole',
      name: 'status',
    }),
  ]);
});
afterAll(() => server[Symbol.asyncDispose]());

test('a wrong token is a 401', async () => {
  const { code, body } = await client.get(PATHS.ingresses, { token: 'wrong' });
  expect([code, body.reason, body.message]).toEqual([401, 'Unauthorized', 'Unauthorized']);
});

test('no token is the anonymous user, who may only ask for health and version', async () => {
  const refused = await client.get(PATHS.ingresses, { token: null });
  expect([refused.code, refused.body.message]).toEqual([
    403,
    'ingresses.networking.k8s.io is forbidden: User "system:anonymous" cannot list resource "ingresses" in API group "networking.k8s.io" in the namespace "default"',
  ]);
  expect((await client.get('/readyz', { token: null })).code).toBe(200);
  expect((await client.get('/api', { token: null })).body.message).toBe(
    'forbidden: User "system:anonymous" cannot get path "/api"',
  );
});

describe('rules given with a user', () => {
  test.each([
    ['GET', PATHS.ingresses, 200],
    ['GET', '/apis/networking.k8s.io/v1/ingresses', 200],
    ['GET', `${PATHS.ingresses}/i`, 200],
    ['GET', `${PATHS.ingresses}?watch=1&timeoutSeconds=1`, 403],
    ['DELETE', `${PATHS.ingresses}/i`, 403],
    ['GET', PATHS.configMaps, 403],
    ['GET', '/api/v1', 200],
  ])('%s %s is a %d', async (method, path, code) => {
    expect((await client.call(method, path, { token: 'reader' })).code).toBe(code);
  });
});

describe('roles bound to a service account', () => {
  test.each([
    ['GET', `${PATHS.secrets}/mine`, 200],
    ['GET', `${PATHS.secrets}?fieldSelector=metadata.name=mine`, 200],
    ['GET', `${PATHS.secrets}?fieldSelector=metadata.name=other`, 403],
    ['GET', `${PATHS.secrets}/other`, 403],
    ['GET', PATHS.secrets, 403],
    ['GET', '/api/v1/secrets?fieldSelector=metadata.name=mine', 403],
  ])('%s %s is a %d', async (method, path, code) => {
    expect((await client.call(method, path, { token: 'controller' })).code).toBe(code);
  });

  test('a subresource is a resource of its own', async () => {
    const patch = { metadata: { annotations: { a: 'b' } } };
    const token = 'controller';
    expect((await client.patch(`${PATHS.ingresses}/i/status`, 'merge', patch, { token })).code).toBe(200);
    const { code, body } = await client.patch(`${PATHS.ingresses}/i`, 'merge', patch, { token });
    expect([code, body.message]).toEqual([
      403,
      `ingresses.networking.k8s.io "i" is forbidden: User "${CONTROLLER}" cannot patch resource "ingresses" in API group "networking.k8s.io" in the namespace "default"`,
    ]);
  });
});

test('a token can be replaced while the server runs', async () => {
  const old = server.users.add({ name: 'rotating', groups: ['system:masters'] });
  const next = server.users.add({ name: 'rotating', groups: ['system:masters'] });
  using stream = await client.watch(`${PATHS.configMaps}?resourceVersion=${server.revision}`, { token: old });
  server.users.revoke(old);
  expect((await client.get(PATHS.configMaps, { token: old })).code).toBe(401);
  expect((await client.get(PATHS.configMaps, { token: next })).code).toBe(200);
  await server.apply([configMap('after-rotation')]);
  await stream.take(1);
  expect(stream.summary).toEqual(['ADDED after-rotation']);
});

test('a service account gets a token by TokenRequest', async () => {
  await server.apply([{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'controller' } }]);
  const { code, body } = await client.post('/api/v1/namespaces/default/serviceaccounts/controller/token', {});
  expect(code).toBe(201);
  const { token } = body.status as { token: string };
  expect((await client.get(`${PATHS.secrets}/mine`, { token })).code).toBe(200);
});

test.each([
  ['list', true],
  ['delete', false],
])('can-i %s ingresses is answered', async (verb, allowed) => {
  const review = {
    spec: { resourceAttributes: { verb, group: 'networking.k8s.io', resource: 'ingresses', namespace: 'default' } },
  };
  const { body } = await client.post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', review, {
    token: 'reader',
  });
  expect(body.status).toMatchObject({ allowed });
});

test('a kubeconfig names server, CA and token', () => {
  expect(parse(server.kubeconfig('reader'))).toMatchObject({
    clusters: [
      { cluster: { server: server.url, 'certificate-authority-data': Buffer.from(server.caPem).toString('base64') } },
    ],
    users: [{ user: { token: 'reader' } }],
    'current-context': 'test',
  });
});
