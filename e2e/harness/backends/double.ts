// The test API server of e2e/apiserver, behind the same face as a real one.

import { writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { startApiServer } from '../../apiserver/server.ts';
import type { Backend } from './backend.ts';

export async function startDouble(folder: string): Promise<Backend> {
  const server = await startApiServer();
  const kubeconfigPath = join(folder, 'admin.kubeconfig');
  await writeFile(kubeconfigPath, server.kubeconfig());
  const agent = new Agent({ keepAlive: true, ca: server.caPem });
  return {
    kind: 'double',
    admin: { server: server.url, agent, headers: { authorization: `Bearer ${server.token()}` } },
    kubeconfigPath,
    caPem: server.caPem,
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}
