// The test API server: a real HTTP(S) server that answers as kube-apiserver does, for tests that want every rule of the
// wire and every way it breaks. In memory, without etcd, and with an answer for the kinds an ingress controller meets.
//
// It starts with the usual namespaces and one user "admin" who may do everything.

import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { parseAllDocuments, stringify } from 'yaml';
import { sendAnswer, sendError } from './answer.ts';
import { ApiError, badRequest, unauthorized } from './api-error.ts';
import { generateServerCertificate, type ServerCertificate } from './certificates.ts';
import { Faults } from './faults.ts';
import { startGarbageCollector } from './garbage-collector.ts';
import { isJsonObject, type JsonObject, type KubeObject, textAt } from './objects.ts';
import type { User } from './rbac.ts';
import { keyOf, shown } from './reading.ts';
import { parseRequestInfo } from './request-info.ts';
import { type LoggedRequest, loggedResource, RequestLog } from './request-log.ts';
import { type Kind, resourceName } from './resources/kind.ts';
import { findByKind } from './resources/kinds.ts';
import { type RoutingDeps, route } from './routing.ts';
import { Storage } from './storage.ts';
import { Users } from './users.ts';
import { callWebhooks, type ResolveService, resolveByEndpointSlices } from './webhooks.ts';
import { patchObject } from './writing.ts';

export interface ApiServerOptions {
  /** Default true: https with a certificate of a CA made at the start (`caPem`). */
  readonly tls?: boolean;
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port, kept over `stop` and `start`. */
  readonly port?: number;
  /** More names and addresses the certificate is for, besides the host, localhost and 127.0.0.1. */
  readonly certificateNames?: readonly string[];
  /** Users by bearer token. Their rules come from the RBAC objects, and from `rules` where given. */
  readonly tokens?: Readonly<Record<string, User>>;
  /** Default 60,000. */
  readonly bookmarkIntervalMs?: number;
  /** Where webhooks that name a Service are reached. Default: its first ready endpoint. */
  readonly resolveService?: ResolveService;
  /** Source of creationTimestamp and of table ages. Default the system clock. */
  readonly nowMs?: () => number;
}

/** Starts a server. Dispose of it to end it with all its connections. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const { tls = true, host = '127.0.0.1', certificateNames = [] } = options;
  const names = [...new Set([host, 'localhost', '127.0.0.1', 'kubernetes.default.svc', ...certificateNames])];
  const server = new ApiServer(options, tls ? await generateServerCertificate(names) : null);
  await server.start();
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
    await server.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }]);
  }
  return server;
}

const ADMIN: User = { name: 'admin', groups: ['system:masters'] };
const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** Longer than any client keeps an idle connection in a test; Node's five seconds would be a fault of its own. */
const KEEP_ALIVE_MS = 90_000;

export class ApiServer {
  readonly faults: Faults;
  readonly users: Users;
  /** What was asked, for counting. */
  readonly log = new RequestLog();
  /** '' without TLS. */
  readonly caPem: string;
  readonly #storage = new Storage();
  readonly #sockets = new Set<Socket>();
  readonly #deps: RoutingDeps;
  readonly #options: ApiServerOptions;
  readonly #certificate: ServerCertificate | null;
  #server: Server | null = null;
  #port: number;

  constructor(options: ApiServerOptions, certificate: ServerCertificate | null) {
    this.#options = options;
    this.#certificate = certificate;
    this.#port = options.port ?? 0;
    this.caPem = certificate?.caPem ?? '';
    this.faults = new Faults(this.#sockets);
    this.users = new Users(options.tokens ?? {});
    this.users.add(ADMIN);
    const storage = this.#storage;
    const resolveService = options.resolveService ?? resolveByEndpointSlices(storage);
    this.#deps = {
      storage,
      faults: this.faults,
      users: this.users,
      bookmarkIntervalMs: options.bookmarkIntervalMs ?? 60_000,
      nowMs: options.nowMs ?? Date.now,
      admit: (question) => callWebhooks(storage, resolveService, question),
    };
    startGarbageCollector(storage);
  }

  get url(): string {
    const { host = '127.0.0.1' } = this.#options;
    return `${this.#certificate === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${this.#port}`;
  }

  /** The global revision of the last write. */
  get revision(): number {
    return this.#storage.revision;
  }

  /** A token of the user; throws for a name nobody has. */
  token(userName = ADMIN.name): string {
    const token = this.users.tokenOf(userName);
    if (token === undefined) throw new Error(`no token for user ${userName}`);
    return token;
  }

  /** The text of a kubeconfig file for the user. */
  kubeconfig(userName = ADMIN.name): string {
    const certificate =
      this.caPem === '' ? {} : { 'certificate-authority-data': Buffer.from(this.caPem).toString('base64') };
    return stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster: { server: this.url, ...certificate } }],
      users: [{ name: userName, user: { token: this.token(userName) } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: userName } }],
      'current-context': 'test',
    });
  }

  /**
   * Applies manifests as `kubectl apply --server-side --force-conflicts` does, with all checks, but without HTTP. A
   * status is applied as well, for nodes and pods that no kubelet reports. Rejects with the first refusal.
   */
  async apply(manifests: string | readonly object[]): Promise<readonly KubeObject[]> {
    const objects = typeof manifests === 'string' ? parseManifests(manifests) : manifests;
    const applied: KubeObject[] = [];
    for (const object of objects) applied.push(await this.#applyOne(object as JsonObject));
    return applied;
  }

  /** Reads a stored object; undefined when there is none. Namespace '' is for cluster-wide kinds. */
  get(apiVersion: string, kindName: string, namespace: string, name: string): KubeObject | undefined {
    const kind = requireKind(apiVersion, kindName);
    const found = this.#storage.get(resourceName(kind), keyOf(kind, namespace, name));
    return found === undefined ? undefined : shown(kind, found);
  }

  /** Deletes an object as far as finalizers let it; returns whether it was there. */
  delete(apiVersion: string, kindName: string, namespace: string, name: string): boolean {
    const kind = requireKind(apiVersion, kindName);
    return this.#storage.delete(resourceName(kind), keyOf(kind, namespace, name)) !== undefined;
  }

  /** Forgets all history: each resourceVersion and continue token a client has by now is expired (410). */
  compact(): void {
    this.#storage.compact();
  }

  /** Listens, again on the same port after {@link stop}. Objects stay over a stop, as they do in etcd. */
  async start(): Promise<void> {
    if (this.#server !== null) return;
    const listener = (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response);
    const { certPem = '', keyPem = '' } = this.#certificate ?? {};
    const server =
      this.#certificate === null
        ? createHttpServer(listener)
        : createHttpsServer({ cert: certPem, key: keyPem }, listener);
    server.keepAliveTimeout = KEEP_ALIVE_MS;
    server.requestTimeout = 0;
    // The connection below TLS as well: a client whose handshake never ends, or ends after `stop`, would keep it open.
    for (const event of ['connection', 'secureConnection']) server.on(event, (socket: Socket) => this.#track(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, this.#options.host ?? '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Refuses connections from now on and cuts those there are. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.faults.clear();
    await this.stop();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const user = this.users.find(request.headers.authorization);
    const url = request.url ?? '/';
    const info = parseRequestInfo(request.method ?? 'GET', url);
    const logged: LoggedRequest = {
      atMs: this.#deps.nowMs(),
      user: user?.name ?? '',
      userAgent: request.headers['user-agent'] ?? '',
      verb: info.verb,
      resource: loggedResource(info),
      namespace: info.isResource ? info.namespace : '',
      name: info.isResource ? info.name : '',
      url,
      status: 0,
    };
    this.log.add(logged);
    response.on('error', () => {});
    try {
      const body = await readBody(request);
      await this.faults.enter(logged, request.socket);
      if (user === null) throw unauthorized();
      const answer = await route(this.#deps, { info, user, headers: request.headers, body, response });
      logged.status = answer?.code ?? 200;
      if (answer !== null) sendAnswer(request, response, answer);
    } catch (error) {
      logged.status = sendError(request, response, error);
    }
  }

  async #applyOne(object: JsonObject): Promise<KubeObject> {
    const kind = requireKind(textAt(object, 'apiVersion'), textAt(object, 'kind'));
    const main = await this.#applyAt(kind, object, '');
    if (kind.hasStatus !== true || !isJsonObject(object['status'])) return main;
    return this.#applyAt(kind, object, 'status');
  }

  async #applyAt(kind: Kind, object: JsonObject, subresource: string): Promise<KubeObject> {
    const name = textAt(object, 'metadata', 'name');
    const namespace = kind.namespaced ? textAt(object, 'metadata', 'namespace') || 'default' : '';
    const { group, version, plural } = kind;
    const query = new URLSearchParams({ fieldManager: 'e2e', force: 'true', fieldValidation: 'Strict' });
    const answer = await patchObject(this.#deps, {
      kind,
      request: {
        isResource: true,
        verb: 'patch',
        group,
        version,
        plural,
        subresource,
        namespace,
        name,
        path: '',
        query,
      },
      user: ADMIN,
      userAgent: 'e2e',
      contentType: 'application/apply-patch+yaml',
      body: Buffer.from(JSON.stringify(object)),
    });
    return answer.body as KubeObject;
  }
}

function requireKind(apiVersion: string, kindName: string): Kind {
  const kind = findByKind(apiVersion, kindName);
  if (kind === undefined)
    throw badRequest(`no matches for kind ${JSON.stringify(kindName)} in version ${JSON.stringify(apiVersion)}`);
  return kind;
}

function parseManifests(text: string): readonly object[] {
  return parseAllDocuments(text).flatMap((document) => {
    const value: unknown = document.toJS();
    if (!isJsonObject(value)) return [];
    return textAt(value, 'kind') === 'List' ? ((value['items'] ?? []) as object[]) : [value];
  });
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BODY_BYTES) {
      throw new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${MAX_BODY_BYTES}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
