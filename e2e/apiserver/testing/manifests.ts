// The smallest valid object of each kind that tests need, to be changed where a test is about something.

export function configMap(name: string, data: object = {}, namespace = 'default') {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data };
}

export function secret(name: string, type: string, data: object) {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'default' }, type, data };
}

export function service(name: string, spec: object = {}) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { ports: [{ port: 80 }], ...spec },
  };
}

const backend = { service: { name: 'web', port: { number: 80 } } };

export function ingressPath(path: object) {
  return { path: '/', pathType: 'Prefix', backend, ...path };
}

/** One host with one path. */
export function ingress(name: string, spec: object = {}, metadata: object = {}) {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'default', ...metadata },
    spec: { rules: [{ host: 'a.test', http: { paths: [ingressPath({})] } }], ...spec },
  };
}

export function ingressClass(name: string, { isDefault = false } = {}) {
  const annotations = { 'ingressclass.kubernetes.io/is-default-class': String(isDefault) };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name, annotations },
    spec: { controller: 'x.test/y' },
  };
}

export function endpointSlice(name: string, content: object = {}) {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.1.0.1'] }],
    ports: [{ port: 80 }],
    ...content,
  };
}

export function lease(name: string, spec: object) {
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace: 'default' }, spec };
}

/** Collection paths in the namespace "default". */
export const PATHS = {
  configMaps: '/api/v1/namespaces/default/configmaps',
  secrets: '/api/v1/namespaces/default/secrets',
  services: '/api/v1/namespaces/default/services',
  events: '/api/v1/namespaces/default/events',
  pods: '/api/v1/namespaces/default/pods',
  newEvents: '/apis/events.k8s.io/v1/namespaces/default/events',
  ingresses: '/apis/networking.k8s.io/v1/namespaces/default/ingresses',
  ingressClasses: '/apis/networking.k8s.io/v1/ingressclasses',
  endpointSlices: '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
  leases: '/apis/coordination.k8s.io/v1/namespaces/default/leases',
  deployments: '/apis/apps/v1/namespaces/default/deployments',
} as const;
