// A cluster that exists, by its kubeconfig. Tests keep to namespaces and names of their own run and remove them.

import { Agent, type RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import type { Backend } from './backend.ts';

/** Rejects when the kubeconfig names no cluster. Whoever it names needs to be an administrator. */
export async function openExistingCluster(kubeconfigPath: string): Promise<Backend> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigPath);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error(`${kubeconfigPath} names no current context with a cluster`);
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const { ca, cert, key, servername, rejectUnauthorized, headers } = options;
  const agent = new Agent({ keepAlive: true, ca, cert, key, servername, rejectUnauthorized });
  return {
    kind: 'cluster',
    admin: {
      server: cluster.server.replace(/\/+$/, ''),
      agent,
      headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)])),
    },
    kubeconfigPath,
    caPem: ca === undefined ? undefined : String(ca),
    async [Symbol.asyncDispose]() {
      agent.destroy();
    },
  };
}
