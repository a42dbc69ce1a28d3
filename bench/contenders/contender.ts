// What the benchmark asks of a proxy: to start in one of a few configurations, on given ports.

import type { PinnedProcess } from '../pinned-process.ts';

/**
 * `plain`: one host, no access log. `accessLog`: the same with an access log in ingress-nginx's format. `manyHosts`:
 * 10,000 hosts; even ones belong to the first origin, odd ones to the second. `tcpService`: the HTTP port is passed on to the
 * first origin as TCP. `webSocket`: upgrades are let through, which nginx needs to be told. `grpc`: everything goes to the gRPC
 * origin over HTTP/2 without TLS. `affinityAndLimits`: a cookie binds clients, rates and connections are limited, endpoints are
 * picked by response time where that is known. `bufferedUploads`: request bodies are read before they are sent on, as nginx and
 * Sluice do by default. `mirror`: the second origin gets a copy of each request.
 */
export type Flavour =
  | 'plain'
  | 'accessLog'
  | 'manyHosts'
  | 'filters'
  | 'affinityAndLimits'
  | 'bufferedUploads'
  | 'mirror'
  | 'tcpService'
  | 'webSocket'
  | 'grpc';

export const HOST_COUNT = 10_000;
export const HOST = 'bench.test';

/** The two ports of the C origin. */
export const ORIGIN_PORTS = [9901, 9902] as const;

/** Of the gRPC origin. */
export const GRPC_PORT = 9903;

/** `h00042.bench.test`; the load generator builds the same names. */
export function hostName(index: number): string {
  return `h${String(index).padStart(5, '0')}.${HOST}`;
}

export function originPortOf(hostIndex: number): number {
  return ORIGIN_PORTS[hostIndex % 2] ?? ORIGIN_PORTS[0];
}

export interface StartOptions {
  readonly flavour: Flavour;
  /** Empty folder of this instance, for configuration and logs. */
  readonly directory: string;
  readonly ports: Ports;
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Ports {
  readonly http: number;
  readonly https: number;
  readonly health: number;
}

export interface Contender {
  readonly name: string;
  readonly flavours: readonly Flavour[];
  readonly hasTls: boolean;
  readonly start: (options: StartOptions) => PinnedProcess;
  /** For the report, e.g. `nginx/1.22.1`. */
  readonly version: () => string;
}
