// Ingresses as a test writes them, before Services of one endpoint each that tell their name. For what Site has no words
// for: several hosts, paths, ports and canaries.

import { stringify } from 'yaml';
import { Client } from './client.ts';
import { Edge, ManifestFolder } from './edge.ts';
import { type Answerer, type Call, Endpoints } from './endpoints.ts';
import { prefixed } from './site.ts';

export interface IngressParts {
  /** By path: a Service, or `<service>:<port name>`. */
  readonly paths: Readonly<Record<string, string>>;
  /** Default `a.test`. */
  readonly host?: string;
  readonly pathType?: 'Prefix' | 'Exact' | 'ImplementationSpecific';
  /** Without their prefix, see `prefixed`. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Seconds of age order: the smaller, the older. Default 0. */
  readonly youth?: number;
  /** Host of a TLS section. */
  readonly tls?: string;
}

/** An Ingress as YAML. */
export function ingress(name: string, parts: IngressParts): string {
  const { host = 'a.test', pathType = 'Prefix', annotations = {}, youth = 0, tls } = parts;
  const paths = Object.entries(parts.paths).map(([path, backend]) => {
    const [service = '', port = 'http'] = backend.split(':');
    return { path, pathType, backend: { service: { name: service, port: { name: port } } } };
  });
  const creationTimestamp = `2026-01-01T00:00:${String(youth).padStart(2, '0')}Z`;
  return stringify({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, creationTimestamp, annotations: prefixed(annotations) },
    spec: {
      ingressClassName: 'nginx',
      rules: [{ host, http: { paths } }],
      ...(tls === undefined ? {} : { tls: [{ hosts: [tls] }] }),
    },
  });
}

/** A canary Ingress as YAML. */
export function canary(name: string, parts: IngressParts): string {
  return ingress(name, { youth: 1, ...parts, annotations: { canary: 'true', ...parts.annotations } });
}

export class Layout implements AsyncDisposable {
  readonly edge: Edge;
  readonly #folder: ManifestFolder;
  readonly #port: number;
  readonly #services: readonly string[];
  readonly #stack: AsyncDisposableStack;
  readonly #clients = new Map<string, Client>();

  private constructor(
    edge: Edge,
    folder: ManifestFolder,
    services: readonly string[],
    port: number,
    stack: AsyncDisposableStack,
  ) {
    this.edge = edge;
    this.#folder = folder;
    this.#services = services;
    this.#port = port;
    this.#stack = stack;
  }

  /**
   * Starts a Sluice with two workers on these files, with Services of these names: each has an endpoint on its port `http`
   * that answers with the name, and on its port `other` one that answers with `<name>:other`.
   */
  static async start(
    services: readonly string[],
    files: Readonly<Record<string, string>>,
    { flags = [], answer = () => ({}) }: { readonly flags?: readonly string[]; readonly answer?: Answerer } = {},
  ): Promise<Layout> {
    await using stack = new AsyncDisposableStack();
    const endpoints = stack.use(await Endpoints.start());
    for (const [at, name] of services.entries()) {
      const onCall = (call: Omit<Call, 'nth'>) => answer({ nth: 0, ...call });
      endpoints.add(addressOf(at), { name, onCall });
      endpoints.add(addressOf(at + 100), { name: `${name}:other`, onCall });
    }
    const made = services.map((name, at) => [`service-${name}`, serviceYaml(name, at, endpoints.port, true)] as const);
    const folder = stack.use(await ManifestFolder.create({ ...Object.fromEntries(made), ...files }));
    const edge = stack.use(await Edge.start(folder, flags));
    return new Layout(edge, folder, services, endpoints.port, stack.move());
  }

  /** Body of the answer, or the status where that is not 200. */
  async ask(
    headers: Readonly<Record<string, string>> = {},
    { host = 'a.test', path = '/' }: { readonly host?: string; readonly path?: string } = {},
  ): Promise<string | number> {
    const { status, body } = await this.client(host).ask({ path, headers });
    return status === 200 ? body : status;
  }

  client(host = 'a.test'): Client {
    const client = this.#clients.get(host) ?? new Client(this.edge.ports, host);
    this.#clients.set(host, client);
    return client;
  }

  /** Writes a file, or removes it with null; resolves when all workers serve what it says. */
  async change(name: string, text: string | null): Promise<void> {
    await this.edge.change(this.#folder, name, text);
  }

  /** Takes the endpoints of a Service away, or gives them back. */
  async endpointsOf(name: string, are: 'gone' | 'there'): Promise<void> {
    const text = serviceYaml(name, this.#services.indexOf(name), this.#port, are === 'there');
    await this.change(`service-${name}`, text);
  }

  /** `http://address:port` of the endpoint on a Service's port `http`. */
  urlOf(service: string): string {
    return `http://${addressOf(this.#services.indexOf(service))}:${this.#port}`;
  }

  /** Messages of warnings and errors about an object. */
  complaintsOf(name: string): readonly string[] {
    return this.edge.complaints((each) => each === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients.values()) client.close();
    await this.#stack.disposeAsync();
  }
}

function addressOf(at: number): string {
  return `127.200.0.${at + 1}`;
}

function serviceYaml(name: string, at: number, port: number, hasEndpoints: boolean): string {
  const ports = ['http', 'other'];
  const slices = ports.map((portName, which) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-${portName}`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: portName, port }],
    endpoints: hasEndpoints ? [{ addresses: [addressOf(at + which * 100)], conditions: { ready: true } }] : [],
  }));
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { ports: ports.map((name, which) => ({ name, port: 80 + which, targetPort: name })) },
  };
  return [service, ...slices].map((document) => stringify(document)).join('---\n');
}
