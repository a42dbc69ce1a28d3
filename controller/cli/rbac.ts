// `sluice rbac`: the least rights for a set of flags as manifests, for installations without the chart and for the e2e
// suite, which runs with exactly these. In: options. Out: YAML text.

import { stringify } from 'yaml';
import type { Options } from '../options.ts';
import { type PolicyRule, rbacRules } from '../watch/api/rbac.ts';

/** Name of roles, bindings and service account. */
const name = 'sluice';
const apiGroup = 'rbac.authorization.k8s.io';

/**
 * YAML documents: a ClusterRole, a Role for each namespace that needs one, and their bindings to the service account
 * `sluice` in the pod's namespace.
 */
export function renderRbac(options: Options): string {
  const { configmap, tcpServicesConfigmap, udpServicesConfigmap, pod } = options;
  const configMaps = [configmap, tcpServicesConfigmap, udpServicesConfigmap];
  const { cluster, namespaces } = rbacRules({ ...options, podNamespace: pod.namespace, configMaps });
  const objects = [
    ...roleAndBinding('ClusterRole', { name }, cluster, pod.namespace),
    ...Object.entries(namespaces).flatMap(([namespace, rules]) =>
      roleAndBinding('Role', { name, namespace }, rules, pod.namespace),
    ),
  ];
  return objects.map((object) => stringify(object)).join('---\n');
}

function roleAndBinding(
  kind: 'ClusterRole' | 'Role',
  metadata: object,
  rules: readonly PolicyRule[],
  podNamespace: string,
): readonly object[] {
  const apiVersion = `${apiGroup}/v1`;
  const subjects = [{ kind: 'ServiceAccount', name, namespace: podNamespace }];
  return [
    { apiVersion, kind, metadata, rules },
    { apiVersion, kind: `${kind}Binding`, metadata, roleRef: { apiGroup, kind, name }, subjects },
  ];
}
