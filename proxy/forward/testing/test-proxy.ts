// Runs a ProxyWorker in this process on loopback with a table made from a few routes.

import { randomBytes } from 'node:crypto';
import { createLimitMemory, LimitTable } from '../../filters/limit-table.ts';
import { defaultRequestMetricsSettings } from '../../observe/request-metrics.ts';
import { defaultPolicy, emptyGlobal, plainEndpoint, plainTarget, plainUpstream } from '../../table/defaults.ts';
import type { MirrorSettings } from '../../table/route-settings.ts';
import type {
  CertificateMaterial,
  Filter,
  GlobalSettings,
  RoutePolicy,
  RouteTarget,
  RoutingTable,
  Upstream,
  VirtualHost,
} from '../../table/types.ts';
import { ProxyWorker } from '../../workers/proxy-worker.ts';

export interface TestRoute {
  /** Default `_`. */
  readonly host?: string;
  /** Prefix, default '' (everything). */
  readonly path?: string;
  /** Loopback ports of the endpoints; each list of ports is one upstream. */
  readonly endpoints?: readonly number[];
  readonly policy?: Partial<RoutePolicy>;
  /** Balancer, health, limits ... of the upstream. */
  readonly upstream?: Partial<Upstream>;
  readonly filters?: readonly Filter[];
  readonly target?: RouteTarget;
  readonly mirror?: MirrorSettings;
  readonly certificate?: string;
  /** TLS connections for the host go to the endpoints of this route. */
  readonly passthrough?: boolean;
}

/** `proxy-request-buffering: off`: bodies are sent on as they come. */
export const STREAMED: Partial<RoutePolicy> = { bufferRequestBytes: 0 };

/** Builds a table. Upstream ids follow the route's place: `u0`, `u1` ... */
export function tableOf(routes: readonly TestRoute[], global: Partial<GlobalSettings> = {}): RoutingTable {
  const policies: Record<string, RoutePolicy> = {};
  const hosts = new Map<string, VirtualHost>();
  hosts.set('_', { name: '_', certificate: null, passthrough: null, mode: 'path', routes: [] });
  routes.forEach((route, index) => {
    policies[`p${index}`] = { ...defaultPolicy, ...route.policy };
    const name = route.host ?? '_';
    const before = hosts.get(name);
    const made = {
      id: `test/r${index}`,
      match: { kind: 'prefix', path: route.path ?? '' },
      policy: `p${index}`,
      filters: route.filters ?? [],
      target: route.target ?? plainTarget(`u${index}`),
      mirror: route.mirror ?? null,
      labels: { namespace: 'test', ingress: `r${index}`, service: 's', servicePort: '80', path: route.path ?? '/' },
    } as const;
    const passthrough = route.passthrough === true ? `u${index}` : (before?.passthrough ?? null);
    const certificate = route.certificate ?? before?.certificate ?? null;
    hosts.set(name, { name, certificate, passthrough, mode: 'path', routes: [...(before?.routes ?? []), made] });
  });
  return {
    format: 1,
    global: { ...emptyGlobal, ...global },
    policies,
    virtualHosts: [...hosts.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    upstreams: routes.map((route, index) => ({
      ...plainUpstream(
        `u${index}`,
        (route.endpoints ?? []).map((port) => plainEndpoint('127.0.0.1', port)),
      ),
      ...route.upstream,
    })),
    certificates: [],
    streams: [],
  };
}

export class TestProxy {
  readonly worker: ProxyWorker;
  readonly accessLog: string[] = [];
  readonly logs: string[] = [];
  /** Endpoints that were left out, with the reason, in order. */
  readonly ejections: string[] = [];
  /** Told by the worker, as `id fault`. */
  readonly portFaults: string[] = [];
  port = 0;
  tlsPort = 0;
  #revision = 0;

  constructor(
    options: { staticReadBuffer?: boolean; maxConnections?: number; reusePort?: boolean; bindHost?: string } = {},
  ) {
    this.worker = new ProxyWorker({
      ticketKeys: randomBytes(48),
      maxConnections: options.maxConnections ?? 1000,
      staticReadBuffer: options.staticReadBuffer ?? true,
      reusePort: options.reusePort ?? false,
      requestMetrics: defaultRequestMetricsSettings,
      bindHost: options.bindHost ?? '127.0.0.1',
      log: (level, message, fields) => this.logs.push(`${level} ${message} ${JSON.stringify(fields)}`),
      writeAccessLog: (lines) => this.accessLog.push(...lines.trimEnd().split('\n')),
      limits: new LimitTable(createLimitMemory({ entries: 1024, columns: 1 }, 1), 0),
      loads: null,
      onEjected: (_upstream, endpoint, _untilMs, reason) => this.ejections.push(`${endpoint} ${reason}`),
      onPortFault: (id, fault) => this.portFaults.push(`${id} ${fault}`),
      machineMs: () => performance.now(),
      monotonicMs: () => performance.now(),
      wallMs: Date.now,
      random: () => 0,
    });
  }

  /** Puts a table into force. */
  publish(table: RoutingTable, material: readonly CertificateMaterial[] = []): void {
    this.#revision++;
    this.worker.apply({ kind: 'full', revision: this.#revision, table, material });
  }

  async listen(): Promise<this> {
    this.port = await this.worker.listen({ name: 'http', protocol: 'http', host: '127.0.0.1', port: 0 });
    return this;
  }

  async listenTls(): Promise<this> {
    this.tlsPort = await this.worker.listen({ name: 'https', protocol: 'https', host: '127.0.0.1', port: 0 });
    return this;
  }

  /** Flushes the access log and gives its lines. */
  async stop(): Promise<string[]> {
    await this.worker.drain(0);
    this.worker.close();
    return this.accessLog;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Starts a proxy that serves these routes on a free loopback port. */
export async function startProxy(
  routes: readonly TestRoute[],
  global: Partial<GlobalSettings> = {},
  staticReadBuffer = true,
): Promise<TestProxy> {
  const proxy = new TestProxy({ staticReadBuffer });
  proxy.publish(tableOf(routes, global));
  return proxy.listen();
}
