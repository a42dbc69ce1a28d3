// core/v1 Pod: enough to hold the Pods of a test, select them by node and phase, and let tests write their status.

import { type FieldError, fieldError } from '../api-error.ts';
import { type KubeObject, listAt, textAt, valueAt } from '../objects.ts';
import { any, conditions, integer, listByKey, objectSchema, string, struct } from '../schema.ts';
import type { Kind } from './kind.ts';

const container = struct(
  {
    name: string,
    image: string,
    ports: listByKey(
      struct({ name: string, containerPort: integer, protocol: string, hostPort: integer, hostIP: string }),
      ['containerPort', 'protocol'],
    ),
    env: listByKey(struct({ name: string, value: string, valueFrom: any }), ['name']),
    volumeMounts: listByKey(struct({ name: string, mountPath: string }, { open: true }), ['mountPath']),
  },
  { open: true },
);

export const podSpec = struct(
  {
    containers: listByKey(container, ['name']),
    initContainers: listByKey(container, ['name']),
    volumes: listByKey(struct({ name: string }, { open: true }), ['name']),
    nodeName: string,
    serviceAccountName: string,
    imagePullSecrets: listByKey(struct({ name: string }), ['name']),
  },
  { open: true },
);

/** The fields a pod spec has without being told, as far as a reader of Pods here looks at them. */
export function withPodSpecDefaults(spec: object): object {
  const containers = listAt(spec, 'containers').map((one) => ({
    imagePullPolicy: 'IfNotPresent',
    ...(one as object),
    ...(listAt(one, 'ports').length > 0 && {
      ports: listAt(one, 'ports').map((port) => ({ protocol: 'TCP', ...(port as object) })),
    }),
  }));
  return {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    ...spec,
    ...(containers.length > 0 && { containers }),
  };
}

export function validatePodSpec(spec: unknown, field: string): FieldError[] {
  const containers = listAt(spec, 'containers');
  if (containers.length === 0) return [fieldError.required(`${field}.containers`)];
  return containers.flatMap((one, index) => [
    ...(textAt(one, 'name') === '' ? [fieldError.required(`${field}.containers[${index}].name`)] : []),
    ...(textAt(one, 'image') === '' ? [fieldError.required(`${field}.containers[${index}].image`)] : []),
  ]);
}

function ready(object: KubeObject): string {
  const statuses = listAt(object, 'status', 'containerStatuses');
  const count = statuses.filter((status) => valueAt(status, 'ready') === true).length;
  return `${count}/${listAt(object, 'spec', 'containers').length}`;
}

function restarts(object: KubeObject): number {
  return listAt(object, 'status', 'containerStatuses').reduce<number>(
    (sum, status) => sum + Number(valueAt(status, 'restartCount') ?? 0),
    0,
  );
}

export const pod: Kind = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  schema: objectSchema({ spec: podSpec, status: struct({ phase: string, podIP: string, conditions }, { open: true }) }),
  hasGeneration: true,
  hasStatus: true,
  deleteReturnsObject: true,
  applyDefaults: (object) => ({
    ...object,
    spec: withPodSpecDefaults((object['spec'] ?? {}) as object),
    status: { phase: 'Pending', ...(object['status'] as object | undefined) },
  }),
  validate: (object) => validatePodSpec(object['spec'], 'spec'),
  selectableFields: (object) => ({
    'spec.nodeName': textAt(object, 'spec', 'nodeName'),
    'spec.serviceAccountName': textAt(object, 'spec', 'serviceAccountName'),
    'spec.restartPolicy': textAt(object, 'spec', 'restartPolicy'),
    'spec.schedulerName': textAt(object, 'spec', 'schedulerName'),
    'spec.hostNetwork': String(valueAt(object, 'spec', 'hostNetwork') ?? false),
    'status.phase': textAt(object, 'status', 'phase'),
    'status.podIP': textAt(object, 'status', 'podIP'),
    'status.nominatedNodeName': textAt(object, 'status', 'nominatedNodeName'),
  }),
  columns: [
    { name: 'Ready', cell: ready },
    {
      name: 'Status',
      cell: (object) => (object.metadata.deletionTimestamp ? 'Terminating' : textAt(object, 'status', 'phase')),
    },
    { name: 'Restarts', type: 'integer', cell: restarts },
    { name: 'IP', priority: 1, cell: (object) => textAt(object, 'status', 'podIP') || '<none>' },
    { name: 'Node', priority: 1, cell: (object) => textAt(object, 'spec', 'nodeName') || '<none>' },
  ],
};
