// What the e2e suite needs from an API server, whichever it is: the test double of e2e/apiserver, real binaries started
// here, or a cluster that exists. Nothing else about a server may be used by a test.

import type { Agent as HttpAgent } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';

export type BackendKind = 'double' | 'envtest' | 'cluster';

/** How somebody who may do everything asks. */
export interface AdminConnection {
  /** URL without a slash at the end. */
  readonly server: string;
  readonly agent: HttpAgent | HttpsAgent;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Backend extends AsyncDisposable {
  readonly kind: BackendKind;
  readonly admin: AdminConnection;
  /** For kubectl: a kubeconfig of the same person. */
  readonly kubeconfigPath: string;
  /** PEM of the CA that signed the server's certificate; undefined for one that the system trusts. */
  readonly caPem: string | undefined;
}

/** The text of a kubeconfig with one cluster and one user. */
export function renderKubeconfig(server: string, caPem: string | undefined, user: object): string {
  const ca = caPem === undefined ? {} : { 'certificate-authority-data': Buffer.from(caPem).toString('base64') };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'e2e', cluster: { server, ...ca } }],
    users: [{ name: 'e2e', user }],
    contexts: [{ name: 'e2e', context: { cluster: 'e2e', user: 'e2e' } }],
    'current-context': 'e2e',
  });
}
