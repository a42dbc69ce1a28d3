import { expect, test } from '@jest/globals';
import type { Json } from '../objects.ts';
import { deployment } from '../resources/deployment.ts';
import { ingress } from '../resources/ingress.ts';
import { pod } from '../resources/pod.ts';
import type { Schema } from '../schema.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const containers = (...list: Json[]): Json => ({ spec: { containers: list } });

test.each<[string, Schema, Json, Json, Json]>([
  [
    'items merge by their key',
    pod.schema,
    containers({ name: 'a', image: '1' }, { name: 'b', image: '1' }),
    containers({ name: 'b', image: '2' }),
    containers({ name: 'a', image: '1' }, { name: 'b', image: '2' }),
  ],
  [
    'a new item goes behind',
    pod.schema,
    containers({ name: 'a' }),
    containers({ name: 'b' }),
    containers({ name: 'a' }, { name: 'b' }),
  ],
  [
    'an item is deleted by directive',
    pod.schema,
    containers({ name: 'a' }, { name: 'b' }),
    containers({ name: 'a', $patch: 'delete' }),
    containers({ name: 'b' }),
  ],
  [
    'a list is replaced by directive',
    pod.schema,
    containers({ name: 'a' }),
    containers({ $patch: 'replace' }, { name: 'b' }),
    containers({ name: 'b' }),
  ],
  [
    'lists below items merge as well',
    pod.schema,
    containers({ name: 'a', env: [{ name: 'X', value: '1' }] }),
    containers({ name: 'a', env: [{ name: 'Y', value: '2' }] }),
    containers({
      name: 'a',
      env: [
        { name: 'X', value: '1' },
        { name: 'Y', value: '2' },
      ],
    }),
  ],
  [
    'the order is the one asked for',
    pod.schema,
    containers({ name: 'a' }, { name: 'b' }),
    {
      spec: {
        $setElementOrder: 1,
        '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }],
        containers: [{ name: 'c' }],
      },
    },
    containers({ name: 'c' }, { name: 'a' }, { name: 'b' }),
  ],
  [
    'an atomic list is replaced',
    ingress.schema,
    { spec: { rules: [{ host: 'a' }, { host: 'b' }] } },
    { spec: { rules: [{ host: 'c' }] } },
    { spec: { rules: [{ host: 'c' }] } },
  ],
  [
    'null removes a member',
    ingress.schema,
    { spec: { rules: [], ingressClassName: 'x' } },
    { spec: { ingressClassName: null } },
    { spec: { rules: [] } },
  ],
  [
    'an object is replaced by directive',
    ingress.schema,
    { metadata: { labels: { a: '1' } } },
    { metadata: { labels: { $patch: 'replace', b: '2' } } },
    { metadata: { labels: { b: '2' } } },
  ],
  [
    'a set grows',
    ingress.schema,
    { metadata: { finalizers: ['a', 'b'] } },
    { metadata: { finalizers: ['b', 'c'] } },
    { metadata: { finalizers: ['a', 'b', 'c'] } },
  ],
  [
    'scalars leave a set by directive',
    ingress.schema,
    { metadata: { finalizers: ['a', 'b'] } },
    { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'] } },
    { metadata: { finalizers: ['b'] } },
  ],
  [
    'members not retained go',
    deployment.schema,
    { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: {} } } },
    { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } },
    { spec: { strategy: { type: 'Recreate' } } },
  ],
])('%s', (_name, schema, target, patch, want) => {
  const before = structuredClone(target);
  expect(applyStrategicMergePatch(schema, target, patch)).toEqual(want);
  expect(target).toEqual(before);
});
