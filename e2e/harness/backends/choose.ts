// Which API server the suite runs against: by the environment, so that the same tests run everywhere.
//
//   E2E_USE_CLUSTER=1 and KUBECONFIG   that cluster
//   KUBEBUILDER_ASSETS                 etcd and kube-apiserver of that folder (the envtest convention)
//   otherwise                          the test double

import type { Backend, BackendKind } from './backend.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws when the environment asks for something that cannot be. */
export function backendKind(env: Environment): BackendKind {
  const isGiven = (name: string) => (env[name] ?? '') !== '';
  if (env['E2E_USE_CLUSTER'] === '1') {
    // Never the default of ~/.kube/config: whoever lends a cluster to tests has to name it.
    if (!isGiven('KUBECONFIG')) throw new Error('E2E_USE_CLUSTER=1 needs KUBECONFIG');
    return 'cluster';
  }
  return isGiven('KUBEBUILDER_ASSETS') ? 'envtest' : 'double';
}

/** @param folder a folder of this run, for files of the server. */
export async function startBackend(folder: string, env: Environment = process.env): Promise<Backend> {
  switch (backendKind(env)) {
    case 'cluster':
      return await (await import('./existing-cluster.ts')).openExistingCluster(env['KUBECONFIG'] ?? '');
    case 'envtest':
      return await (await import('./envtest.ts')).startEnvtest(env['KUBEBUILDER_ASSETS'] ?? '', folder);
    case 'double':
      return await (await import('./double.ts')).startDouble(folder);
  }
}
