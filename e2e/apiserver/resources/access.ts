// rbac.authorization.k8s.io/v1: Role, ClusterRole and their bindings. rbac.ts reads them to decide requests.

import { type FieldError, fieldError } from '../api-error.ts';
import { equalJson, type KubeObject, listAt, textAt } from '../objects.ts';
import { any, atomicList, objectSchema, string, struct } from '../schema.ts';
import { checkPathSegment } from './field-checks.ts';
import type { Kind } from './kind.ts';

const GROUP = 'rbac.authorization.k8s.io';

const rule = struct({
  apiGroups: atomicList(string),
  resources: atomicList(string),
  resourceNames: atomicList(string),
  verbs: atomicList(string),
  nonResourceURLs: atomicList(string),
});

function validateRole(object: KubeObject): FieldError[] {
  return listAt(object, 'rules').flatMap((one, index) => [
    ...(listAt(one, 'verbs').length === 0
      ? [fieldError.required(`rules[${index}].verbs`, 'verbs must contain at least one value')]
      : []),
  ]);
}

const roleRef = struct({ apiGroup: string, kind: string, name: string }, { atomic: true });
const subject = struct({ kind: string, apiGroup: string, name: string, namespace: string });

function validateBinding(object: KubeObject): FieldError[] {
  return textAt(object, 'roleRef', 'name') === '' ? [fieldError.required('roleRef.name')] : [];
}

function validateBindingUpdate(next: KubeObject, previous: KubeObject): FieldError[] {
  if (equalJson(next['roleRef'], previous['roleRef'])) return [];
  return [fieldError.invalid('roleRef', next['roleRef'], 'cannot change roleRef')];
}

function applyBindingDefaults(object: KubeObject): KubeObject {
  const subjects = listAt(object, 'subjects').map((one) => ({
    ...(textAt(one, 'kind') !== 'ServiceAccount' && { apiGroup: GROUP }),
    ...(one as object),
  }));
  return {
    ...object,
    roleRef: { apiGroup: GROUP, ...(object['roleRef'] as object | undefined) },
    ...(subjects.length > 0 && { subjects }),
  };
}

function roleKind(kind: string, plural: string, namespaced: boolean): Kind {
  return {
    group: GROUP,
    version: 'v1',
    kind,
    plural,
    namespaced,
    schema: objectSchema({ rules: atomicList(rule), ...(!namespaced && { aggregationRule: any }) }),
    applyDefaults: (object) => ({ ...object, rules: object['rules'] ?? null }),
    checkName: checkPathSegment,
    validate: validateRole,
  };
}

function bindingKind(kind: string, plural: string, namespaced: boolean): Kind {
  return {
    group: GROUP,
    version: 'v1',
    kind,
    plural,
    namespaced,
    schema: objectSchema({ subjects: atomicList(subject), roleRef }),
    applyDefaults: applyBindingDefaults,
    checkName: checkPathSegment,
    validate: validateBinding,
    validateUpdate: validateBindingUpdate,
    columns: [
      { name: 'Role', cell: (object) => `${textAt(object, 'roleRef', 'kind')}/${textAt(object, 'roleRef', 'name')}` },
    ],
  };
}

export const role = roleKind('Role', 'roles', true);
export const clusterRole = roleKind('ClusterRole', 'clusterroles', false);
export const roleBinding = bindingKind('RoleBinding', 'rolebindings', true);
export const clusterRoleBinding = bindingKind('ClusterRoleBinding', 'clusterrolebindings', false);
