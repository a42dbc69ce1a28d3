// The cluster of the control benchmark as manifests: each Ingress with its own host and Service, 5 endpoints, and a TLS
// Secret for every fifth.
//
// The first `LIVE` Ingresses are the ones that are asked: of their endpoints only the one on this machine is ready. The
// endpoints of all others are addresses nobody asks.

import { generate } from 'selfsigned';

/** How many Ingresses have a pod that answers; all of them have a certificate. */
export const LIVE = 20;
export const ENDPOINTS_PER_SERVICE = 5;

export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Where the live pods are. */
export interface PodAddress {
  readonly address: string;
  readonly port: number;
}

export const hostOf = (i: number): string => `app-${i}.bench.test`;

/** Live Ingresses have a certificate, of the others as many as make a fifth of all. */
export const hasCertificate = (i: number, count: number): boolean => i < Math.min(LIVE, count / 5) || i % 5 === 4;

export async function generateKeyPair(host: string): Promise<KeyPair> {
  const pems = await generate([{ name: 'commonName', value: host }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + 30 * 24 * 3600 * 1000),
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: host }] }],
  });
  return { cert: pems.cert, key: pems.private };
}

/** `extraPath` adds a path that only this version answers. */
export function ingressOf(i: number, isTls: boolean, extraPath: string | null = null): object {
  const backend = { service: { name: `app-${i}`, port: { number: 80 } } };
  // Plain HTTP is asked on hosts with a certificate as well.
  const annotations = { 'nginx.ingress.kubernetes.io/ssl-redirect': 'false' };
  const paths = ['/app', '/api', ...(extraPath === null ? [] : [extraPath])];
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: `app-${i}`, namespace: 'default', annotations },
    spec: {
      ingressClassName: 'nginx',
      rules: [{ host: hostOf(i), http: { paths: paths.map((path) => ({ path, pathType: 'Prefix', backend })) } }],
      ...(isTls && { tls: [{ hosts: [hostOf(i)], secretName: `tls-${i}` }] }),
    },
  };
}

export function serviceOf(i: number): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `app-${i}`, namespace: 'default' },
    spec: { ports: [{ name: 'http', port: 80 }] },
  };
}

/** Five endpoints. With `pod`, it is the only ready one; without, `version` moves the first. */
export function sliceOf(i: number, pod: PodAddress | null, version = 0): object {
  const addresses = Array.from({ length: ENDPOINTS_PER_SERVICE }, (_, n) => {
    const last = n === 0 ? 10 + (version % 200) : n;
    return `10.${100 + (i >> 8)}.${i & 255}.${last}`;
  });
  const endpoints = addresses.map((address, n) => ({
    addresses: [pod !== null && n === 0 ? pod.address : address],
    conditions: { ready: pod === null || n === 0 },
  }));
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `app-${i}-x`, namespace: 'default', labels: { 'kubernetes.io/service-name': `app-${i}` } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: pod?.port ?? 8080 }],
    endpoints,
  };
}

export function secretOf(i: number, { cert, key }: KeyPair): object {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `tls-${i}`, namespace: 'default' },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(cert), 'tls.key': base64(key) },
  };
}

export const ingressClass: object = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: 'nginx' },
  spec: { controller: 'k8s.io/ingress-nginx' },
};
