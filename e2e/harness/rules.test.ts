// Which rights count as granted for nothing.

import { expect, test } from '@jest/globals';
import type { PassedRequest } from './gate-log.ts';
import { type PolicyRule, spareRights } from './rules.ts';

const rule = (
  verbs: readonly string[],
  resources: readonly string[],
  resourceNames?: readonly string[],
): PolicyRule => ({
  apiGroups: [''],
  resources,
  verbs,
  ...(resourceNames === undefined ? {} : { resourceNames }),
});
const clusterRole = (...rules: readonly PolicyRule[]) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'r' },
  rules,
});
const roleIn = (namespace: string, ...rules: readonly PolicyRule[]) => ({
  ...clusterRole(...rules),
  kind: 'Role',
  metadata: { name: 'r', namespace },
});
const asked = (verb: string, resource: string, namespace = '', name = ''): PassedRequest => ({
  atMs: 0,
  client: '',
  verb,
  group: '',
  resource,
  namespace,
  name,
  url: '',
  isStreamingList: false,
  status: 200,
});

test.each([
  ['one that was used', [clusterRole(rule(['get'], ['pods']))], [asked('get', 'pods')], []],
  [
    'a verb that was not',
    [clusterRole(rule(['get', 'list'], ['pods']))],
    [asked('get', 'pods')],
    ['list pods in all namespaces'],
  ],
  [
    'a resource that was not',
    [clusterRole(rule(['get'], ['pods', 'nodes']))],
    [asked('get', 'pods')],
    ['get nodes in all namespaces'],
  ],
  ['a namespace that was not', [roleIn('a', rule(['get'], ['pods']))], [asked('get', 'pods', 'b')], ['get pods in a']],
  [
    'a name that was not',
    [roleIn('a', rule(['get'], ['pods'], ['x']))],
    [asked('get', 'pods', 'a', 'y')],
    ['get pods x in a'],
  ],
  [
    'the same twice: either could go',
    [clusterRole(rule(['get'], ['pods'])), roleIn('a', rule(['get'], ['pods']))],
    [asked('get', 'pods', 'a')],
    ['get pods in all namespaces', 'get pods in a'],
  ],
  [
    'a wide one beside a narrow one, both needed for nothing but the wide',
    [clusterRole(rule(['get'], ['pods'])), roleIn('a', rule(['get'], ['pods']))],
    [asked('get', 'pods', 'a'), asked('get', 'pods', 'b')],
    ['get pods in a'],
  ],
])('%s', (_, roles, requests, spare) => {
  expect(spareRights(roles, requests)).toEqual(spare);
});
