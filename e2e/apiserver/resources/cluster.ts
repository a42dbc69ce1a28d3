// Kinds without much to check: Namespace, Node, ServiceAccount, Endpoints.

import { type KubeObject, listAt, textAt, valueAt } from '../objects.ts';
import { any, boolean, conditions, listByKey, objectSchema, setOf, string, struct } from '../schema.ts';
import { checkLabel } from './field-checks.ts';
import type { Kind } from './kind.ts';

export const namespace: Kind = {
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  shortNames: ['ns'],
  namespaced: false,
  schema: objectSchema({ spec: struct({ finalizers: setOf(string) }), status: struct({ phase: string, conditions }) }),
  hasStatus: true,
  deleteReturnsObject: true,
  applyDefaults: (object) => ({
    ...object,
    // The label every namespace carries, so that selectors can name one.
    metadata: {
      ...object.metadata,
      labels: { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name },
    },
    spec: { finalizers: ['kubernetes'], ...(object['spec'] as object | undefined) },
    status: { phase: 'Active', ...(object['status'] as object | undefined) },
  }),
  checkName: checkLabel,
  selectableFields: (object) => ({ 'status.phase': textAt(object, 'status', 'phase'), name: object.metadata.name }),
  columns: [{ name: 'Status', cell: (object) => textAt(object, 'status', 'phase') }],
};

function nodeStatus(object: KubeObject): string {
  const isReady = listAt(object, 'status', 'conditions').some(
    (condition) => textAt(condition, 'type') === 'Ready' && textAt(condition, 'status') === 'True',
  );
  const cordoned = valueAt(object, 'spec', 'unschedulable') === true ? ',SchedulingDisabled' : '';
  return (isReady ? 'Ready' : 'NotReady') + cordoned;
}

export const node: Kind = {
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  shortNames: ['no'],
  namespaced: false,
  schema: objectSchema({
    spec: struct({ unschedulable: boolean, providerID: string, podCIDR: string }, { open: true }),
    // Addresses merge by type only in strategic patches; a real one has two types with one address each as well.
    status: struct(
      { addresses: listByKey(struct({ type: string, address: string }), ['type']), conditions },
      { open: true },
    ),
  }),
  hasStatus: true,
  deleteReturnsObject: true,
  applyDefaults: (object) => ({ ...object, spec: object['spec'] ?? {}, status: object['status'] ?? {} }),
  selectableFields: (object) => ({ 'spec.unschedulable': String(valueAt(object, 'spec', 'unschedulable') ?? false) }),
  columns: [
    { name: 'Status', cell: nodeStatus },
    { name: 'Roles', cell: () => '<none>' },
    { name: 'Version', cell: (object) => textAt(object, 'status', 'nodeInfo', 'kubeletVersion') },
  ],
};

export const serviceAccount: Kind = {
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  shortNames: ['sa'],
  namespaced: true,
  schema: objectSchema({ secrets: any, imagePullSecrets: any, automountServiceAccountToken: boolean }),
  deleteReturnsObject: true,
  columns: [{ name: 'Secrets', type: 'integer', cell: (object) => listAt(object, 'secrets').length }],
};

/** Superseded by EndpointSlice; `kubectl describe` of old clients still reads it. */
export const endpoints: Kind = {
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  shortNames: ['ep'],
  namespaced: true,
  schema: objectSchema({ subsets: any }),
  columns: [
    {
      name: 'Endpoints',
      cell: (object) =>
        listAt(object, 'subsets')
          .flatMap((subset) => listAt(subset, 'addresses').map((one) => textAt(one, 'ip')))
          .join(',') || '<none>',
    },
  ],
};
