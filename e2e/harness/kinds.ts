// Where objects of the kinds that tests write live in the API. Knows nothing of a server: real ones are asked as well.

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly [member: string]: unknown;
  };
  readonly [member: string]: unknown;
}

const clusterWide: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  Node: 'nodes',
  IngressClass: 'ingressclasses',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  ValidatingWebhookConfiguration: 'validatingwebhookconfigurations',
};
const namespaced: Readonly<Record<string, string>> = {
  ConfigMap: 'configmaps',
  Secret: 'secrets',
  Service: 'services',
  ServiceAccount: 'serviceaccounts',
  Pod: 'pods',
  Event: 'events',
  Ingress: 'ingresses',
  EndpointSlice: 'endpointslices',
  Deployment: 'deployments',
  Lease: 'leases',
  Role: 'roles',
  RoleBinding: 'rolebindings',
};

/** Path of the collection. Throws for a kind no test has used yet. */
export function collectionPath(apiVersion: string, kind: string, namespace: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const wide = clusterWide[kind];
  if (wide !== undefined) return `${root}/${wide}`;
  const plural = namespaced[kind];
  if (plural === undefined) throw new Error(`kind ${kind} is not in e2e/harness/kinds.ts`);
  return `${root}/namespaces/${namespace}/${plural}`;
}

export function objectPath({ apiVersion, kind, metadata }: Manifest): string {
  return `${collectionPath(apiVersion, kind, metadata.namespace ?? 'default')}/${metadata.name}`;
}
