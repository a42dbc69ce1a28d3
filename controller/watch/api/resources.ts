// The collections of the Kubernetes API that Sluice lists and watches, as data.

import type { ObjectKind } from '../../objects/types.ts';

/** One resource: how it is named in paths and rules, and what its objects are. */
export interface ApiResource {
  /** '' for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, as in paths and RBAC rules. */
  readonly plural: string;
  readonly kind: ObjectKind;
  readonly isNamespaced: boolean;
}

const core = { group: '', version: 'v1' } as const;
const networking = { group: 'networking.k8s.io', version: 'v1' } as const;

export const resources = {
  ingresses: { ...networking, plural: 'ingresses', kind: 'Ingress', isNamespaced: true },
  ingressClasses: { ...networking, plural: 'ingressclasses', kind: 'IngressClass', isNamespaced: false },
  services: { ...core, plural: 'services', kind: 'Service', isNamespaced: true },
  endpointSlices: {
    group: 'discovery.k8s.io',
    version: 'v1',
    plural: 'endpointslices',
    kind: 'EndpointSlice',
    isNamespaced: true,
  },
  secrets: { ...core, plural: 'secrets', kind: 'Secret', isNamespaced: true },
  configMaps: { ...core, plural: 'configmaps', kind: 'ConfigMap', isNamespaced: true },
  namespaces: { ...core, plural: 'namespaces', kind: 'Namespace', isNamespaced: false },
} as const satisfies Readonly<Record<string, ApiResource>>;

/** `apiVersion` of the objects: `v1`, `networking.k8s.io/v1`. */
export function apiVersionOf({ group, version }: Pick<ApiResource, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

/**
 * Path of a collection, or of one object in it.
 * @param namespace '' is the whole cluster; ignored for cluster-scoped resources.
 */
export function pathOf(
  { group, version, plural, isNamespaced }: Omit<ApiResource, 'kind'>,
  namespace: string,
  name = '',
): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const scope = isNamespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${plural}${name === '' ? '' : `/${encodeURIComponent(name)}`}`;
}
