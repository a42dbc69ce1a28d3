// Small routing tables for the tests of this folder.

import { plainTarget } from '#proxy/table/defaults.ts';
import type { CertificateInfo, Route, RoutingTable, VirtualHost } from '#proxy/table/types.ts';

/** A table with these hosts; settings are left out, because nothing in this folder reads them. */
export function tableOf(
  virtualHosts: readonly VirtualHost[],
  certificates: readonly CertificateInfo[] = [],
): RoutingTable {
  return { format: 1, policies: {}, virtualHosts, upstreams: [], certificates, streams: [] } as unknown as RoutingTable;
}

/** A host with one prefix route for each path. */
export function hostOf(name: string, paths: readonly string[], certificate: string | null = null): VirtualHost {
  return { name, certificate, passthrough: null, mode: 'path', routes: paths.map((path) => routeOf(name, path)) };
}

function routeOf(host: string, path: string): Route {
  return {
    id: `demo/test|${host}|prefix|${path}`,
    match: { kind: 'prefix', path },
    policy: 'p',
    filters: [],
    target: plainTarget('demo-web-80'),
    mirror: null,
    labels: { namespace: 'demo', ingress: 'test', service: 'web', servicePort: '80', path },
  };
}

/** A certificate named `id`, signed by `issuer`. */
export function certificateOf(id: string, issuer: string): CertificateInfo {
  return {
    id,
    secret: `demo/${id}`,
    commonName: id,
    dnsNames: [],
    notBeforeMs: 0,
    notAfterMs: 0,
    serialNumber: '1',
    issuerCommonName: issuer,
    issuerOrganization: '',
    publicKeyAlgorithm: 'ECDSA',
  };
}
