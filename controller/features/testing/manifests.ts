// Manifests as values, in the form of the Kubernetes API. Tests write them into a folder or decode them for the store.

/** One Kubernetes object as it stands in a manifest. Everything is in namespace `default`. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly [section: string]: unknown;
}

/** Paths of one host, as `path -> Service` or `path -> Service:port`. All are of type Prefix; the port is 80 by default. */
export type PathsToServices = Readonly<Record<string, string>>;

export interface IngressParts {
  readonly hosts: Readonly<Record<string, PathsToServices>>;
  /** Secret for all hosts of the Ingress. Default: no TLS. */
  readonly tlsSecret?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The class that `ingress` names. */
export const ingressClass: Manifest = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: 'nginx' },
  spec: { controller: 'k8s.io/ingress-nginx' },
};

/** Plain HTTP is answered as it is, also on a host with TLS. */
export const noRedirect = { 'nginx.ingress.kubernetes.io/ssl-redirect': 'false' } as const;

export function ingress(name: string, { hosts, tlsSecret, annotations = {} }: IngressParts): Manifest {
  const rules = Object.entries(hosts).map(([host, paths]) => ({
    host,
    http: { paths: Object.entries(paths).map(([path, service]) => pathTo(path, service)) },
  }));
  const tls = tlsSecret === undefined ? [] : [{ hosts: Object.keys(hosts), secretName: tlsSecret }];
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, annotations },
    spec: { ingressClassName: 'nginx', tls, rules },
  };
}

function pathTo(path: string, backend: string): unknown {
  const [name, port = '80'] = backend.split(':');
  return { path, pathType: 'Prefix', backend: { service: { name, port: { number: Number(port) } } } };
}

/** A Service with port 80. */
export function service(name: string): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
  };
}

/** The slice that makes one loopback port an endpoint of a Service. Its name says both. */
export function slice(serviceName: string, port: number): Manifest {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${serviceName}-${port}`, labels: { 'kubernetes.io/service-name': serviceName } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port, protocol: 'TCP' }],
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
  };
}

/** A Service and a slice for each port. */
export function serviceWith(name: string, ...ports: readonly number[]): Manifest[] {
  return [service(name), ...[...ports].sort().map((port) => slice(name, port))];
}

export function tlsSecret(name: string, pair: { readonly certPem: string; readonly keyPem: string }): Manifest {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(pair.certPem), 'tls.key': base64(pair.keyPem) },
  };
}

export function configMap(name: string, data: Readonly<Record<string, string>>): Manifest {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data };
}

/** Text of a manifest file. JSON is YAML, and documents may follow each other. */
export function textOf(...manifests: readonly Manifest[]): string {
  return manifests.map((manifest) => `${JSON.stringify(manifest, null, 2)}\n`).join('---\n');
}
