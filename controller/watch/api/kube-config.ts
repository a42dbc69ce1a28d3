// Where the API server is and how to sign in, from the flags. Plain places are read by plain-config.ts; client-node's
// KubeConfig does the rest of the work (kubeconfig with exec plugins, OIDC, proxies).
//
// Its own way of sending is not used: `applySecurityAuthentication` makes a new undici Agent, and so a new TLS
// connection, for each request (2.0.1, config.js `createDispatcher`) and never closes it. See docs/design/0007.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import { dirname } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import { completeUsers } from './kubeconfig-users.ts';
import { type ConnectionConfig, loadPlainConfig } from './plain-config.ts';

export interface ApiLocation {
  /** `--kubeconfig`; '' for none. */
  readonly kubeconfig: string;
  /** `--apiserver-host`: URL, replaces the server of the kubeconfig; '' for none. */
  readonly apiserverHost: string;
  /** `--certificate-authority`: CA file, used with `apiserverHost`; '' for none. */
  readonly certificateAuthority: string;
  /** Put before `/var/run/secrets/kubernetes.io/serviceaccount`, where a pod has its token and CA. Default ''. */
  readonly podRoot?: string;
}

/** How to send a request right now. */
export interface SignIn {
  /** URL of the server without a slash at the end. */
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  /** null for plain HTTP. */
  readonly agent: HttpAgent | HttpsAgent | null;
}

/** Tokens and files are read again at most this often: a burst of status writes must not read the CA file 10,000 times. */
const signInLifeMs = 5000;
/** Below the idle limits of cloud load balancers before an API server; finds a peer that is gone without a word. */
const tcpKeepAliveMs = 15_000;

/** Gives the credentials of each request; reads what may rotate again and again. */
export class ApiCredentials {
  readonly #location: ApiLocation;
  readonly #nowMs: () => number;
  #config: ConnectionConfig;
  #cached: { readonly signIn: SignIn; readonly readAtMs: number } | null = null;
  #agent: { readonly fingerprint: string; readonly agent: HttpsAgent } | null = null;

  private constructor(location: ApiLocation, config: ConnectionConfig, nowMs: () => number) {
    this.#location = location;
    this.#config = config;
    this.#nowMs = nowMs;
  }

  /** Rejects with one line when there is no API server to talk to, or the kubeconfig cannot be used. */
  static async load(location: ApiLocation, nowMs: () => number): Promise<ApiCredentials> {
    return new ApiCredentials(location, await loadConfig(location), nowMs);
  }

  /** May run an exec plugin or ask an OIDC issuer; rejects when those fail. */
  async signIn(): Promise<SignIn> {
    const nowMs = this.#nowMs();
    if (this.#cached !== null && nowMs - this.#cached.readAtMs < signInLifeMs) return this.#cached.signIn;
    const cluster = this.#config.getCurrentCluster();
    if (cluster === null) throw new Error('the kubeconfig has no current cluster any more');
    const options: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    const signIn = {
      server: cluster.server.replace(/\/+$/, ''),
      headers: headersOf(options),
      agent: cluster.proxyUrl === undefined ? this.#agentFor(cluster.server, options) : agentOf(options),
    };
    this.#cached = { signIn, readAtMs: nowMs };
    return signIn;
  }

  /** Reads everything anew for the next request. A file that is half written keeps what was read before. */
  async renew(): Promise<void> {
    this.#cached = null;
    try {
      this.#config = await loadConfig(this.#location);
    } catch {
      // The next 401 tries again.
    }
  }

  close(): void {
    this.#agent?.agent.destroy();
  }

  /** One agent for as long as the certificates are the same: connections are kept alive and reused. */
  #agentFor(server: string, { ca, cert, key, servername, rejectUnauthorized }: RequestOptions): HttpsAgent | null {
    if (server.startsWith('http:')) return null;
    const material = { ca, cert, key, servername, rejectUnauthorized };
    const fingerprint = createHash('sha256').update(JSON.stringify(material)).digest('base64');
    if (this.#agent?.fingerprint !== fingerprint) {
      // The old agent is left to itself: watches on its connections are still good.
      const agent = new HttpsAgent({ ...material, keepAlive: true, keepAliveMsecs: tcpKeepAliveMs });
      this.#agent = { fingerprint, agent };
    }
    return this.#agent.agent;
  }
}

function agentOf({ agent }: RequestOptions): HttpAgent | null {
  return typeof agent === 'object' ? agent : null;
}

function headersOf({ auth, headers }: RequestOptions): Record<string, string> {
  const basic = auth ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
  const given = Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value).trim()]);
  return { ...basic, ...Object.fromEntries(given) };
}

/** The library takes half a second and 80 MB: only what needs its plugins pays for it. */
async function loadConfig(location: ApiLocation): Promise<ConnectionConfig> {
  return loadPlainConfig(location, process.env) ?? (await loadKubeConfig(location));
}

async function loadKubeConfig(location: ApiLocation): Promise<KubeConfig> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  const { kubeconfig, apiserverHost } = location;
  if (kubeconfig !== '') loadFile(config, kubeconfig);
  else if (apiserverHost !== '') config.loadFromClusterAndUser(clusterAt(location), { name: 'none' });
  else loadFromPod(config, location.podRoot ?? '');
  if (kubeconfig !== '' && apiserverHost !== '') replaceServer(config, location);
  allowPlainHttp(config);
  if (config.getCurrentCluster() === null) {
    throw new Error(`kubeconfig ${kubeconfig} names no current context with a cluster`);
  }
  return config;
}

function loadFile(config: KubeConfig, file: string): void {
  try {
    config.loadFromFile(file);
    completeUsers(config, readFileSync(file, 'utf8'), dirname(file));
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    throw new Error(`kubeconfig ${file} cannot be used: ${why}`, { cause: error });
  }
}

function loadFromPod(config: KubeConfig, podRoot: string): void {
  if (process.env['KUBERNETES_SERVICE_HOST'] === undefined) {
    throw new Error(
      'where do objects come from? This is no pod of a cluster: give --manifests DIR, --kubeconfig FILE or --apiserver-host URL',
    );
  }
  config.loadFromCluster(podRoot);
}

function clusterAt({ apiserverHost, certificateAuthority }: ApiLocation) {
  return {
    name: 'given',
    server: apiserverHost,
    skipTLSVerify: false,
    ...(certificateAuthority === '' ? {} : { caFile: certificateAuthority }),
  };
}

/** As client-go: the host replaces the server, the user of the kubeconfig stays. */
function replaceServer(config: KubeConfig, location: ApiLocation): void {
  const current = config.getCurrentCluster();
  if (current === null) return;
  const replaced = { ...current, ...clusterAt(location), name: current.name, skipTLSVerify: current.skipTLSVerify };
  config.clusters = config.clusters.map((cluster) => (cluster.name === current.name ? replaced : cluster));
}

/** The library refuses http:// unless TLS checks are off, though there is no TLS to check: `kubectl proxy` is such a server. */
function allowPlainHttp(config: KubeConfig): void {
  config.clusters = config.clusters.map((cluster) =>
    cluster.server.startsWith('http:') ? { ...cluster, skipTLSVerify: true } : cluster,
  );
}
