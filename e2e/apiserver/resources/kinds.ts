// All kinds this server has, and how a request or an object finds its own.

import { clusterRole, clusterRoleBinding, role, roleBinding } from './access.ts';
import { endpoints, namespace, node, serviceAccount } from './cluster.ts';
import { configMap } from './config-map.ts';
import { deployment, replicaSet } from './deployment.ts';
import { endpointSlice } from './endpoint-slice.ts';
import { event, newEvent } from './event.ts';
import { ingress } from './ingress.ts';
import { ingressClass } from './ingress-class.ts';
import { apiVersionOf, type Kind } from './kind.ts';
import { lease } from './lease.ts';
import { pod } from './pod.ts';
import { secret } from './secret.ts';
import { service } from './service.ts';
import { validatingWebhookConfiguration } from './validating-webhook.ts';

export const KINDS: readonly Kind[] = [
  configMap,
  endpoints,
  event,
  namespace,
  node,
  pod,
  secret,
  service,
  serviceAccount,
  deployment,
  replicaSet,
  endpointSlice,
  newEvent,
  ingress,
  ingressClass,
  lease,
  clusterRole,
  clusterRoleBinding,
  role,
  roleBinding,
  validatingWebhookConfiguration,
];

const BY_RESOURCE = new Map(KINDS.map((kind) => [`${apiVersionOf(kind)}/${kind.plural}`, kind]));
const BY_KIND = new Map(KINDS.map((kind) => [`${apiVersionOf(kind)}/${kind.kind}`, kind]));

export function findByResource(group: string, version: string, plural: string): Kind | undefined {
  return BY_RESOURCE.get(`${apiVersionOf({ group, version })}/${plural}`);
}

export function findByKind(apiVersion: string, kind: string): Kind | undefined {
  return BY_KIND.get(`${apiVersion}/${kind}`);
}
