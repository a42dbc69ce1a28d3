// Sluice signs in as a service account that has the rules of `sluice rbac` and nothing else. Whatever it does, nothing is
// refused; and for each right there is a request that would be refused without it.

import { expect, test } from '@jest/globals';
import { backendKind } from '../harness/backends/choose.ts';
import { spareRights } from '../harness/rules.ts';
import { publishedAddress, Scene } from '../harness/scene.ts';
import { until } from '../harness/wait.ts';
import { ingressYaml, serviceYaml } from '../harness/web.ts';

interface Variant {
  readonly name: string;
  readonly flags: readonly string[];
  /** Of `--publish-status-address`; null without the flag. */
  readonly address?: null;
  /** Where its pods are. */
  readonly node?: string;
  /** What a status shows; null for none. */
  readonly status: string | null;
  /** It shows that also when Sluice has ended. */
  readonly keepsStatus?: true;
}

/** Named by flags, in a namespace that is not watched where only one is. */
const named = [
  '--configmap=EDGE/settings',
  '--default-ssl-certificate=EDGE/fallback',
  // Long enough that a busy machine does not cost the lead: the goodbye at the end is the leader's.
  '--election-ttl=8s',
  '--status-update-interval=5',
];

const variants: readonly Variant[] = [
  { name: 'all namespaces', flags: [], status: publishedAddress },
  { name: 'one namespace', flags: ['--watch-namespace=APPS'], status: publishedAddress },
  {
    name: 'one namespace, a published Service',
    flags: ['--watch-namespace=APPS', '--publish-service=EDGE/public'],
    address: null,
    status: '192.0.2.9',
  },
  { name: 'selected namespaces', flags: ['--watch-namespace-selector=e2e=CLASS'], status: publishedAddress },
  { name: 'addresses of nodes', flags: [], address: null, node: 'CLASS-node', status: '192.0.2.8' },
  {
    name: 'the zone of the node',
    flags: ['--enable-topology-aware-routing'],
    node: 'CLASS-node',
    status: publishedAddress,
  },
  {
    name: 'a status that stays',
    flags: ['--update-status-on-shutdown=false'],
    status: publishedAddress,
    keepsStatus: true,
  },
  { name: 'no status', flags: ['--update-status=false'], status: null },
];

const lendsNodes = backendKind(process.env) !== 'cluster';
if (!lendsNodes)
  console.warn('e2e/cases/rbac.test.ts: no nodes are made in a cluster that is lent; that variant is skipped');

// They wait most of the time, for a Lease or an Event, each with a server of its own.
test.concurrent.each(variants.filter(({ node }) => lendsNodes || node === undefined))(
  '$name',
  async ({ flags, address, node, status, keepsStatus }) => {
    await using scene = await Scene.open({
      flags: [...named, ...flags],
      ...(address === null ? { address } : {}),
      ...(node === undefined ? {} : { node }),
    });
    if (node !== undefined) await makeNode(scene, scene.fill(node));
    await scene.apply(scenery);
    await runAsOld(scene);
    await runAsNew(scene, status);
    if (keepsStatus) expect(await scene.addressesOf('one')).toEqual([status]);
    expect(scene.refused).toEqual([]);
    expect(spareRights(scene.roles, scene.gate.log.requests)).toEqual([]);
  },
  90_000,
);

async function makeNode(scene: Scene, name: string): Promise<void> {
  const [made] = await scene.apply(`{ apiVersion: v1, kind: Node, metadata: { name: ${name} } }`);
  const status = { addresses: [{ type: 'ExternalIP', address: '192.0.2.8' }] };
  if (made !== undefined) await scene.admin.mergePatch(made, { status }, '/status');
}

/** A server without streaming lists: everything is listed, then watched. */
async function runAsOld(scene: Scene): Promise<void> {
  const turnOff = scene.gate.fail({ code: 422 }, { isStreamingList: true });
  const { process } = await scene.startSluice(['--disable-leader-election']);
  await process.stop();
  turnOff();
}

/** Everything that writes: Lease, status, Events (one of them twice), and the goodbye. */
async function runAsNew(scene: Scene, status: string | null): Promise<void> {
  const { process } = await scene.startSluice();
  await scene.apply(ingressYaml('one'));
  if (status !== null) {
    await until(
      'the status',
      () => scene.addressesOf('one'),
      (addresses) => addresses.join() === status,
    );
  }
  await until(
    'its Event',
    () => scene.eventsOf('one'),
    (events) => events.length > 0,
  );
  await scene.apply(ingressYaml('one', { host: 'other.test' }));
  await until(
    'the same Event once more',
    () => scene.gate.log.count({ verb: 'patch', resource: 'events' }),
    (count) => count > 0,
  );
  await complainAboutSettings(scene);
  await until(
    'a renewed Lease',
    () => scene.gate.log.count({ verb: 'update', resource: 'leases' }),
    (count) => count > 0,
  );
  await process.stop();
}

/** Events about a ConfigMap of the flags: two problems in turn, and the first of them once more. */
async function complainAboutSettings(scene: Scene): Promise<void> {
  const becomes = (verb: string, wanted: number) =>
    until(
      `${verb} of ${wanted} Events about the settings`,
      () => scene.gate.log.count({ verb, resource: 'events', namespace: scene.edge }),
      (count) => count >= wanted,
    );
  await scene.apply(settingsYaml('no-such-key'));
  await becomes('create', 1);
  await scene.apply(settingsYaml('nor-this-one'));
  await becomes('create', 2);
  await scene.apply(settingsYaml('no-such-key'));
  await becomes('patch', 1);
}

const settingsYaml = (key: string): string => `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: EDGE }
data: { ${key}: "" }
`;

/** One object of each kind that is read by name only. */
const scenery = `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: EDGE }
---
apiVersion: v1
kind: Secret
metadata: { name: users, namespace: APPS }
stringData: { auth: x }
---
apiVersion: v1
kind: Service
metadata: { name: public, namespace: EDGE }
spec: { type: NodePort, ports: [{ port: 80 }], externalIPs: [192.0.2.9] }
${serviceYaml()}
${ingressYaml('with-names', {
  annotations: {
    'nginx.ingress.kubernetes.io/auth-secret': 'users',
    'nginx.ingress.kubernetes.io/auth-proxy-set-headers': 'APPS/headers',
  },
})}
`;
