// The complete list of ConfigMap keys: the 194 that ingress-nginx v1.15.1 reads, in the order of the ConfigMap
// reference, then the 14 that only its documentation still names, then Sluice's own. Whoever adds a family adds it here.

import { globalAuthKeys } from './configmap-auth.ts';
import { ownBodyKeys } from './configmap-bodies.ts';
import { compressionKeys } from './configmap-compression.ts';
import { engineKeys, firewallKeys, snippetKeys } from './configmap-engine.ts';
import { forwardingKeys } from './configmap-forwarding.ts';
import { httpKeys } from './configmap-http.ts';
import { ownHttp2Keys } from './configmap-http2.ts';
import { limitKeys } from './configmap-limits.ts';
import { loggingKeys } from './configmap-logging.ts';
import { ownMirrorKeys } from './configmap-mirroring.ts';
import { ownPeerKeys } from './configmap-peers.ts';
import { proxyingKeys } from './configmap-proxying.ts';
import { removedKeys } from './configmap-removed.ts';
import { securityKeys } from './configmap-security.ts';
import { ownStreamKeys, streamKeys } from './configmap-stream.ts';
import { tlsKeys } from './configmap-tls.ts';
import { tracingKeys } from './configmap-tracing.ts';
import type { ConfigMapRecord } from './record.ts';

/** Keys that ingress-nginx reads. */
export const readKeys: readonly ConfigMapRecord<unknown>[] = [
  ...securityKeys,
  ...httpKeys,
  ...compressionKeys,
  ...tlsKeys,
  ...forwardingKeys,
  ...proxyingKeys,
  ...limitKeys,
  ...globalAuthKeys,
  ...loggingKeys,
  ...tracingKeys,
  ...firewallKeys,
  ...streamKeys,
  ...snippetKeys,
  ...engineKeys,
];

/** Keys that ingress-nginx does not have: their names begin with `sluice-`. */
export const ownKeys: readonly ConfigMapRecord<unknown>[] = [
  ...ownHttp2Keys,
  ...ownPeerKeys,
  ...ownBodyKeys,
  ...ownMirrorKeys,
  ...ownStreamKeys,
];

/** Every record, once. */
export const configMapKeys: readonly ConfigMapRecord<unknown>[] = [...readKeys, ...removedKeys, ...ownKeys];

/** Records by key. */
export const configMapKeysByName: ReadonlyMap<string, ConfigMapRecord<unknown>> = new Map(
  configMapKeys.map((record) => [record.key, record]),
);
