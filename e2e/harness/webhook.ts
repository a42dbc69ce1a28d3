// The admission webhook of a Sluice process, registered with the API server the way the chart does it: a certificate of its
// own CA, and a ValidatingWebhookConfiguration that the server really calls.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateServerCertificate } from '../apiserver/certificates.ts';
import { machineAddress } from './machine-address.ts';
import type { Scene } from './scene.ts';

export interface Webhook {
  /** For the Sluice that answers. */
  readonly flags: readonly string[];
  /** Lets the API server ask, from now on. */
  register(): Promise<void>;
  /** It asks no more. */
  remove(): Promise<void>;
}

/** Makes the key pair; `port` has to be free. The API server calls this machine's own address. */
export async function prepareWebhook(scene: Scene, port: number): Promise<Webhook> {
  const host = machineAddress() ?? '127.0.0.1';
  const { caPem, certPem, keyPem } = await generateServerCertificate([host]);
  const certPath = join(scene.folder, 'webhook.crt');
  const keyPath = join(scene.folder, 'webhook.key');
  await Promise.all([writeFile(certPath, certPem), writeFile(keyPath, keyPem, { mode: 0o600 })]);
  const metadata = { name: scene.prefix };
  const configuration = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata,
    webhooks: [
      {
        name: 'validate.sluice.test',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
        timeoutSeconds: 10,
        matchPolicy: 'Equivalent',
        // Nobody else's Ingresses, where the cluster is not ours.
        namespaceSelector: { matchLabels: { e2e: scene.className } },
        rules: [
          {
            apiGroups: ['networking.k8s.io'],
            apiVersions: ['v1'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['ingresses'],
          },
        ],
        clientConfig: { url: `https://${host}:${port}/`, caBundle: Buffer.from(caPem).toString('base64') },
      },
    ],
  };
  return {
    flags: [
      `--validating-webhook=:${port}`,
      `--validating-webhook-certificate=${certPath}`,
      `--validating-webhook-key=${keyPath}`,
    ],
    register: async () => {
      await scene.admin.apply([configuration]);
    },
    remove: () => scene.admin.delete(configuration),
  };
}
