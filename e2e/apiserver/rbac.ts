// Who may do what: users by token, their own rules, and the RBAC objects in the store.

import { ApiError, qualified } from './api-error.ts';
import { type KubeObject, listAt, textAt } from './objects.ts';
import type { PathRequest, RequestInfo, ResourceRequest } from './request-info.ts';
import { COMPACTED, type Storage } from './storage.ts';

/** A rule as in a Role, given as data. */
export interface PolicyRule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

export interface User {
  readonly name: string;
  /** `system:masters` may do everything. `system:authenticated` is added to every user with a token. */
  readonly groups?: readonly string[];
  /** Rules in every namespace, besides those the RBAC objects give. */
  readonly rules?: readonly PolicyRule[];
}

export const ANONYMOUS: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

/** Paths every client may read (the built-in roles system:discovery and system:public-info-viewer). */
const PUBLIC_PATHS = /^\/(healthz|livez|readyz|version)(\/|$)/;
const DISCOVERY_PATHS = /^\/(api|apis|openapi)(\/|$)/;

/** Throws the 403 a real server would answer. */
export function authorize(storage: Storage, user: User, request: RequestInfo): void {
  if (!isAllowed(storage, user, request))
    throw request.isResource ? forbidden(user, request) : forbiddenPath(user, request);
}

/** Decides without throwing, as SelfSubjectAccessReview does. */
export function isAllowed(storage: Storage, user: User, request: RequestInfo): boolean {
  const groups = user.groups ?? [];
  if (groups.includes('system:masters')) return true;
  if (!request.isResource && isOpenPath(groups, request)) return true;
  // Made per request on purpose: a changed Role takes effect at once, and there are few of them.
  const { resource, rules } = { resource: request, rules: rulesOf(storage, user, request) };
  return rules.some((rule) => (resource.isResource ? coversResource(rule, resource) : coversPath(rule, resource)));
}

function isOpenPath(groups: readonly string[], { path, verb }: PathRequest): boolean {
  if (verb !== 'get' && verb !== 'head') return false;
  return PUBLIC_PATHS.test(path) || (DISCOVERY_PATHS.test(path) && groups.includes('system:authenticated'));
}

function rulesOf(storage: Storage, user: User, request: RequestInfo): readonly PolicyRule[] {
  const own = user.rules ?? [];
  const everywhere = bound(storage, 'clusterrolebindings', '', user);
  const here =
    request.isResource && request.namespace !== '' ? bound(storage, 'rolebindings', request.namespace, user) : [];
  return [...own, ...everywhere, ...here];
}

function bound(storage: Storage, plural: string, namespace: string, user: User): PolicyRule[] {
  const bindings = storage.list(`${plural}.rbac.authorization.k8s.io`);
  if (bindings === COMPACTED) return [];
  return bindings
    .filter(([, binding]) => namespace === '' || binding.metadata.namespace === namespace)
    .filter(([, binding]) => listAt(binding, 'subjects').some((subject) => isSubject(subject, binding, user)))
    .flatMap(([, binding]) => rulesOfRole(storage, binding));
}

function isSubject(subject: unknown, binding: KubeObject, user: User): boolean {
  const name = textAt(subject, 'name');
  switch (textAt(subject, 'kind')) {
    case 'User':
      return name === user.name;
    case 'Group':
      return (user.groups ?? []).includes(name);
    case 'ServiceAccount': {
      const namespace = textAt(subject, 'namespace') || binding.metadata.namespace;
      return user.name === `system:serviceaccount:${namespace}:${name}`;
    }
    default:
      return false;
  }
}

function rulesOfRole(storage: Storage, binding: KubeObject): readonly PolicyRule[] {
  const name = textAt(binding, 'roleRef', 'name');
  const isCluster = textAt(binding, 'roleRef', 'kind') === 'ClusterRole';
  const key = isCluster ? name : `${binding.metadata.namespace}/${name}`;
  const role = storage.get(`${isCluster ? 'clusterroles' : 'roles'}.rbac.authorization.k8s.io`, key);
  return listAt(role, 'rules') as readonly PolicyRule[];
}

function has(list: readonly string[] | undefined, value: string): boolean {
  return list?.some((entry) => entry === '*' || entry === value) ?? false;
}

function coversResource(rule: PolicyRule, { verb, group, plural, subresource, name }: ResourceRequest): boolean {
  const resource = subresource === '' ? plural : `${plural}/${subresource}`;
  const names = rule.resourceNames ?? [];
  const matchesResource =
    has(rule.resources, resource) || (subresource !== '' && (rule.resources ?? []).includes(`*/${subresource}`));
  // A create has no name yet: rules that name objects never allow it.
  const matchesName = names.length === 0 || (verb !== 'create' && names.includes(name));
  return has(rule.verbs, verb) && has(rule.apiGroups, group) && matchesResource && matchesName;
}

function coversPath(rule: PolicyRule, { verb, path }: PathRequest): boolean {
  const matches = rule.nonResourceURLs?.some(
    (url) => url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1))),
  );
  return (matches ?? false) && has(rule.verbs, verb);
}

function forbidden(user: User, { verb, group, plural, subresource, namespace, name }: ResourceRequest): ApiError {
  const resource = subresource === '' ? plural : `${plural}/${subresource}`;
  const what = qualified(plural, group) + (name === '' ? '' : ` ${JSON.stringify(name)}`);
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const why = `User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(group)} ${where}`;
  return new ApiError(403, 'Forbidden', `${what} is forbidden: ${why}`, {
    details: { ...(name !== '' && { name }), ...(group !== '' && { group }), kind: plural },
  });
}

function forbiddenPath(user: User, { verb, path }: PathRequest): ApiError {
  const why = `User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}`;
  return new ApiError(403, 'Forbidden', `forbidden: ${why}`, { details: {} });
}
