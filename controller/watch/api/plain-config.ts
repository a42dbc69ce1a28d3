// Where the API server is and how to sign in, for the plain cases: a pod's service account, `--apiserver-host`, and a
// kubeconfig whose user has a token, a certificate or a password.
//
// client-node can all of this too, but takes half a second and 80 MB to load. It is left to what needs its plugins: exec,
// auth providers, proxies, impersonation. Whatever is not understood here is its business, malformed files included.

import { readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { dirname, isAbsolute, join } from 'node:path';
import { parse } from 'yaml';
import { isRecord } from '../../objects/decode-report.ts';

/** What requests need to know; client-node's KubeConfig is one. */
export interface ConnectionConfig {
  getCurrentCluster(): { readonly server: string; readonly proxyUrl?: string } | null;
  /** Fills in certificates and credentials. Rejects when they cannot be read. */
  applyToHTTPSOptions(options: RequestOptions): Promise<void>;
}

/** The same facts as `ApiLocation` in kube-config.ts. */
export interface PlainLocation {
  readonly kubeconfig: string;
  readonly apiserverHost: string;
  readonly certificateAuthority: string;
  readonly podRoot?: string;
}

/** null when the place is none of the plain ones. Never throws. */
export function loadPlainConfig(
  location: PlainLocation,
  environment: Readonly<Record<string, string | undefined>>,
): ConnectionConfig | null {
  const { kubeconfig, apiserverHost, certificateAuthority, podRoot = '' } = location;
  const given = { server: apiserverHost, ca: fileOrNone(certificateAuthority) };
  if (kubeconfig === '') {
    return apiserverHost === '' ? podConfig(podRoot, environment) : new PlainConfig({ ...plainCluster, ...given }, {});
  }
  const found = readKubeconfig(kubeconfig);
  if (found === null) return null;
  if (apiserverHost === '') return new PlainConfig(found.cluster, found.user);
  const ca = given.ca ?? found.cluster.ca;
  return new PlainConfig({ ...found.cluster, server: apiserverHost, ca }, found.user);
}

/** A PEM text in the configuration, or in a file that is read each time, because it may rotate. */
type Material = { readonly file: string } | { readonly data: Buffer };

interface PlainCluster {
  readonly server: string;
  readonly ca: Material | null;
  readonly skipsTlsVerify: boolean;
  readonly tlsServerName: string | null;
}

interface PlainUser {
  readonly token?: string;
  /** Counts more than `token` (client-go, AuthInfo.TokenFile). */
  readonly tokenFile?: string;
  readonly cert?: Material | null;
  readonly key?: Material | null;
  readonly username?: string;
  readonly password?: string;
}

const plainCluster: PlainCluster = { server: '', ca: null, skipsTlsVerify: false, tlsServerName: null };

class PlainConfig implements ConnectionConfig {
  readonly #cluster: PlainCluster;
  readonly #user: PlainUser;

  constructor(cluster: PlainCluster, user: PlainUser) {
    this.#cluster = cluster;
    this.#user = user;
  }

  getCurrentCluster(): { readonly server: string } {
    return this.#cluster;
  }

  async applyToHTTPSOptions(options: RequestOptions): Promise<void> {
    const { ca, skipsTlsVerify, tlsServerName } = this.#cluster;
    const { cert = null, key = null, username = '', password = '' } = this.#user;
    if (skipsTlsVerify) options.rejectUnauthorized = false;
    if (tlsServerName !== null) options.servername = tlsServerName;
    if (ca !== null) options.ca = readMaterial(ca);
    if (cert !== null) options.cert = readMaterial(cert);
    if (key !== null) options.key = readMaterial(key);
    const token = this.#readToken();
    if (token !== '') options.headers = { Authorization: `Bearer ${token}` };
    if (username !== '') options.auth = `${username}:${password}`;
  }

  #readToken(): string {
    const { token = '', tokenFile } = this.#user;
    return tokenFile === undefined ? token : readFileSync(tokenFile, 'utf8').trim();
  }
}

function readMaterial(material: Material): Buffer {
  return 'file' in material ? readFileSync(material.file) : material.data;
}

function fileOrNone(file: string): Material | null {
  return file === '' ? null : { file };
}

/** Kubernetes docs, "Accessing the Kubernetes API from a Pod". */
function podConfig(
  root: string,
  { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port }: Readonly<Record<string, string | undefined>>,
): ConnectionConfig | null {
  if (host === undefined || port === undefined) return null;
  const folder = `${root}/var/run/secrets/kubernetes.io/serviceaccount`;
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const ca = { file: join(folder, 'ca.crt') };
  return new PlainConfig({ ...plainCluster, server, ca }, { tokenFile: join(folder, 'token') });
}

// Kubeconfig files

const clusterFields = new Set([
  'server',
  'certificate-authority',
  'certificate-authority-data',
  'insecure-skip-tls-verify',
  'tls-server-name',
  'extensions',
]);
const userFields = new Set([
  'token',
  'tokenFile',
  'client-certificate',
  'client-certificate-data',
  'client-key',
  'client-key-data',
  'username',
  'password',
  'extensions',
]);

type Fields = Readonly<Record<string, unknown>>;

function readKubeconfig(file: string): { readonly cluster: PlainCluster; readonly user: PlainUser } | null {
  const config = parseFile(file);
  const context = entryOf(config, 'contexts', 'context', config?.['current-context']);
  const cluster = entryOf(config, 'clusters', 'cluster', context?.['cluster']);
  const user = entryOf(config, 'users', 'user', context?.['user']);
  if (cluster === null || user === null || !hasOnly(cluster, clusterFields) || !hasOnly(user, userFields)) return null;
  const { server } = cluster;
  if (typeof server !== 'string' || server === '') return null;
  const folder = dirname(file);
  return {
    cluster: {
      server,
      ca: materialOf(cluster, 'certificate-authority', folder),
      skipsTlsVerify: cluster['insecure-skip-tls-verify'] === true,
      tlsServerName: textOf(cluster, 'tls-server-name') || null,
    },
    user: userOf(user, folder),
  };
}

function userOf(user: Fields, folder: string): PlainUser {
  const tokenFile = textOf(user, 'tokenFile');
  return {
    token: textOf(user, 'token'),
    ...(tokenFile === '' ? {} : { tokenFile: absolute(tokenFile, folder) }),
    cert: materialOf(user, 'client-certificate', folder),
    key: materialOf(user, 'client-key', folder),
    username: textOf(user, 'username'),
    password: textOf(user, 'password'),
  };
}

function parseFile(file: string): Fields | null {
  try {
    const config: unknown = parse(readFileSync(file, 'utf8'));
    return isRecord(config) ? config : null;
  } catch {
    // client-node says what is wrong with it.
    return null;
  }
}

/** The one entry of a named list, as `{ name, [member]: fields }`; null without. */
function entryOf(config: Fields | null, list: string, member: string, name: unknown): Fields | null {
  const entries = config?.[list];
  if (!Array.isArray(entries) || typeof name !== 'string') return null;
  const found: unknown = entries.find((entry) => isRecord(entry) && entry['name'] === name);
  const fields = isRecord(found) ? found[member] : null;
  return isRecord(fields) ? fields : null;
}

function hasOnly(fields: Fields, known: ReadonlySet<string>): boolean {
  return Object.keys(fields).every((key) => known.has(key));
}

/** Inline data counts more than a file (client-go, clientcmd api types). */
function materialOf(fields: Fields, name: string, folder: string): Material | null {
  const data = textOf(fields, `${name}-data`);
  if (data !== '') return { data: Buffer.from(data, 'base64') };
  const file = textOf(fields, name);
  return file === '' ? null : { file: absolute(file, folder) };
}

function textOf(fields: Fields, key: string): string {
  const value = fields[key];
  return typeof value === 'string' ? value : '';
}

function absolute(file: string, folder: string): string {
  return isAbsolute(file) ? file : join(folder, file);
}
