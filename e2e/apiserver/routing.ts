// From an authenticated request to its handler.

import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Answer } from './answer.ts';
import { methodNotAllowed, unknownPath } from './api-error.ts';
import { parseBody } from './decoding.ts';
import { deleteCollection, deleteObject } from './deleting.ts';
import { answerDiscovery } from './discovery.ts';
import { authorize, type User } from './rbac.ts';
import { getObject, listObjects } from './reading.ts';
import type { RequestInfo, ResourceRequest } from './request-info.ts';
import type { Kind } from './resources/kind.ts';
import { findByResource } from './resources/kinds.ts';
import { answerSpecial, isForEverybody, type SpecialDeps } from './special-resources.ts';
import { parseForm } from './table.ts';
import { startWatch, type WatchDeps } from './watching.ts';
import { createObject, patchObject, updateObject, type WriteDeps } from './writing.ts';

export type RoutingDeps = WriteDeps & WatchDeps & SpecialDeps;

export interface IncomingRequest {
  readonly info: RequestInfo;
  readonly user: User;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Watches write to it themselves. */
  readonly response: ServerResponse;
}

/** Answers a request, or returns null for a watch that has taken over the response. */
export async function route(deps: RoutingDeps, incoming: IncomingRequest): Promise<Answer | null> {
  const { info, user, headers, body } = incoming;
  if (!info.isResource) {
    authorize(deps.storage, user, info);
    const answer =
      info.verb === 'get' || info.verb === 'head' ? answerDiscovery(info.path, headers.accept ?? '') : undefined;
    if (answer === undefined) throw unknownPath();
    return answer;
  }
  if (!isForEverybody(info)) authorize(deps.storage, user, info);
  const special = answerSpecial(deps, info, user, () => parseBody(body, headers['content-type'] ?? ''));
  if (special !== undefined) return special;
  const kind = findByResource(info.group, info.version, info.plural);
  if (kind === undefined || !hasSubresource(kind, info.subresource)) throw unknownPath();
  return routeVerb(deps, kind, info, incoming);
}

function hasSubresource(kind: Kind, subresource: string): boolean {
  switch (subresource) {
    case '':
      return true;
    case 'status':
      return kind.hasStatus === true;
    case 'scale':
      return kind.hasScale === true;
    default:
      return false;
  }
}

function routeVerb(
  deps: RoutingDeps,
  kind: Kind,
  info: ResourceRequest,
  incoming: IncomingRequest,
): Promise<Answer> | Answer | null {
  const { user, headers, body, response } = incoming;
  const { storage } = deps;
  const form = parseForm(headers.accept ?? '', info.query.get('includeObject'));
  const userAgent = headers['user-agent'] ?? '';
  const write = {
    kind,
    request: info,
    user,
    userAgent,
    contentType: headers['content-type'] ?? 'application/json',
    body,
  };
  switch (info.verb) {
    case 'get':
      return getObject(storage, kind, info, form, deps.nowMs());
    case 'list':
      return listObjects(storage, kind, info, form, deps.nowMs());
    case 'watch':
      startWatch(deps, { kind, request: info, user: user.name, form, response });
      return null;
    case 'create':
      return createObject(deps, write);
    case 'update':
      return updateObject(deps, write);
    case 'patch':
      return patchObject(deps, write);
    case 'delete':
      return deleteObject(deps, write);
    case 'deletecollection':
      return deleteCollection(deps, write);
    default:
      throw methodNotAllowed();
  }
}
