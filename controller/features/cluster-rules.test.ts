// Sluice with exactly the rules of controller/watch/api/rbac.ts against an API server that enforces them: nothing is
// refused, and no rule is there for nothing.

import { expect, test } from '@jest/globals';
import type { Options } from '../options.ts';
import { type RbacRules, rbacRules } from '../watch/api/rbac.ts';
import { ApiCluster } from './testing/api-cluster.ts';

const manifests = `
apiVersion: v1
kind: Namespace
metadata: { name: edge }
---
apiVersion: v1
kind: Namespace
metadata: { name: apps, labels: { served: "yes" } }
---
apiVersion: v1
kind: Node
metadata: { name: node-1, labels: { topology.kubernetes.io/zone: zone-1 } }
status: { addresses: [{ type: InternalIP, address: 10.0.0.1 }, { type: ExternalIP, address: 192.0.2.1 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: sluice-1, namespace: edge, labels: { app: sluice, pod-template-hash: abc } }
spec: { nodeName: node-1, containers: [{ name: sluice, image: sluice }] }
status: { phase: Running, conditions: [{ type: Ready, status: "True" }] }
---
apiVersion: v1
kind: Service
metadata: { name: public, namespace: edge }
spec: { type: LoadBalancer, ports: [{ port: 80 }], externalIPs: [192.0.2.9] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: edge }
---
apiVersion: v1
kind: Secret
metadata: { name: fallback, namespace: edge }
type: kubernetes.io/tls
stringData: { tls.crt: x, tls.key: x }
---
apiVersion: v1
kind: Secret
metadata: { name: users, namespace: apps }
stringData: { auth: x }
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: nginx }
spec: { controller: k8s.io/ingress-nginx }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: one
  namespace: apps
  annotations: { nginx.ingress.kubernetes.io/auth-secret: users }
spec:
  ingressClassName: nginx
  rules: [{ host: one.test }]
`;

const rulesOf = (options: Options): RbacRules =>
  rbacRules({
    ...options,
    podNamespace: options.pod.namespace,
    configMaps: [options.configmap, options.tcpServicesConfigmap, options.udpServicesConfigmap],
  });

test.each([
  ['addresses of nodes', [], '192.0.2.1'],
  ['internal addresses of nodes', ['--report-node-internal-ip-address'], '10.0.0.1'],
  ['a published Service', ['--publish-service=edge/public'], '192.0.2.9'],
  ['given addresses', ['--publish-status-address=192.0.2.77'], '192.0.2.77'],
  [
    'given addresses that stay',
    ['--publish-status-address=192.0.2.77', '--update-status-on-shutdown=false'],
    '192.0.2.77',
  ],
  ['no status', ['--update-status=false'], null],
  ['no leader', ['--disable-leader-election'], null],
  ['selected namespaces', ['--watch-namespace-selector=served=yes'], '192.0.2.1'],
  ['the zone of the node', ['--enable-topology-aware-routing', '--publish-status-address=192.0.2.77'], '192.0.2.77'],
  ['the zone of the node, and addresses of nodes', ['--enable-topology-aware-routing'], '192.0.2.1'],
  ['one namespace, settings in another', ['--watch-namespace=apps', '--publish-service=edge/public'], '192.0.2.9'],
])('%s', async (_, flags, address) => {
  let rules: RbacRules | null = null;
  const named = ['--configmap=edge/settings', '--default-ssl-certificate=edge/fallback', '--disable-sync-events=false'];
  const cluster = await ApiCluster.start({
    manifests,
    flags: [...named, ...flags],
    env: { POD_NAMESPACE: 'edge', POD_NAME: 'sluice-1' },
    rules: (options) => {
      rules = rulesOf(options);
      return rules;
    },
  });
  const { server } = cluster;
  try {
    const zone = flags.includes('--enable-topology-aware-routing') ? 'zone-1' : '';
    expect(await cluster.cluster.link.findNodeZone()).toBe(zone);
    cluster.cluster.link.onServing();
    cluster.cluster.link.onDiagnostics([problemOf('one')]);
    const status = () => server.get('networking.k8s.io/v1', 'Ingress', 'apps', 'one')?.['status'];
    if (address !== null) {
      await cluster.until(
        () => JSON.stringify(status()) === JSON.stringify({ loadBalancer: { ingress: [{ ip: address }] } }),
      );
    }
    if (!flags.includes('--disable-leader-election')) await makeEventsAndRenew(cluster);
    await cluster.cluster.link.close();
    const isCleared = !['--update-status-on-shutdown=false', '--update-status=false'].some((flag) =>
      flags.includes(flag),
    );
    if (isCleared) expect(status()).toEqual({ loadBalancer: {} });
    expect(server.log.requests.filter(({ status: code }) => code === 403).map(({ url }) => url)).toEqual([]);
    expect(unusedRules(cluster, rules)).toEqual([]);
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
});

function problemOf(name: string) {
  const object = { kind: 'Ingress', namespace: 'apps', name };
  const text = 'the host is bad; it is left out';
  return { severity: 'error', reason: 'HostInvalid', object, field: '', message: text, source: null } as const;
}

/** Brings about the writes that a quiet cluster does not need: an Event that is counted up, and a Lease that is renewed. */
async function makeEventsAndRenew({ cluster, server, until }: ApiCluster): Promise<void> {
  await until(() => server.log.count({ verb: 'create', resource: 'events' }) > 0);
  // Resolved and back: the same Event again.
  cluster.link.onDiagnostics([]);
  cluster.link.onDiagnostics([problemOf('one')]);
  await until(() => server.log.count({ verb: 'patch', resource: 'events' }) > 0);
}

/** Rules as `verb resource` that no request needed. Lists are done as streaming watches here, so `list` counts as asked. */
function unusedRules({ server }: ApiCluster, rules: RbacRules | null): readonly string[] {
  const asked = new Set(server.log.requests.map(({ verb, resource }) => `${verb} ${resource.split('.')[0]}`));
  const statusAsked = server.log.requests.some(({ resource }) => resource.endsWith('/status'));
  const granted = [...(rules?.cluster ?? []), ...Object.values(rules?.namespaces ?? {}).flat()];
  return granted
    .flatMap(({ verbs, resources }) => verbs.flatMap((verb) => resources.map((resource) => ({ verb, resource }))))
    .filter(({ verb, resource }) => {
      if (resource === 'ingresses/status') return !statusAsked;
      if (verb === 'list' && asked.has(`watch ${resource}`)) return false;
      return !asked.has(`${verb} ${resource}`);
    })
    .map(({ verb, resource }) => `${verb} ${resource}`);
}
