// DELETE of one object and of a collection. Finalizers hold an object back; what it owns is the garbage collector's.

import type { Answer } from './answer.ts';
import { parseBody } from './decoding.ts';
import { isJsonObject, type KubeObject } from './objects.ts';
import { isSameObject } from './patch/managed-fields.ts';
import { checkIdentity, timestamp } from './preparing.ts';
import { findObject, keyOf, selectorOf, shown } from './reading.ts';
import { apiVersionOf, resourceName } from './resources/kind.ts';
import { COMPACTED } from './storage.ts';
import type { WriteDeps, WriteRequest } from './writing.ts';

interface Deleted {
  readonly object: KubeObject;
  readonly warnings: readonly string[];
}

interface DeleteOptions {
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: readonly string[];
}

function readDeleteOptions({ body, contentType }: WriteRequest): DeleteOptions {
  if (body.length === 0) return {};
  const value = parseBody(body, contentType);
  return isJsonObject(value) ? (value as unknown as DeleteOptions) : {};
}

export async function deleteObject(deps: WriteDeps, write: WriteRequest): Promise<Answer> {
  const { kind, request } = write;
  const live = findObject(deps.storage, kind, request);
  const options = readDeleteOptions(write);
  const { uid, resourceVersion } = options.preconditions ?? {};
  checkIdentity(
    kind,
    live,
    {
      name: request.name,
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    },
    request,
  );
  const { object, warnings } = await remove(deps, write, live, options);
  if (kind.deleteReturnsObject === true || (live.metadata.finalizers ?? []).length > 0) {
    return { code: 200, body: shown(kind, object), warnings };
  }
  const details = {
    name: request.name,
    ...(kind.group !== '' && { group: kind.group }),
    kind: kind.plural,
    uid: live.metadata.uid,
  };
  return { code: 200, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }, warnings };
}

export async function deleteCollection(deps: WriteDeps, write: WriteRequest): Promise<Answer> {
  const { kind, request } = write;
  const selects = selectorOf(kind, request);
  const all = deps.storage.list(resourceName(kind));
  const matching = all === COMPACTED ? [] : all.map(([, object]) => object).filter(selects);
  const items: KubeObject[] = [];
  for (const object of matching) {
    const { name, namespace = '' } = object.metadata;
    const removed = await remove(deps, { ...write, request: { ...request, name, namespace } }, object, {});
    items.push(shown(kind, removed.object));
  }
  const metadata = { resourceVersion: String(deps.storage.revision) };
  return { code: 200, body: { kind: `${kind.kind}List`, apiVersion: apiVersionOf(kind), metadata, items } };
}

async function remove(
  deps: WriteDeps,
  write: WriteRequest,
  live: KubeObject,
  options: DeleteOptions,
): Promise<Deleted> {
  const { storage } = deps;
  const { kind, request, user } = write;
  const dryRun = request.query.get('dryRun') === 'All' || (options.dryRun ?? []).includes('All');
  const warnings = await deps.admit({
    operation: 'DELETE',
    kind,
    request,
    user,
    object: null,
    oldObject: live,
    dryRun,
  });
  if (dryRun) return { object: live, warnings };
  const { name, namespace = '', finalizers = [] } = live.metadata;
  const key = keyOf(kind, namespace, name);
  if (finalizers.length > 0) {
    const deletionTimestamp = live.metadata.deletionTimestamp ?? timestamp(deps.nowMs());
    const leaving = { ...live, metadata: { ...live.metadata, deletionTimestamp, deletionGracePeriodSeconds: 0 } };
    const object = isSameObject(live, leaving) ? live : storage.put(resourceName(kind), key, leaving);
    return { object, warnings };
  }
  return { object: storage.delete(resourceName(kind), key) ?? live, warnings };
}
