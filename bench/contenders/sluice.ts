// Sluice as users run it: `sluice serve` on a folder of manifests, metrics on, one worker.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PinnedProcess, PROXY_CORE } from '../pinned-process.ts';
import {
  type Contender,
  type Flavour,
  GRPC_PORT,
  HOST,
  HOST_COUNT,
  hostName,
  ORIGIN_PORTS,
  originPortOf,
  type StartOptions,
} from './contender.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const NAMESPACE = 'bench';

export const sluice: Contender = {
  name: 'sluice',
  flavours: [
    'plain',
    'accessLog',
    'manyHosts',
    'filters',
    'affinityAndLimits',
    'bufferedUploads',
    'mirror',
    'tcpService',
    'webSocket',
    'grpc',
  ],
  hasTls: true,
  version: () => `sluice on Node ${process.version}`,
  start: startSluice,
};

function startSluice({ flavour, directory, ports, certFile, keyFile }: StartOptions): PinnedProcess {
  const manifests = join(directory, 'manifests');
  mkdirSync(manifests);
  const tls = { 'tls.crt': readFileSync(certFile, 'base64'), 'tls.key': readFileSync(keyFile, 'base64') };
  // JSON is YAML, and a stream of documents needs no indentation rules.
  const documents = renderManifests(flavour, tls, ports.http).map((object) => JSON.stringify(object));
  writeFileSync(join(manifests, 'bench.yaml'), documents.join('\n---\n'));
  const profile = process.env['SLUICE_BENCH_NODE_OPTIONS']?.split(' ') ?? [];
  return new PinnedProcess({
    core: PROXY_CORE,
    command: process.execPath,
    // biome-ignore format: one flag and its value per line
    args: [
      ...profile, join(REPOSITORY, 'controller/sluice.js'), 'serve',
      '--manifests', manifests,
      '--configmap', `${NAMESPACE}/settings`,
      '--workers', '1',
      '--bind-address', '127.0.0.1',
      '--tcp-services-configmap', `${NAMESPACE}/tcp`,
      '--http-port', flavour === 'tcpService' ? '0' : String(ports.http),
      '--https-port', String(ports.https),
      '--healthz-port', String(ports.health),
      '--log-level', 'warn',
    ],
    logFile: join(directory, 'output.log'),
  });
}

function renderManifests(flavour: Flavour, tls: Readonly<Record<string, string>>, httpPort: number): unknown[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'nginx' },
      spec: { controller: 'k8s.io/ingress-nginx' },
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: inNamespace('settings'), data: settings(flavour) },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: inNamespace('tcp'), data: tcpServices(flavour, httpPort) },
    { apiVersion: 'v1', kind: 'Secret', metadata: inNamespace('tls'), type: 'kubernetes.io/tls', data: tls },
    ...[...ORIGIN_PORTS, GRPC_PORT].flatMap(renderService),
    renderIngress('bench', HOST, flavour === 'grpc' ? GRPC_PORT : ORIGIN_PORTS[0], annotations(flavour)),
    // Its own Service: of one that both name, the canary's annotations would decide.
    ...(flavour === 'filters' ? [renderIngress('canary', HOST, ORIGIN_PORTS[1], CANARY)] : []),
    ...(flavour === 'manyHosts' ? Array.from({ length: HOST_COUNT }, (_, i) => renderHost(i)) : []),
  ];
}

/** The same limits as the peers have. HSTS is off because none of them sends it. */
function settings(flavour: Flavour): Record<string, string> {
  return {
    'disable-access-log': String(flavour !== 'accessLog'),
    'keep-alive': '600',
    'keep-alive-requests': '100000000',
    'upstream-keepalive-connections': '1024',
    'upstream-keepalive-requests': '100000000',
    'proxy-body-size': '0',
    'proxy-request-buffering': flavour === 'bufferedUploads' ? 'on' : 'off',
    'ssl-redirect': 'false',
    hsts: 'false',
    // nginx has no such limits: with them, copies that are too many for a busy core would cost nothing.
    'sluice-mirror-max-requests': '10000',
    'sluice-mirror-max-requests-per-target': '10000',
  };
}

function tcpServices(flavour: Flavour, httpPort: number): Record<string, string> {
  return flavour === 'tcpService' ? { [httpPort]: `${NAMESPACE}/origin-${ORIGIN_PORTS[0]}:80` } : {};
}

function renderHost(index: number): unknown {
  return renderIngress(`host-${index}`, hostName(index), originPortOf(index));
}

/**
 * Ten: two rates, connections, bandwidth, affinity, canary, retries, ewma, circuit breaker, retry budget. None of them
 * refuses or slows a request: it is their reckoning that is measured. The peers have the nearest they know.
 */
const FILTERS = {
  'nginx.ingress.kubernetes.io/limit-rps': '1000000',
  'nginx.ingress.kubernetes.io/limit-rpm': '60000000',
  'nginx.ingress.kubernetes.io/limit-connections': '1000',
  'nginx.ingress.kubernetes.io/limit-allowlist': '192.0.2.0/24',
  'nginx.ingress.kubernetes.io/limit-rate': '1048576',
  'nginx.ingress.kubernetes.io/limit-rate-after': '1024',
  'nginx.ingress.kubernetes.io/affinity': 'cookie',
  'nginx.ingress.kubernetes.io/proxy-next-upstream': 'error timeout http_503',
  'nginx.ingress.kubernetes.io/proxy-read-timeout': '30',
  'nginx.ingress.kubernetes.io/load-balance': 'ewma',
  'sluice.ingress.kubernetes.io/max-requests': '100000',
  'sluice.ingress.kubernetes.io/retry-budget': '20',
};

/** Four that look at every request. The peers have no ewma. */
const AFFINITY_AND_LIMITS = {
  'nginx.ingress.kubernetes.io/load-balance': 'ewma',
  'nginx.ingress.kubernetes.io/affinity': 'cookie',
  'nginx.ingress.kubernetes.io/limit-rps': '1000000',
  'nginx.ingress.kubernetes.io/limit-connections': '60000',
};

function annotations(flavour: Flavour): Readonly<Record<string, string>> {
  if (flavour === 'filters') return FILTERS;
  if (flavour === 'affinityAndLimits') return AFFINITY_AND_LIMITS;
  if (flavour === 'mirror') {
    return { 'nginx.ingress.kubernetes.io/mirror-target': `http://127.0.0.1:${ORIGIN_PORTS[1]}$request_uri` };
  }
  return flavour === 'grpc' ? { 'nginx.ingress.kubernetes.io/backend-protocol': 'GRPC' } : {};
}

const CANARY = {
  'nginx.ingress.kubernetes.io/canary': 'true',
  'nginx.ingress.kubernetes.io/canary-by-header': 'x-canary',
  'nginx.ingress.kubernetes.io/canary-by-cookie': 'canary',
};

function renderIngress(
  name: string,
  host: string,
  originPort: number,
  annotations: Readonly<Record<string, string>> = {},
): unknown {
  const backend = { service: { name: `origin-${originPort}`, port: { number: 80 } } };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { ...inNamespace(name), annotations },
    spec: {
      ingressClassName: 'nginx',
      tls: [{ hosts: [host], secretName: 'tls' }],
      rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
    },
  };
}

function renderService(port: number): unknown[] {
  const name = `origin-${port}`;
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: inNamespace(name),
      spec: { ports: [{ name: 'http', port: 80, targetPort: port }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...inNamespace(name), labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port, protocol: 'TCP' }],
      endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    },
  ];
}

function inNamespace(name: string): { readonly namespace: string; readonly name: string } {
  return { namespace: NAMESPACE, name };
}
