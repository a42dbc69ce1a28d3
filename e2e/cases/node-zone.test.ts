// Topology hints in a cluster: the zone is that of the node, without a flag that names it.

import { expect, test } from '@jest/globals';
import { ask } from '../harness/ask.ts';
import { backendKind } from '../harness/backends/choose.ts';
import { machineAddress } from '../harness/machine-address.ts';
import { startPod } from '../harness/pods.ts';
import { Scene } from '../harness/scene.ts';
import { ingressYaml } from '../harness/web.ts';

const isPossible = backendKind(process.env) !== 'cluster' && machineAddress() !== null;
if (!isPossible)
  console.warn('e2e/cases/node-zone.test.ts is skipped: it makes a node, and needs an address besides loopback');
const testHere = isPossible ? test : test.skip;

const slice = (name: string, port: number) => `
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-${name}, namespace: APPS, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: ${port} }]
endpoints:
  - { addresses: ["${machineAddress()}"], conditions: { ready: true }, hints: { forZones: [{ name: ${name} }] } }
`;
const service = `
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: APPS, annotations: { service.kubernetes.io/topology-mode: Auto } }
spec: { ports: [{ name: http, port: 80 }] }
`;
const node = `
---
apiVersion: v1
kind: Node
metadata: { name: CLASS-node, labels: { topology.kubernetes.io/zone: here } }
`;

testHere(
  'requests stay in the zone of the node',
  async () => {
    await using scene = await Scene.open({ flags: ['--enable-topology-aware-routing'], node: 'CLASS-node' });
    await using near = await startPod('here');
    await using far = await startPod('there');
    await scene.apply(node + service + slice('here', near.port) + slice('there', far.port) + ingressYaml('one'));
    const { process } = await scene.startSluice();
    const { httpPort } = await process.serving();
    const bodies = new Set<string>();
    for (let times = 0; times < 6; times++) bodies.add((await ask(httpPort, 'one.test')).body);
    expect([...bodies]).toEqual(['here']);
  },
  60_000,
);
