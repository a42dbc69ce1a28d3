// Small builders of decoded objects for unit tests. Golden cases start from manifests instead.

import type { Ingress, ObjectMeta, Service } from '../../objects/types.ts';

export function metaOf(name: string, created = 0, namespace = 'default'): ObjectMeta {
  return { namespace, name, uid: '', creationTimestampMs: created, annotations: {}, labels: {} };
}

export function ingressOf(changes: Partial<Ingress> = {}): Ingress {
  return {
    kind: 'Ingress',
    meta: metaOf('web'),
    ingressClassName: 'nginx',
    defaultBackend: null,
    rules: [],
    tls: [],
    ...changes,
  };
}

export function serviceOf(changes: Partial<Service> = {}): Service {
  return {
    kind: 'Service',
    meta: metaOf('web'),
    type: 'ClusterIP',
    clusterIP: '172.20.0.1',
    externalName: '',
    ports: [],
    trafficDistribution: '',
    ...changes,
  };
}
