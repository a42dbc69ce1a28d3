// What client-node 2.0.1 leaves out of the users of a kubeconfig, added to what it loaded: token files, what exec plugins
// are told about their caller, and OIDC.
//
// In: the loaded configuration and the text it came from. Out: changed users. Reads no file itself.

import { isAbsolute, join } from 'node:path';
import type { KubeConfig, User } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { isRecord } from '../../objects/decode-report.ts';
import { OidcAuthenticator, oidcProvider } from './oidc.ts';

/** Completes the users. `folder` is that of the kubeconfig: relative paths begin there. Throws on text that is no YAML. */
export function completeUsers(config: KubeConfig, text: string, folder: string): void {
  const tokenFiles = readTokenFiles(parse(text));
  config.users = config.users.map((user) => {
    const file = tokenFiles.get(user.name);
    if (file !== undefined) return withTokenFile(user, isAbsolute(file) ? file : join(folder, file));
    return user.authProvider?.name === 'oidc' ? withOidc(user) : withExecInfo(user, config);
  });
  config.addAuthenticator(new OidcAuthenticator(Date.now));
}

function withOidc(user: User): User {
  return { ...user, authProvider: { ...user.authProvider, name: oidcProvider } };
}

/** `tokenFile` by name of the user. The library knows only `token-file`, which no client-go writes. */
function readTokenFiles(kubeconfig: unknown): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const users = isRecord(kubeconfig) && Array.isArray(kubeconfig['users']) ? kubeconfig['users'] : [];
  for (const entry of users) {
    const { name, user } = isRecord(entry) ? entry : {};
    const tokenFile = isRecord(user) ? user['tokenFile'] : undefined;
    if (typeof name === 'string' && typeof tokenFile === 'string' && tokenFile !== '') found.set(name, tokenFile);
  }
  return found;
}

/** A file counts more than a token beside it (client-go, AuthInfo.TokenFile). The library then reads it every minute. */
function withTokenFile({ token: _, ...user }: User, tokenFile: string): User {
  return { ...user, authProvider: { name: 'tokenFile', config: { tokenFile } } };
}

interface ExecPlugin {
  readonly apiVersion?: string;
  readonly provideClusterInfo?: boolean;
  readonly env?: readonly object[] | null;
}

/**
 * KUBERNETES_EXEC_INFO (Kubernetes docs, "client-go credential plugins", input and output formats): plugins that read it
 * end with an error when it is not set.
 */
function withExecInfo(user: User, config: KubeConfig): User {
  const exec = user.exec as ExecPlugin | null | undefined;
  if (exec === null || exec === undefined) return user;
  const cluster = exec.provideClusterInfo === true ? { cluster: clusterInfo(config) } : {};
  const info = { kind: 'ExecCredential', apiVersion: exec.apiVersion, spec: { interactive: false, ...cluster } };
  const entry = { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) };
  return { ...user, exec: { ...exec, env: [...(exec.env ?? []), entry] } };
}

function clusterInfo(config: KubeConfig): object {
  const cluster = config.getCurrentCluster();
  if (cluster === null) return {};
  return {
    server: cluster.server,
    ...(cluster.caData === undefined ? {} : { 'certificate-authority-data': cluster.caData }),
    ...(cluster.tlsServerName === undefined ? {} : { 'tls-server-name': cluster.tlsServerName }),
    ...(cluster.skipTLSVerify ? { 'insecure-skip-tls-verify': true } : {}),
  };
}
