// Manifests of the smallest application: a Service `web`, its endpoints and Ingresses to it. Names of the run are put in
// by `Scene.apply`.

import { machineAddress } from './machine-address.ts';
import type { Pod } from './pods.ts';

export function serviceYaml(name = 'web'): string {
  return `
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: APPS }
spec: { ports: [{ name: http, port: 80 }] }
`;
}

/** The slice of a Service with one pod. */
export function sliceYaml({ port }: Pick<Pod, 'port'>, service = 'web'): string {
  return `
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${service}-1, namespace: APPS, labels: { kubernetes.io/service-name: ${service} } }
addressType: IPv4
ports: [{ name: http, port: ${port} }]
endpoints: [{ addresses: ["${machineAddress()}"], conditions: { ready: true } }]
`;
}

export interface IngressOptions {
  readonly className?: string;
  readonly service?: string;
  readonly host?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An Ingress with one host, `<name>.test` unless given, and the path `/`. */
export function ingressYaml(name: string, options: IngressOptions = {}): string {
  const { className = 'CLASS', service = 'web', host = `${name}.test`, annotations = {} } = options;
  return `
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: ${name}, namespace: APPS, annotations: ${JSON.stringify(annotations)} }
spec:
  ingressClassName: ${className}
  rules:
    - host: ${host}
      http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: ${service}, port: { number: 80 } } } }] }
`;
}
