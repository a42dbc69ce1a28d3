// One Ingress of a test run with a Service, endpoints and a host of its own, and perhaps a canary beside it: what it is
// written as, and what is asked of it. Many sites live in one Sluice process.

import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { until } from '../harness/wait.ts';
import { type Asked, Client, type Ports, type Told } from './client.ts';
import type { Answerer, Call, Endpoints, Reply } from './endpoints.ts';

/** An endpoint beside those that are just there. */
export interface EndpointParts {
  /** Zones of its topology hint. */
  readonly zones?: readonly string[];
  /** Nobody listens there: connections are refused. */
  readonly isDead?: boolean;
  /** Default: ready. */
  readonly conditions?: Readonly<Record<string, boolean>>;
  /** Of the slice that it is in, `sluice.ingress.kubernetes.io/weight`; default: none. */
  readonly weight?: string;
  /** Not in the slice. */
  readonly isGone?: boolean;
}

/** Where the places beside the endpoints of the Service are, counted as endpoints. */
const NEXT = 200;
const COPY = 201;
const CLUSTER = 202;

/** What surrounds the annotation that a case is about. */
export interface Surroundings {
  /** Endpoints of the Service: `web0`, `web1`, ... Default 3. */
  readonly endpoints?: number | readonly EndpointParts[];
  /** Of the Service: annotations, and fields of its `spec`. */
  readonly service?: { readonly annotations?: Readonly<Record<string, string>>; readonly spec?: object };
  /** Further annotations of the same Ingress; see {@link prefixed}. */
  readonly with?: Readonly<Record<string, string>>;
  /** Annotations of a canary Ingress whose Service has the endpoint `next0`. Default: there is none. */
  readonly canary?: Readonly<Record<string, string>>;
  /** The annotation of the case stands on the canary Ingress. */
  readonly isOnCanary?: boolean;
  /** What endpoints answer. Default: 200 with their name. */
  readonly answer?: Answerer;
  /** Diagnostics beside the one of a refused value; `SITE` stands for the name of the Ingress. */
  readonly complaints?: readonly string[];
}

/** Between two requests of `askUntil`: enough of them, but not all of the machine. */
const pauseMs = 20;
const longestMs = 20_000;

const INGRESS_NGINX = 'nginx.ingress.kubernetes.io/';
const OWN = 'sluice.ingress.kubernetes.io/';

/** Names of annotations in full: `balancer` of Sluice's own is written `sluice/balancer`. */
export function prefixed(annotations: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).map(([name, value]) => [fullName(name), value]));
}

function fullName(name: string): string {
  return name.startsWith('sluice/') ? OWN + name.slice('sluice/'.length) : INGRESS_NGINX + name;
}

/** Someone who waits for a held answer. */
interface Held {
  readonly endpoint: string;
  readonly release: () => void;
}

export class Site implements Disposable {
  readonly name: string;
  readonly host: string;
  /** What came to the endpoints, in the order in which it was complete. */
  readonly calls: Call[] = [];
  /** Endpoints of the Service; `yaml` shows their changes. */
  readonly parts: EndpointParts[];
  /** Annotations beside those of the case; `yaml` shows their changes. */
  readonly extra: Record<string, string> = {};
  readonly #number: number;
  readonly #endpoints: Endpoints;
  readonly #surroundings: Surroundings;
  readonly #annotations: Readonly<Record<string, string>>;
  #answer: Answerer;
  #client: Client | null = null;
  #held: Held[] = [];
  #onHeld = Promise.withResolvers<void>();

  /** `number` is the site's own in this run, below 50,000: its addresses come from it. */
  constructor(
    number: number,
    endpoints: Endpoints,
    surroundings: Surroundings,
    annotations: Readonly<Record<string, string>>,
  ) {
    this.name = `site-${number}`;
    this.host = `${this.name}.test`;
    this.#number = number;
    this.#endpoints = endpoints;
    this.#surroundings = surroundings;
    this.#annotations = annotations;
    this.#answer = surroundings.answer ?? (() => ({}));
    const listed = surroundings.endpoints ?? 3;
    this.parts = typeof listed === 'number' ? Array.from({ length: listed }, () => ({})) : [...listed];
    for (const at of this.parts.keys()) this.#listen(at, `web${at}`);
    this.#listen(NEXT, 'next0');
    this.#listen(COPY, 'copy0');
    this.#listen(CLUSTER, 'cluster0');
  }

  /** `http://address:port` of a place outside the Service, `copy0`, for copies of requests. */
  get copyUrl(): string {
    return `http://${this.addressOf(COPY)}:${this.#endpoints.port}`;
  }

  /** Names of the endpoints in the order of their calls. */
  get seen(): readonly string[] {
    return this.calls.map(({ endpoint }) => endpoint);
  }

  /** Adds an endpoint; `yaml` shows it. */
  grow(): void {
    this.#listen(this.parts.length, `web${this.parts.length}`);
    this.parts.push({});
  }

  /** Connections to the endpoint `web<at>` that are open now. */
  connectionsTo(at: number): number {
    return this.#endpoints.connectionsTo(this.addressOf(at));
  }

  /** The site can be asked from now on. */
  open(ports: Ports): void {
    this.#client?.close();
    this.#client = new Client(ports, this.host);
  }

  /** Another behaviour of the endpoints from now on. */
  answerWith(answer: Answerer): void {
    this.#answer = answer;
  }

  ask(asked: Asked = {}): Promise<Told> {
    if (this.#client === null) throw new Error('the site is not open');
    return this.#client.ask(asked);
  }

  /** Asks one after the other on one connection. */
  async askTimes(times: number, asked: Asked | ((at: number) => Asked) = {}): Promise<readonly Told[]> {
    const told: Told[] = [];
    for (let at = 0; at < times; at++) told.push(await this.ask(typeof asked === 'function' ? asked(at) : asked));
    return told;
  }

  /** Asks at once, each on a connection of its own. */
  askTogether(times: number, asked: Asked = {}): Promise<readonly Told[]> {
    return Promise.all(Array.from({ length: times }, () => this.ask({ ...asked, fresh: true })));
  }

  /**
   * Asks again and again on one connection, with a short pause, until the answers so far fit; gives all of them. Rejects
   * when they do not within 20 s.
   */
  async askUntil(fits: (told: readonly Told[]) => boolean, asked: Asked = {}): Promise<readonly Told[]> {
    const told: Told[] = [];
    const endMs = performance.now() + longestMs;
    while (!fits(told)) {
      if (performance.now() > endMs) throw new Error(`asked in vain: ${JSON.stringify(told.slice(-5))}`);
      told.push(await this.ask(asked));
      await delay(pauseMs);
    }
    return told;
  }

  /** As {@link askUntil}, for so long. */
  askFor(ms: number, asked: Asked = {}): Promise<readonly Told[]> {
    const endMs = performance.now() + ms;
    return this.askUntil(() => performance.now() > endMs, asked);
  }

  /** Waits until the calls so far fit. */
  async came(fits: (calls: readonly Call[]) => boolean): Promise<void> {
    await until('calls', () => this.calls, fits);
  }

  /** For `answer`: keeps the request until `release`. */
  hold(call: Call, reply: Reply = {}): Promise<Reply> {
    const { promise, resolve } = Promise.withResolvers<Reply>();
    this.#held.push({ endpoint: call.endpoint, release: () => resolve(reply) });
    this.#onHeld.resolve();
    this.#onHeld = Promise.withResolvers();
    return promise;
  }

  /** Resolves once so many requests are held; gives the names of their endpoints. */
  async held(count: number): Promise<readonly string[]> {
    while (this.#held.length < count) await this.#onHeld.promise;
    return this.#held.map(({ endpoint }) => endpoint);
  }

  /** Lets the first `count` held requests be answered; all by default. */
  release(count = this.#held.length): void {
    for (const { release } of this.#held.splice(0, count)) release();
  }

  [Symbol.dispose](): void {
    this.#client?.close();
  }

  /** The manifests, as a user writes them. */
  get yaml(): string {
    const { canary, isOnCanary = false, with: more = {} } = this.#surroundings;
    const [web, next] = [`${this.name}-web`, `${this.name}-next`];
    // The annotation that the case is about wins.
    const own = isOnCanary ? more : { ...more, ...this.#annotations, ...this.extra };
    const documents = [
      ...this.#service(web, this.parts, 0),
      this.#ingress(this.name, web, own),
      ...(canary === undefined && !isOnCanary
        ? []
        : [
            ...this.#service(next, [{}], NEXT),
            this.#ingress(`${this.name}-next`, next, { ...canary, ...(isOnCanary ? this.#annotations : {}) }),
          ]),
    ];
    return documents.map((document) => stringify(document)).join('---\n');
  }

  /** Diagnostics that the surroundings bring with them. */
  get complaints(): readonly string[] {
    return (this.#surroundings.complaints ?? []).map((text) => text.replaceAll('SITE', this.name));
  }

  /** True for an object of this site. */
  owns(objectName: string): boolean {
    return objectName === this.name || objectName.startsWith(`${this.name}-`);
  }

  #onCall(received: Omit<Call, 'nth'>): Reply | Promise<Reply> {
    const { endpoint } = received;
    const call = { ...received, nth: this.calls.filter((each) => each.endpoint === endpoint).length + 1 };
    this.calls.push(call);
    return this.#answer(call);
  }

  #listen(at: number, name: string): void {
    this.#endpoints.add(this.addressOf(at), { name, onCall: (call) => this.#onCall(call) });
  }

  /** Of the endpoint `web<at>`. */
  addressOf(at: number): string {
    return `127.${1 + Math.floor(this.#number / 250)}.${this.#number % 250}.${10 + at}`;
  }

  #service(name: string, parts: readonly EndpointParts[], from: number): object[] {
    const { port } = this.#endpoints;
    const clusterIP = this.addressOf(CLUSTER);
    // One slice for those that listen, one for those that do not: a slice has one set of ports, and one weight.
    const kindOf = ({ isDead = false, weight = '' }: EndpointParts) => `${isDead ? 'dead' : 'live'}${weight}`;
    const kinds = new Map(parts.map((part) => [kindOf(part), part]));
    for (const isDead of [false, true]) kinds.set(kindOf({ isDead }), { isDead });
    const slices = [...kinds].map(([kind, { isDead = false, weight }]) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${name}-${kind}`,
        labels: { 'kubernetes.io/service-name': name },
        annotations: weight === undefined ? {} : { [`${OWN}weight`]: weight },
      },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: isDead ? 1 : port }],
      endpoints: parts.flatMap((part, at) =>
        kindOf(part) === kind && part.isGone !== true ? [this.#endpoint(part, from + at)] : [],
      ),
    }));
    const ports = [{ name: 'http', port }];
    const { annotations = {}, spec = {} } = this.#surroundings.service ?? {};
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name, annotations } };
    return [{ ...service, spec: { clusterIP, ports, ...spec } }, ...slices];
  }

  #endpoint({ zones, conditions = { ready: true } }: EndpointParts, at: number): object {
    const hints = zones === undefined ? {} : { hints: { forZones: zones.map((name) => ({ name })) } };
    return { addresses: [this.addressOf(at)], conditions, ...hints };
  }

  /** The canary is the younger one, as in life. */
  #ingress(name: string, service: string, annotations: Readonly<Record<string, string>>): object {
    const creationTimestamp = name === this.name ? '2026-01-01T00:00:00Z' : '2026-01-02T00:00:00Z';
    const backend = { service: { name: service, port: { number: this.#endpoints.port } } };
    return {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name, creationTimestamp, annotations: prefixed(this.#fill(annotations)) },
      spec: {
        ingressClassName: 'nginx',
        rules: [{ host: this.host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
      },
    };
  }

  /** Values may name the place for copies and the port of gRPC health services: `COPY`, `GRPC`. */
  #fill(annotations: Readonly<Record<string, string>>): Record<string, string> {
    const fill = (value: string) => value.replace('COPY', this.copyUrl).replace('GRPC', `${this.#endpoints.grpcPort}`);
    return Object.fromEntries(Object.entries(annotations).map(([name, value]) => [name, fill(value)]));
  }
}
