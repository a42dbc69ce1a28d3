// What changes while clients ask: which endpoints are listed, how the Ingress wants them balanced, and who is dead. Every
// draw comes from the seed.

import type { ManifestFolder } from '../upstreams/edge.ts';
import { prefixed } from '../upstreams/site.ts';
import type { Faults } from './faults.ts';
import type { ChaosOrigin, OriginContext } from './origin.ts';

export const HOST = 'chaos.test';
export const GRPC_HOST = 'chaos-grpc.test';
/** The Service never has less: one may die at any moment, and one has to be left to go to. */
const MIN_LISTED = 3;

/** Counters that would show a request which was never counted out. */
const LIMITS = { 'limit-connections': '1000', 'sluice/max-requests': '1000' };

const STYLES: readonly Readonly<Record<string, string>>[] = [
  {},
  { 'load-balance': 'ewma' },
  { 'sluice/balancer': 'least-connections' },
  { 'sluice/balancer': 'random-two-choices' },
  { 'sluice/balancer': 'never-queue' },
  { 'upstream-hash-by': '$request_uri' },
  { 'upstream-hash-by': '$request_uri', 'upstream-hash-by-subset': 'true', 'upstream-hash-by-subset-size': '2' },
  { affinity: 'cookie', 'session-cookie-change-on-failure': 'true' },
  { affinity: 'cookie', 'affinity-mode': 'persistent', 'session-cookie-change-on-failure': 'true' },
  { 'limit-rps': '100000' },
  { 'sluice/per-try-timeout': '5s', 'sluice/slow-start': '2s' },
  { 'sluice/hedge-after': '30ms' },
];
/** Null: there is no canary Ingress. */
const CANARIES = [null, '0', '10', '50', '100'] as const;

/** What the Service and the Ingresses say. */
export class ChaosScene {
  readonly #origins: readonly ChaosOrigin[];
  readonly #canaries: readonly ChaosOrigin[];
  readonly #context: OriginContext;
  readonly #folder: ManifestFolder;
  readonly #faults: Faults;
  readonly #gone = new Set<ChaosOrigin>();
  #style: Readonly<Record<string, string>> = {};
  #limits: Readonly<Record<string, string>> = LIMITS;
  #canary: (typeof CANARIES)[number] = null;
  /** What was done, for messages. */
  readonly log: string[] = [];

  constructor(parts: {
    readonly origins: readonly ChaosOrigin[];
    readonly canaries: readonly ChaosOrigin[];
    readonly context: OriginContext;
    readonly folder: ManifestFolder;
    readonly faults: Faults;
  }) {
    this.#origins = parts.origins;
    this.#canaries = parts.canaries;
    this.#context = parts.context;
    this.#folder = parts.folder;
    this.#faults = parts.faults;
  }

  /** Writes the manifests as they are now. */
  async publish(): Promise<void> {
    await this.#folder.write('chaos', this.yaml);
  }

  /** One random change of the objects. */
  async change(): Promise<void> {
    const draw = this.#context.random();
    if (draw < 0.6) this.#flap();
    else if (draw < 0.85) this.#style = this.#pick(STYLES);
    else this.#canary = this.#pick(CANARIES);
    this.log.push(`${[...this.#gone].map(({ name }) => name)} gone, ${JSON.stringify(this.#style)}, ${this.#canary}`);
    await this.publish();
  }

  /** Kills an endpoint that is listed; null when too few would be left. */
  async strike(): Promise<ChaosOrigin | null> {
    const candidates = this.#listed.filter(({ isAlive }) => isAlive);
    if (candidates.length < MIN_LISTED || candidates.length < this.#listed.length) return null;
    const victim = this.#pick(candidates);
    this.log.push(`${victim.name} dies`);
    this.#faults.note({ kind: 'endpoint', name: victim.name });
    await victim.die();
    return victim;
  }

  /** The manifests in which all endpoints are there, and no more is allowed at one time than `most`. */
  settled(most: number): string {
    this.#gone.clear();
    this.#style = {};
    this.#canary = null;
    this.#limits = { 'limit-connections': `${most}`, 'sluice/max-requests': `${most}`, 'sluice/max-pending': '0' };
    return this.yaml;
  }

  get #listed(): readonly ChaosOrigin[] {
    return this.#origins.filter((origin) => !this.#gone.has(origin));
  }

  #flap(): void {
    const origin = this.#pick(this.#origins);
    if (this.#gone.delete(origin)) return;
    const alive = this.#listed.filter((each) => each !== origin && each.isAlive);
    if (alive.length >= MIN_LISTED) this.#gone.add(origin);
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#context.random() * from.length)] as T;
  }

  get yaml(): string {
    const { port, grpcPort } = this.#context;
    const objects = [
      ...service('chaos', port, this.#listed),
      ...service('chaos-next', port, this.#canaries),
      ...service('chaos-grpc', grpcPort, this.#listed),
      ingress('chaos', HOST, 'chaos', { ...this.#limits, ...this.#style, 'proxy-body-size': '8m' }),
      ingress('chaos-grpc', GRPC_HOST, 'chaos-grpc', { 'backend-protocol': 'GRPC', ...this.#limits }),
      ...(this.#canary === null
        ? []
        : [ingress('chaos-next', HOST, 'chaos-next', { canary: 'true', 'canary-weight': this.#canary })]),
    ];
    return objects.map((object) => JSON.stringify(object)).join('\n---\n');
  }
}

function service(name: string, port: number, origins: readonly ChaosOrigin[]): object[] {
  const ports = [{ name: 'main', port }];
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports,
      endpoints: origins.map(({ address }) => ({ addresses: [address], conditions: { ready: true } })),
    },
  ];
}

function ingress(name: string, host: string, to: string, annotations: Readonly<Record<string, string>>): object {
  const backend = { service: { name: to, port: { name: 'main' } } };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, annotations: prefixed(annotations) },
    spec: {
      ingressClassName: 'nginx',
      rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
    },
  };
}
