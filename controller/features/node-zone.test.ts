// The zone of the node, asked of an API server: which flags ask for it, and what is said when it cannot be known.

import { expect, test } from '@jest/globals';
import { rbacRules } from '../watch/api/rbac.ts';
import { ApiCluster } from './testing/api-cluster.ts';

const node = (labels: string) => `
---
apiVersion: v1
kind: Node
metadata: { name: node-1, labels: { ${labels} } }
`;
const zoned = node('topology.kubernetes.io/zone: zone-1');
const pod = `
---
apiVersion: v1
kind: Namespace
metadata: { name: edge }
---
apiVersion: v1
kind: Pod
metadata: { name: sluice-1, namespace: edge }
spec: { nodeName: node-1, containers: [{ name: sluice, image: sluice }] }
`;
const named = { POD_NAMESPACE: 'edge', POD_NAME: 'sluice-1' };
const aware = ['--enable-topology-aware-routing'];

test.each<[string, string, readonly string[], Record<string, string>, string, string | null]>([
  ['the label of the node', pod + zoned, aware, named, 'zone-1', null],
  ['--node-zone says it', pod + zoned, [...aware, '--node-zone=zone-2'], named, 'zone-2', null],
  ['nobody wants to know', pod + zoned, [], named, '', null],
  ['the flag of another use alone', pod + zoned, ['--node-zone=zone-2'], named, 'zone-2', null],
  [
    'a node without the label',
    pod + node(''),
    aware,
    named,
    '',
    'node node-1 has no label topology.kubernetes.io/zone',
  ],
  ['outside a Pod', pod + zoned, aware, {}, '', 'neither --node-zone nor POD_NAME'],
  ['a Pod that does not exist', zoned, aware, named, '', 'not found'],
])('%s', async (_name, manifests, flags, env, want, complaint) => {
  await using cluster = await ApiCluster.start({ manifests, flags, env });
  expect(await cluster.cluster.link.findNodeZone()).toBe(want);
  const said = cluster.messages.filter((message) => message.includes('topology hints are ignored'));
  expect(said).toHaveLength(complaint === null ? 0 : 1);
  if (complaint !== null) expect(said[0]).toContain(complaint);
});

test('a server that fails once is asked again', async () => {
  await using cluster = await ApiCluster.start({ manifests: pod + zoned, flags: aware, env: named });
  cluster.server.faults.fail({ code: 500, times: 1 });
  expect(await cluster.cluster.link.findNodeZone()).toBe('zone-1');
});

test('without the right to read nodes hints are ignored, and the reason is said', async () => {
  await using cluster = await ApiCluster.start({
    manifests: pod + zoned,
    flags: aware,
    env: named,
    rules: (options) => {
      const { cluster: all, namespaces } = rbacRules({ ...options, podNamespace: 'edge', configMaps: [] });
      return { cluster: all.filter(({ resources }) => !resources.includes('nodes')), namespaces };
    },
  });
  expect(await cluster.cluster.link.findNodeZone()).toBe('');
  expect(cluster.messages.join()).toContain('topology hints are ignored');
});
