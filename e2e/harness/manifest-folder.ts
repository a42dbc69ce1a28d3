// A folder of manifests for `sluice serve --manifests`: hosts, each with a Service whose one endpoint is on loopback.

import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface FolderOptions {
  /** Port of the endpoint on 127.0.0.1 by host. */
  readonly services: Readonly<Record<string, number>>;
  /** Annotations of a host's Ingress. */
  readonly annotations?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Data of the ConfigMap `default/settings`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Writes the folder; the caller removes it. */
export async function writeManifests(options: FolderOptions): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-e2e-'));
  const { services, annotations = {}, settings = {} } = options;
  const objects = [
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'nginx' },
      spec: { controller: 'k8s.io/ingress-nginx' },
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings', namespace: 'default' }, data: settings },
    ...Object.entries(services).flatMap(([host, port]) => objectsOf(host, port, annotations[host] ?? {})),
  ];
  // JSON is YAML.
  await writeFile(join(folder, 'all.yaml'), objects.map((object) => JSON.stringify(object)).join('\n---\n'));
  return folder;
}

function objectsOf(host: string, port: number, annotations: Readonly<Record<string, string>>): readonly unknown[] {
  const name = host.replaceAll('.', '-');
  const backend = { service: { name, port: { number: 80 } } };
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { ports: [{ port: 80, targetPort: port }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ port, protocol: 'TCP', name: '' }],
      endpoints: [{ addresses: ['127.0.0.1'] }],
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name, namespace: 'default', annotations },
      spec: {
        ingressClassName: 'nginx',
        rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
      },
    },
  ];
}
