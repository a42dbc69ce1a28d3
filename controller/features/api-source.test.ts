// The API server as a source of objects, against the test API server: what is read, what is kept, and what survives.

import { describe, expect, test } from '@jest/globals';
import { type RbacOptions, rbacRules } from '../watch/api/rbac.ts';
import { ApiCluster } from './testing/api-cluster.ts';

const ingress = (name: string, namespace = 'default', rest = '', annotations = '{}') => `
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: ${name}, namespace: ${namespace}, annotations: ${annotations} }
spec:
  ingressClassName: nginx
  rules: [{ host: ${name}.test }]
  ${rest}
`;
const secret = (name: string, type = 'Opaque', namespace = 'default') => `
---
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: ${namespace} }
type: ${type}
stringData: { tls.crt: rubbish, tls.key: rubbish, auth: rubbish }
`;
const namespace = (name: string, labels = '{}') => `
---
apiVersion: v1
kind: Namespace
metadata: { name: ${name}, labels: ${labels} }
`;
const configMap = (name: string, data = '{}') => `
---
apiVersion: v1
kind: ConfigMap
metadata: { name: ${name}, namespace: default }
data: ${data}
`;
const nginxClass = `
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: nginx }
spec: { controller: k8s.io/ingress-nginx }
`;
const tlsOf = (name: string) => `tls: [{ secretName: ${name} }]`;
const auth = (name: string) => `{ nginx.ingress.kubernetes.io/auth-secret: ${name} }`;
const TLS = 'kubernetes.io/tls';

const keys = (map: ReadonlyMap<string, unknown>) => [...map.keys()].sort();

describe('what is kept', () => {
  test('of Secrets those that something refers to, whatever their type', async () => {
    const manifests = [
      ...['used', 'other', 'bystander'].map((name) => secret(name, TLS)),
      ...['users', 'token'].map((name) => secret(name)),
      ingress('one', 'default', tlsOf('used'), auth('users')),
    ];
    await using cluster = await ApiCluster.start({
      manifests: manifests.join(''),
      flags: ['--default-ssl-certificate=default/other'],
    });
    expect(keys(cluster.snapshot.secrets)).toEqual(['default/other', 'default/used', 'default/users']);
  });

  test('a Secret comes with its first reference and goes with its last', async () => {
    await using cluster = await ApiCluster.start({ manifests: secret('late', TLS) + secret('users') });
    expect(cluster.snapshot.secrets.size).toBe(0);
    await cluster.server.apply(ingress('one', 'default', tlsOf('late'), auth('users')));
    await cluster.until(() => cluster.snapshot.secrets.size === 2);
    await cluster.server.apply(ingress('two', 'default', tlsOf('late')));
    cluster.server.delete('networking.k8s.io/v1', 'Ingress', 'default', 'one');
    await cluster.until(() => cluster.snapshot.secrets.size === 1);
    expect(keys(cluster.snapshot.secrets)).toEqual(['default/late']);
    cluster.server.delete('networking.k8s.io/v1', 'Ingress', 'default', 'two');
    await cluster.until(() => cluster.snapshot.secrets.size === 0);
  });

  test('a Secret that is handed over to the wide watch is still followed', async () => {
    await using cluster = await ApiCluster.start({ manifests: secret('late', TLS) });
    await cluster.server.apply(ingress('one', 'default', tlsOf('late')));
    await cluster.until(() => cluster.snapshot.secrets.size === 1);
    await cluster.until(() => cluster.server.faults.countWatches('secrets') === 1);
    cluster.server.delete('v1', 'Secret', 'default', 'late');
    await cluster.until(() => cluster.snapshot.secrets.size === 0);
    // The TLS watch would not tell about this one.
    await cluster.server.apply(secret('late'));
    await cluster.until(() => cluster.snapshot.secrets.get('default/late')?.type === 'Opaque');
    cluster.server.delete('v1', 'Secret', 'default', 'late');
    await cluster.until(() => cluster.snapshot.secrets.size === 0);
    await cluster.server.apply(secret('late', TLS));
    await cluster.until(() => cluster.snapshot.secrets.get('default/late')?.type === TLS);
  });

  test('many single watches become one', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `users-${i}`);
    const manifests = names.map((name) => secret(name) + ingress(name, 'default', '', auth(name)));
    await using cluster = await ApiCluster.start({ manifests: manifests.join('') + secret('bystander') });
    await cluster.until(() => cluster.server.faults.countWatches('secrets') === 2);
    expect(cluster.snapshot.secrets.size).toBe(60);
    cluster.server.delete('v1', 'Secret', 'default', 'users-7');
    await cluster.until(() => cluster.snapshot.secrets.size === 59);
    await cluster.server.apply(secret('more') + ingress('more', 'default', '', auth('more')));
    await cluster.until(() => cluster.snapshot.secrets.has('default/more'));
  });

  test('of ConfigMaps those that are named', async () => {
    const manifests =
      configMap('settings', '{ add-headers: default/headers }') + configMap('headers') + configMap('bystander');
    await using cluster = await ApiCluster.start({ manifests, flags: ['--configmap=default/settings'] });
    expect(keys(cluster.snapshot.configMaps)).toEqual(['default/headers', 'default/settings']);
    await cluster.server.apply(configMap('settings', '{ add-headers: default/bystander }'));
    await cluster.until(() => cluster.snapshot.configMaps.has('default/bystander'));
    expect(keys(cluster.snapshot.configMaps)).toEqual(['default/bystander', 'default/settings']);
  });

  test('--watch-namespace', async () => {
    const manifests = namespace('a') + namespace('b') + ingress('one', 'a') + ingress('two', 'b');
    await using cluster = await ApiCluster.start({ manifests, flags: ['--watch-namespace=a'] });
    expect(keys(cluster.snapshot.ingresses)).toEqual(['a/one']);
  });

  test('--watch-namespace-selector follows the labels', async () => {
    const manifests = namespace('a', '{ edge: "yes" }') + namespace('b') + ingress('one', 'a') + ingress('two', 'b');
    await using cluster = await ApiCluster.start({ manifests, flags: ['--watch-namespace-selector=edge=yes'] });
    expect(keys(cluster.snapshot.ingresses)).toEqual(['a/one']);
    await cluster.server.apply(namespace('b', '{ edge: "yes" }'));
    await cluster.until(() => cluster.snapshot.ingresses.size === 2);
    await cluster.server.apply(namespace('a', '{ edge: "no" }'));
    await cluster.until(() => cluster.snapshot.ingresses.size === 1);
    expect(keys(cluster.snapshot.ingresses)).toEqual(['b/two']);
  });
});

test('a server without streaming lists is read in pages', async () => {
  const names = Array.from({ length: 1200 }, (_, i) => `shop-${i}`);
  await using cluster = await ApiCluster.open({ manifests: names.map((name) => ingress(name)).join('') });
  cluster.server.faults.fail({ code: 422, times: 1 }, { verb: 'watch', resource: 'ingresses.networking.k8s.io' });
  await cluster.read();
  expect(cluster.snapshot.ingresses.size).toBe(1200);
  expect(cluster.server.log.count({ verb: 'list', resource: 'ingresses.networking.k8s.io' })).toBe(3);
  await cluster.server.apply(ingress('more'));
  await cluster.until(() => cluster.snapshot.ingresses.size === 1201);
});

describe('faults take nothing away', () => {
  test('a server that goes and comes back', async () => {
    await using cluster = await ApiCluster.start({ manifests: ingress('one') });
    await cluster.server.stop();
    await cluster.until(() => cluster.snapshot.sourceDiagnostics.some(({ reason }) => reason === 'ApiUnavailable'));
    expect(keys(cluster.snapshot.ingresses)).toEqual(['default/one']);
    await cluster.server.start();
    await cluster.server.apply(ingress('two'));
    await cluster.until(() => cluster.snapshot.ingresses.size === 2);
    await cluster.until(() => cluster.snapshot.sourceDiagnostics.length === 0);
  });

  test('410 after compaction: everything is read again, and nothing changes', async () => {
    await using cluster = await ApiCluster.start({ manifests: ingress('one') + secret('used', TLS) });
    const { revision } = cluster.snapshot;
    for (let i = 0; i < 20; i += 1) await cluster.server.apply(secret(`noise-${i}`));
    cluster.server.compact();
    cluster.server.faults.dropWatches();
    await cluster.until(() =>
      cluster.cluster.api.watches.every(({ relists, failure }) => relists > 0 && failure === null),
    );
    expect(cluster.snapshot.revision).toBe(revision);
    await cluster.server.apply(ingress('two'));
    await cluster.until(() => cluster.snapshot.ingresses.size === 2);
  });

  test('a rotated token', async () => {
    await using cluster = await ApiCluster.start({ manifests: ingress('one') });
    await cluster.rotateToken();
    cluster.server.faults.dropWatches();
    await cluster.server.apply(ingress('two'));
    await cluster.until(() => cluster.snapshot.ingresses.size === 2);
  });
});

describe('missing rights', () => {
  const without = (resource: string) => (options: Omit<RbacOptions, 'podNamespace' | 'configMaps'>) => {
    const { cluster, namespaces } = rbacRules({ ...options, podNamespace: 'default', configMaps: [] });
    const rest = cluster.map((rule) => ({ ...rule, resources: rule.resources.filter((name) => name !== resource) }));
    return { cluster: rest.filter(({ resources }) => resources.length > 0), namespaces };
  };

  test('to read IngressClasses: they are done without, as a Role for one namespace must', async () => {
    await using cluster = await ApiCluster.start({
      manifests: ingress('one') + nginxClass,
      rules: without('ingressclasses'),
    });
    expect(keys(cluster.snapshot.ingresses)).toEqual(['default/one']);
    expect(cluster.snapshot.sourceDiagnostics).toMatchObject([
      { severity: 'error', reason: 'ApiAccessRefused', object: { kind: 'ApiServer', name: 'ingressclasses' } },
    ]);
  });

  test('to read Services: Sluice is not complete, and says why', async () => {
    await using cluster = await ApiCluster.open({ manifests: ingress('one'), rules: without('services') });
    let isComplete = false;
    cluster.read().then(
      () => {
        isComplete = true;
      },
      () => {},
    );
    await cluster.until(() => cluster.messages.some((message) => message.startsWith('services cannot be read (403')));
    await cluster.until(() => cluster.snapshot.ingresses.size === 1);
    expect(isComplete).toBe(false);
  });
});

test('closing before everything is read ends the wait', async () => {
  const cluster = await ApiCluster.open();
  cluster.server.faults.fail({ code: 500 });
  const read = cluster.read();
  await using _ = cluster;
  await cluster.cluster.source[Symbol.asyncDispose]();
  await expect(read).rejects.toThrow('stopped before all objects were read');
});
