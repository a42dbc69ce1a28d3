// Requests that create nothing: the answer is computed from what was posted.

import type { Answer } from './answer.ts';
import { notFound } from './api-error.ts';
import { type Json, textAt, valueAt } from './objects.ts';
import { isAllowed, type User } from './rbac.ts';
import type { RequestInfo, ResourceRequest } from './request-info.ts';
import { serviceAccount } from './resources/cluster.ts';
import type { Storage } from './storage.ts';
import type { Users } from './users.ts';

export interface SpecialDeps {
  readonly storage: Storage;
  readonly users: Users;
  readonly nowMs: () => number;
}

/** Answers `kubectl auth can-i` and `kubectl create token`; undefined for every other request. */
export function answerSpecial(
  deps: SpecialDeps,
  request: ResourceRequest,
  user: User,
  readBody: () => Json,
): Answer | undefined {
  const { verb, group, plural, subresource } = request;
  if (verb !== 'create') return undefined;
  if (group === 'authorization.k8s.io' && plural === 'selfsubjectaccessreviews')
    return reviewAccess(deps, user, readBody());
  if (group === '' && plural === 'serviceaccounts' && subresource === 'token')
    return createToken(deps, request, readBody());
  return undefined;
}

/** Whether everybody with a token may post it (the built-in role system:basic-user). */
export function isForEverybody({ verb, group, plural }: ResourceRequest): boolean {
  return verb === 'create' && group === 'authorization.k8s.io' && plural === 'selfsubjectaccessreviews';
}

function reviewAccess({ storage }: SpecialDeps, user: User, review: Json): Answer {
  const spec = valueAt(review, 'spec');
  const allowed = isAllowed(storage, user, attributesOf(spec));
  return { code: 201, body: { ...(review as object), status: { allowed, reason: '' } } };
}

function attributesOf(spec: unknown): RequestInfo {
  const path = valueAt(spec, 'nonResourceAttributes');
  const query = new URLSearchParams();
  if (path !== undefined) return { isResource: false, verb: textAt(path, 'verb'), path: textAt(path, 'path'), query };
  const resource = valueAt(spec, 'resourceAttributes');
  return {
    isResource: true,
    verb: textAt(resource, 'verb') as ResourceRequest['verb'],
    group: textAt(resource, 'group'),
    version: textAt(resource, 'version'),
    plural: textAt(resource, 'resource'),
    subresource: textAt(resource, 'subresource'),
    namespace: textAt(resource, 'namespace'),
    name: textAt(resource, 'name'),
    path: '',
    query,
  };
}

function createToken(
  { storage, users, nowMs }: SpecialDeps,
  { namespace, name }: ResourceRequest,
  request: Json,
): Answer {
  if (storage.get('serviceaccounts', `${namespace}/${name}`) === undefined) throw notFound(serviceAccount, name);
  const seconds = Number(valueAt(request, 'spec', 'expirationSeconds') ?? 3600);
  const token = users.add({ name: `system:serviceaccount:${namespace}:${name}` });
  const status = {
    token,
    expirationTimestamp: new Date(nowMs() + seconds * 1000).toISOString().replace(/\.\d+Z/, 'Z'),
  };
  return {
    code: 201,
    body: {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { name, namespace },
      spec: {},
      status,
    },
  };
}
