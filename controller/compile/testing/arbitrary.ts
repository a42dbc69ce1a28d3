// Arbitrary decoded objects for property tests. Names come from small sets, so that hosts, paths, Services and Secrets
// meet often; among them are values that a real API server refuses, because compile() must be total.

import fc from 'fast-check';
import {
  type ConfigMap,
  type EndpointSlice,
  type Ingress,
  type IngressBackend,
  type IngressClass,
  type IngressPath,
  type IngressTls,
  type KubernetesObject,
  keyOf,
  type ObjectMeta,
  Redacted,
  type Secret,
  type Service,
  type ServicePort,
  type ServicePortRef,
} from '../../objects/types.ts';
import { fixture } from './fixtures.ts';

const namespaces = ['default', 'default', 'default', 'a', 'a-b'];
const services = ['web', 'web', 'web', 'b-c', 'c', '__proto__'];
const hosts = [
  '',
  'web.test',
  'a.foo.com',
  '*.foo.com',
  'foo.bar.com',
  'a.example.com',
  '_',
  'constructor',
  'UPPER host',
];
const paths = ['', '/', '/a', '/a/', '/a/b', '/a/b/', '/ü'];
const oddPaths = ['//', '/a%20b', '/a(/|$)(.*)', 'relative', '/etc/passwd'];
const ports = ['http', 'admin', ''];
const certificates = ['foo-bar-com', 'wildcard-foo-com', 'common-name-only'];

const annotation = fc.dictionary(
  fc.constantFrom(
    'nginx.ingress.kubernetes.io/canary',
    'nginx.ingress.kubernetes.io/ssl-redirect',
    'nginx.ingress.kubernetes.io/force-ssl-redirect',
    'nginx.ingress.kubernetes.io/service-upstream',
    'nginx.ingress.kubernetes.io/proxy-read-timeout',
    'nginx.ingress.kubernetes.io/configuration-snippet',
    'nginx.ingress.kubernetes.io/auth-type',
    'nginx.ingress.kubernetes.io/ssl-passthrough',
    'kubernetes.io/ingress.class',
    'service.kubernetes.io/topology-mode',
  ),
  fc.constantFrom('true', 'false', '5', 'nginx', 'auto', 'basic', '', 'nonsense'),
  { maxKeys: 2, size: 'xsmall' },
);

/** Annotations of upstreams, canaries and limits with values that mostly fit, so that Ingresses of one Service differ. */
const traffic = fc
  .subarray(
    [
      ['nginx.ingress.kubernetes.io/canary', 'true'],
      ['nginx.ingress.kubernetes.io/canary-weight', '20'],
      ['nginx.ingress.kubernetes.io/canary-by-header', 'X-Canary'],
      ['nginx.ingress.kubernetes.io/affinity', 'cookie'],
      ['nginx.ingress.kubernetes.io/affinity-mode', 'persistent'],
      ['nginx.ingress.kubernetes.io/session-cookie-name', 'sid'],
      ['nginx.ingress.kubernetes.io/load-balance', 'ewma'],
      ['nginx.ingress.kubernetes.io/upstream-hash-by', '$host$unknown'],
      ['nginx.ingress.kubernetes.io/upstream-hash-by', '$request_uri'],
      ['nginx.ingress.kubernetes.io/limit-rps', '5'],
      ['nginx.ingress.kubernetes.io/mirror-target', 'https://m.test$request_uri'],
      ['sluice.ingress.kubernetes.io/passive-health', 'off'],
      ['sluice.ingress.kubernetes.io/slow-start', '30s'],
      ['sluice.ingress.kubernetes.io/zone-preference', 'true'],
    ] as const,
    { maxLength: 4 },
  )
  .map((entries): Record<string, string> => Object.fromEntries(entries));

const ingressAnnotations = fc.oneof({ weight: 2, arbitrary: annotation }, { weight: 1, arbitrary: traffic });

/** `created` is mostly equal, as whole seconds and manifest folders make it. */
function meta(
  names: readonly string[],
  annotations: fc.Arbitrary<Record<string, string>> = annotation,
): fc.Arbitrary<ObjectMeta> {
  return fc.record({
    namespace: fc.constantFrom(...namespaces),
    name: fc.constantFrom(...names),
    uid: fc.constant(''),
    creationTimestampMs: fc.constantFrom(0, 0, 1000, 2000),
    annotations,
    labels: fc.constant({}),
  });
}

const portRef: fc.Arbitrary<ServicePortRef> = fc.oneof(
  fc.record({ kind: fc.constant('number' as const), number: fc.constantFrom(80, 8080, 443) }),
  fc.record({ kind: fc.constant('name' as const), name: fc.constantFrom('http', 'admin', '80') }),
  fc.constant({ kind: 'none' as const }),
);

const backend: fc.Arbitrary<IngressBackend> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constant('service' as const),
      service: fc.constantFrom(...services),
      port: portRef,
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'resource' as const, resource: 'Bucket/static' }) },
);

const path: fc.Arbitrary<Omit<IngressPath, 'index'>> = fc.record({
  path: fc.oneof(
    { weight: 19, arbitrary: fc.constantFrom(...paths) },
    { weight: 1, arbitrary: fc.constantFrom(...oddPaths) },
  ),
  pathType: fc.constantFrom('Exact', 'Prefix', 'ImplementationSpecific'),
  backend,
});

function indexed<T>(item: fc.Arbitrary<T>, maxLength: number): fc.Arbitrary<(T & { readonly index: number })[]> {
  return fc.array(item, { maxLength }).map((items) => items.map((value, index) => ({ ...value, index })));
}

const rule = fc.record({ host: fc.constantFrom(...hosts), paths: fc.option(indexed(path, 5)) });

const tls: fc.Arbitrary<Omit<IngressTls, 'index'>> = fc.record({
  hosts: fc.array(fc.constantFrom(...hosts), { maxLength: 2 }),
  secretName: fc.constantFrom('', 'one', 'two', 'missing'),
});

const ingress: fc.Arbitrary<Ingress> = fc.record({
  kind: fc.constant('Ingress' as const),
  meta: meta(['one', 'two', 'three', 'four'], ingressAnnotations),
  ingressClassName: fc.constantFrom('nginx', 'nginx', 'nginx', 'nginx', 'nginx', 'other', null),
  defaultBackend: fc.option(backend, { freq: 2 }),
  rules: indexed(rule, 4),
  tls: indexed(tls, 2),
});

const servicePort: fc.Arbitrary<ServicePort> = fc.record({
  name: fc.constantFrom(...ports),
  protocol: fc.constantFrom('TCP', 'UDP'),
  port: fc.constantFrom(80, 8080),
  targetPort: fc.constantFrom(8080, 'http'),
});

const service: fc.Arbitrary<Service> = fc.record({
  kind: fc.constant('Service' as const),
  meta: meta(services),
  type: fc.constantFrom('ClusterIP', 'ClusterIP', 'ClusterIP', 'ExternalName'),
  clusterIP: fc.constantFrom('', 'None', '172.20.0.1', 'nonsense'),
  externalName: fc.constantFrom('', 'api.example.com', 'localhost', '::1', '192.0.2.1', 'bad name'),
  ports: fc.array(servicePort, { maxLength: 3 }),
  trafficDistribution: fc.constantFrom('', 'PreferClose'),
});

const slice: fc.Arbitrary<EndpointSlice> = fc.record({
  kind: fc.constant('EndpointSlice' as const),
  meta: meta(['s1', 's2', 's3']),
  serviceName: fc.constantFrom(...services),
  addressType: fc.constantFrom('IPv4', 'FQDN'),
  weight: fc.constantFrom(1, 1, 3),
  endpoints: fc.array(
    fc.record({
      addresses: fc.array(fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3'), { maxLength: 2 }),
      conditions: fc.record({ ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean() }),
      zone: fc.constant(''),
      hintZones: fc.array(fc.constantFrom('zone-a', 'zone-b'), { maxLength: 1 }),
      nodeName: fc.constant(''),
    }),
    { maxLength: 4 },
  ),
  ports: fc.array(
    fc.record({
      name: fc.constantFrom(...ports),
      protocol: fc.constantFrom('TCP', 'UDP'),
      port: fc.constantFrom(8080, 9090, null),
    }),
    { maxLength: 2 },
  ),
});

const secret: fc.Arbitrary<Secret> = fc
  .record({
    meta: meta(['one', 'two']),
    certificate: fc.constantFrom(...certificates),
    key: fc.constantFrom(...certificates, 'rubbish'),
  })
  .map(({ meta: secretMeta, certificate, key }) => ({
    kind: 'Secret',
    meta: secretMeta,
    type: 'kubernetes.io/tls',
    data: {
      'tls.crt': new Redacted(pem(`${certificate}.crt`)),
      'tls.key': new Redacted(key === 'rubbish' ? key : pem(`${key}.key`)),
    },
  }));

const configMap: fc.Arbitrary<ConfigMap> = fc.record({
  kind: fc.constant('ConfigMap' as const),
  meta: fc.constant(clusterMeta('settings', 'default')),
  data: fc.dictionary(
    fc.constantFrom(
      'ssl-redirect',
      'keep-alive',
      'annotations-risk-level',
      'service-upstream',
      'load-balance',
      'limit-req-status-code',
      'proxy-next-upstream-tries',
      'unknown',
    ),
    fc.constantFrom('true', 'false', '10', '429', 'ewma', 'Critical', 'Low', 'nonsense'),
  ),
});

const streamConfigMap: fc.Arbitrary<ConfigMap> = fc.record({
  kind: fc.constant('ConfigMap' as const),
  meta: fc.constantFrom('tcp', 'udp').map((name) => clusterMeta(name, 'default')),
  data: fc.dictionary(
    fc.constantFrom('53', '80', '9000', 'nonsense'),
    fc.constantFrom('default/web:80', 'default/web:http:PROXY', 'a/c:80::PROXY', 'a-b/c:admin', 'a/gone:1', 'nonsense'),
  ),
});

const ingressClass: fc.Arbitrary<IngressClass> = fc.record({
  kind: fc.constant('IngressClass' as const),
  meta: fc.constant(clusterMeta('other', '')),
  controller: fc.constantFrom('k8s.io/ingress-nginx', 'example.com/other'),
});

const ourClass: IngressClass = {
  kind: 'IngressClass',
  meta: clusterMeta('nginx', ''),
  controller: 'k8s.io/ingress-nginx',
};

/** Any object of a cluster. */
export const clusterObject: fc.Arbitrary<KubernetesObject> = fc.oneof(
  { weight: 8, arbitrary: ingress },
  { weight: 8, arbitrary: service },
  { weight: 8, arbitrary: slice },
  { weight: 3, arbitrary: secret },
  { weight: 1, arbitrary: configMap },
  { weight: 2, arbitrary: streamConfigMap },
  { weight: 1, arbitrary: ingressClass },
);

/** A set of objects, at most one of each kind and key, and the IngressClass that most of its Ingresses name. */
export const clusterObjects: fc.Arbitrary<readonly KubernetesObject[]> = fc
  .uniqueArray(clusterObject, {
    maxLength: 40,
    size: 'max',
    selector: (object) => `${object.kind}/${keyOf(object.meta)}`,
  })
  .map((objects) => [ourClass, ...objects]);

function clusterMeta(name: string, namespace: string): ObjectMeta {
  return { namespace, name, uid: '', creationTimestampMs: 0, annotations: {}, labels: {} };
}

const pems = new Map<string, string>();

/** Fixtures are read once: generators run thousands of times. */
function pem(file: string): string {
  const text = pems.get(file) ?? fixture(file);
  pems.set(file, text);
  return text;
}
