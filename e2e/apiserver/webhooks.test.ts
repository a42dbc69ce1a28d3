// Validating webhooks: whom the server asks, what it sends, and what it makes of the answer.

import { createServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { generateServerCertificate } from './certificates.ts';
import { type ApiServer, startApiServer } from './server.ts';
import { Client } from './testing/client.ts';
import { configMap, ingress, PATHS } from './testing/manifests.ts';

interface Review {
  readonly request: {
    readonly uid: string;
    readonly operation: string;
    readonly name: string;
    readonly object: unknown;
    readonly oldObject: unknown;
    readonly userInfo: object;
    readonly dryRun: boolean;
  };
}

let server: ApiServer;
let client: Client;
let port = 0;
let reviews: Review[] = [];
/** What the webhook answers, besides the uid. */
let verdict: object = { allowed: true };
/** Runs while the server waits for the first answer. */
let meanwhile: (() => Promise<unknown>) | null = null;

const listener: RequestListener = (request, response) => {
  request.toArray().then(
    async (parts) => {
      const review = JSON.parse(Buffer.concat(parts as Buffer[]).toString()) as Review;
      reviews.push(review);
      const write = meanwhile;
      meanwhile = null;
      await write?.();
      const answer = {
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        response: { uid: review.request.uid, ...verdict },
      };
      response.end(JSON.stringify(answer));
    },
    () => response.destroy(),
  );
};
const webhookServer = createServer(listener);

beforeAll(async () => {
  server = await startApiServer({ tls: false });
  client = new Client(server);
  await new Promise<void>((resolve) => webhookServer.listen(0, '127.0.0.1', resolve));
  port = (webhookServer.address() as AddressInfo).port;
});
afterAll(async () => {
  webhookServer.closeAllConnections();
  webhookServer.close();
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await client.delete('/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations');
  await client.delete(PATHS.ingresses);
  reviews = [];
  verdict = { allowed: true };
});

const RULE = {
  operations: ['CREATE', 'UPDATE'],
  apiGroups: ['networking.k8s.io'],
  apiVersions: ['v1'],
  resources: ['ingresses'],
};

function register(change: object = {}) {
  const webhook = {
    name: 'check.x.test',
    clientConfig: { url: `http://127.0.0.1:${port}/check` },
    rules: [RULE],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    ...change,
  };
  return server.apply([
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'w' },
      webhooks: [webhook],
    },
  ]);
}

test('a create and an update are asked with new and old object', async () => {
  await register();
  await client.post(PATHS.ingresses, ingress('i'));
  await client.patch(`${PATHS.ingresses}/i`, 'merge', { metadata: { labels: { a: 'b' } } });
  expect(reviews.map(({ request }) => request)).toMatchObject([
    {
      operation: 'CREATE',
      kind: { group: 'networking.k8s.io', version: 'v1', kind: 'Ingress' },
      resource: { group: 'networking.k8s.io', version: 'v1', resource: 'ingresses' },
      name: 'i',
      namespace: 'default',
      userInfo: { username: 'admin' },
      object: { metadata: { name: 'i' }, spec: { rules: [{ host: 'a.test' }] } },
      oldObject: null,
      dryRun: false,
    },
    { operation: 'UPDATE', object: { metadata: { labels: { a: 'b' } } }, oldObject: { metadata: { name: 'i' } } },
  ]);
});

test('a no-op, a delete, a status write and another kind are not asked', async () => {
  await register();
  await client.post(PATHS.ingresses, ingress('i'));
  reviews = [];
  await client.patch(`${PATHS.ingresses}/i`, 'merge', {});
  await client.patch(`${PATHS.ingresses}/i/status`, 'merge', { metadata: { labels: { a: 'b' } } });
  await client.post(PATHS.configMaps, configMap('c'));
  await client.delete(`${PATHS.ingresses}/i`);
  expect(reviews).toEqual([]);
});

test('a refusal is passed on with its words and code, and nothing is written', async () => {
  await register();
  verdict = { allowed: false, status: { code: 422, reason: 'Invalid', message: 'host a.test is taken' } };
  const { code, body } = await client.post(PATHS.ingresses, ingress('i'));
  expect([code, body.message]).toEqual([
    422,
    'admission webhook "check.x.test" denied the request: host a.test is taken',
  ]);
  expect(server.get('networking.k8s.io/v1', 'Ingress', 'default', 'i')).toBeUndefined();
});

test('a refusal without status is a 400', async () => {
  await register();
  verdict = { allowed: false };
  const { code, body } = await client.post(PATHS.ingresses, ingress('i'));
  expect([code, body.message]).toEqual([
    400,
    'admission webhook "check.x.test" denied the request without explanation',
  ]);
});

test('warnings come as headers', async () => {
  await register();
  verdict = { allowed: true, warnings: ['no "effect"'] };
  const { code, headers } = await client.post(PATHS.ingresses, ingress('i'));
  expect([code, headers['warning']]).toEqual([201, '299 - "no \\"effect\\""']);
});

describe('what is written while a webhook is asked', () => {
  beforeEach(async () => {
    await register();
    await client.post(PATHS.ingresses, ingress('i'));
    meanwhile = () => client.patch(`${PATHS.ingresses}/i`, 'merge', { metadata: { labels: { theirs: '1' } } });
  });

  test('is kept by a patch, which is tried again', async () => {
    const { code, body } = await client.patch(`${PATHS.ingresses}/i`, 'merge', { metadata: { labels: { mine: '1' } } });
    expect([code, body.metadata.labels]).toEqual([200, { theirs: '1', mine: '1' }]);
  });

  test('conflicts with an update of the revision before', async () => {
    const { body } = await client.get(`${PATHS.ingresses}/i`);
    const update = { ...body, spec: { ...body.spec, ingressClassName: 'x' } };
    expect((await client.put(`${PATHS.ingresses}/i`, update)).code).toBe(409);
  });
});

test('a dry run is asked as one', async () => {
  await register();
  await client.post(`${PATHS.ingresses}?dryRun=All`, ingress('i'));
  expect(reviews.map(({ request }) => request.dryRun)).toEqual([true]);
});

describe('a webhook that does not answer', () => {
  const unreachable = { clientConfig: { url: 'https://127.0.0.1:1/check' } };

  test('refuses everything with failurePolicy Fail', async () => {
    await register(unreachable);
    const { code, body } = await client.post(PATHS.ingresses, ingress('i'));
    expect([code, body.reason]).toEqual([500, 'InternalError']);
    expect(body.message).toMatch(
      /^Internal error occurred: failed calling webhook "check\.x\.test": failed to call webhook: Post "https:\/\/127\.0\.0\.1:1\/check\?timeout=10s": .*ECONNREFUSED/,
    );
  });

  test('is passed over with failurePolicy Ignore', async () => {
    await register({ ...unreachable, failurePolicy: 'Ignore' });
    expect((await client.post(PATHS.ingresses, ingress('i'))).code).toBe(201);
  });

  test('is given up after timeoutSeconds', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port: silentPort } = silent.address() as AddressInfo;
    await register({ clientConfig: { url: `http://127.0.0.1:${silentPort}/` }, timeoutSeconds: 1 });
    const { body } = await client.post(PATHS.ingresses, ingress('i'));
    silent.closeAllConnections();
    silent.close();
    expect(body.message).toContain('context deadline exceeded');
  });
});

test.each([
  ['namespaceSelector', { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'other' } } }],
  ['objectSelector', { objectSelector: { matchLabels: { checked: 'yes' } } }],
  ['operations', { rules: [{ ...RULE, operations: ['DELETE'] }] }],
  ['scope', { rules: [{ ...RULE, scope: 'Cluster' }] }],
])('%s decides who is asked', async (_name, change) => {
  await register(change);
  await client.post(PATHS.ingresses, ingress('i'));
  expect(reviews).toEqual([]);
});

test('a webhook behind a Service is called over TLS and verified by the name of the Service', async () => {
  const { caPem, certPem, keyPem } = await generateServerCertificate(['hook.default.svc']);
  const secure = createHttpsServer({ cert: certPem, key: keyPem }, listener);
  await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
  const { port: securePort } = secure.address() as AddressInfo;
  await using other = await startApiServer({
    tls: false,
    resolveService: (namespace, name, port) => ({
      host: namespace === 'default' && name === 'hook' && port === 443 ? '127.0.0.1' : '',
      port: securePort,
    }),
  });
  const webhook = {
    name: 'check.x.test',
    clientConfig: {
      caBundle: Buffer.from(caPem).toString('base64'),
      service: { namespace: 'default', name: 'hook', path: '/check' },
    },
    rules: [RULE],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  };
  await other.apply([
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'w' },
      webhooks: [webhook],
    },
  ]);
  const { code, body } = await new Client(other).post(PATHS.ingresses, ingress('i'));
  secure.closeAllConnections();
  secure.close();
  expect([code, body.message, reviews.length]).toEqual([201, undefined, 1]);
});
