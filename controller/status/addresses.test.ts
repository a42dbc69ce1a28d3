// Which addresses go into the status: every row of routing-semantics §10.

import { expect, test } from '@jest/globals';
import {
  addressesOfNodes,
  addressesOfService,
  addressesOfTexts,
  isSameAddresses,
  nodesOfPods,
  renderAddresses,
  siblingSelector,
} from './addresses.ts';

const loadBalancer = { loadBalancer: { ingress: [{ ip: '192.0.2.2' }, { hostname: 'lb.test' }, {}] } };

test.each([
  [
    'LoadBalancer: its status and externalIPs, by hostname, then IP',
    {
      spec: { type: 'LoadBalancer', externalIPs: ['192.0.2.1', '192.0.2.2'], clusterIP: '10.0.0.1' },
      status: loadBalancer,
    },
    [{ ip: '192.0.2.1' }, { ip: '192.0.2.2' }, { hostname: 'lb.test' }],
  ],
  ['LoadBalancer that is pending', { spec: { type: 'LoadBalancer', clusterIP: '10.0.0.1' }, status: {} }, []],
  [
    'NodePort: externalIPs',
    { spec: { type: 'NodePort', externalIPs: ['192.0.2.1'], clusterIP: '10.0.0.1' } },
    [{ ip: '192.0.2.1' }],
  ],
  ['NodePort without: clusterIP', { spec: { type: 'NodePort', clusterIP: '10.0.0.1' } }, [{ ip: '10.0.0.1' }]],
  ['ClusterIP', { spec: { type: 'ClusterIP', clusterIP: 'fd00::1' } }, [{ ip: 'fd00::1' }]],
  ['headless', { spec: { type: 'ClusterIP', clusterIP: 'None' } }, []],
  ['ExternalName', { spec: { type: 'ExternalName', externalName: 'edge.test' } }, [{ hostname: 'edge.test' }]],
  ['nonsense', { spec: 'x' }, []],
])('Service: %s', (_, service, want) => {
  expect(renderAddresses(addressesOfService(service))).toEqual(want);
});

test('given texts: IPs and hostnames, each once, sorted', () => {
  expect(renderAddresses(addressesOfTexts(['b.test', '192.0.2.1', '2001:db8::1', 'a.test', 'a.test']))).toEqual([
    { ip: '192.0.2.1' },
    { ip: '2001:db8::1' },
    { hostname: 'a.test' },
    { hostname: 'b.test' },
  ]);
});

const node = (...addresses: readonly (readonly [string, string])[]) => ({
  status: { addresses: addresses.map(([type, address]) => ({ type, address })) },
});

test.each([
  ['ExternalIP first', false, node(['InternalIP', '10.0.0.1'], ['ExternalIP', '192.0.2.1']), '192.0.2.1'],
  ['InternalIP where it is asked for', true, node(['ExternalIP', '192.0.2.1'], ['InternalIP', '10.0.0.1']), '10.0.0.1'],
  ['InternalIP where there is no other', false, node(['Hostname', 'n'], ['InternalIP', '10.0.0.1']), '10.0.0.1'],
  ['the first of a family', false, node(['InternalIP', '10.0.0.1'], ['InternalIP', 'fd00::1']), '10.0.0.1'],
  ['none', true, node(['ExternalIP', '192.0.2.1']), undefined],
])('node: %s', (_, internal, json, want) => {
  expect(addressesOfNodes([json], internal)[0]?.ip).toBe(want);
});

test('nodes of pods that run and are ready, each once', () => {
  const pod = (nodeName: string, phase: string, ready: string, metadata: object = {}) => ({
    metadata,
    spec: { nodeName },
    status: { phase, conditions: [{ type: 'Ready', status: ready }] },
  });
  const pods = [
    pod('b', 'Running', 'True'),
    pod('a', 'Running', 'True'),
    pod('a', 'Running', 'True'),
    pod('c', 'Running', 'False'),
    pod('d', 'Pending', 'True'),
    pod('e', 'Running', 'True', { deletionTimestamp: '2026-01-01T00:00:00Z' }),
  ];
  expect(nodesOfPods(pods)).toEqual(['a', 'b']);
});

test('siblings share all labels but those of one rollout', () => {
  const labels = { app: 'sluice', 'pod-template-hash': 'x', 'controller-revision-hash': 'y', a: '1' };
  expect(siblingSelector({ metadata: { labels } })).toBe('a=1,app=sluice');
  expect(siblingSelector({ metadata: {} })).toBe('');
});

test('equal addresses in another order are equal', () => {
  const [a, b] = [
    { ip: '192.0.2.1', hostname: '' },
    { ip: '', hostname: 'a.test' },
  ];
  expect(isSameAddresses([a, b], [b, a])).toBe(true);
  expect(isSameAddresses([a], [a, b])).toBe(false);
});
