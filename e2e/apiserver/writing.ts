// Create, update and patch: read, change, check, admit, and write only if nothing else was written meanwhile.

import { randomBytes } from 'node:crypto';
import type { Answer } from './answer.ts';
import {
  ApiError,
  alreadyExists,
  badRequest,
  conflict,
  fieldError,
  invalid,
  methodNotAllowed,
  notFound,
} from './api-error.ts';
import { decodeObject, parseBody, parseFieldValidation } from './decoding.ts';
import { isJsonObject, type Json, type KubeObject, type ManagedFieldsEntry, valueAt } from './objects.ts';
import { applyJsonPatch, UnfitPatch } from './patch/json-patch.ts';
import { asJson, isSameObject, type ManagerId, recordUpdate, withOwnership } from './patch/managed-fields.ts';
import { applyMergePatch } from './patch/merge-patch.ts';
import { applyServerSide } from './patch/server-side-apply.ts';
import { applyStrategicMergePatch } from './patch/strategic-merge-patch.ts';
import { checkIdentity, checkNamespace, prepareObject, timestamp } from './preparing.ts';
import type { User } from './rbac.ts';
import { findObject, keyOf, scaleOf, shown } from './reading.ts';
import { isTrue, type ResourceRequest } from './request-info.ts';
import { apiVersionOf, type Kind, resourceName } from './resources/kind.ts';
import { any } from './schema.ts';
import type { Storage } from './storage.ts';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE';

/** What admission is asked before a write; it throws to refuse and returns warnings. */
export interface AdmissionQuestion {
  readonly operation: Operation;
  readonly kind: Kind;
  readonly request: ResourceRequest;
  readonly user: User;
  readonly object: KubeObject | null;
  readonly oldObject: KubeObject | null;
  readonly dryRun: boolean;
}

export interface WriteDeps {
  readonly storage: Storage;
  readonly admit: (question: AdmissionQuestion) => Promise<readonly string[]>;
  readonly nowMs: () => number;
}

export interface WriteRequest {
  readonly kind: Kind;
  readonly request: ResourceRequest;
  readonly user: User;
  readonly userAgent: string;
  readonly contentType: string;
  readonly body: Buffer;
}

/** Written or left as it was, with the warnings on the way. */
interface Outcome {
  readonly object: KubeObject;
  readonly isNew: boolean;
  readonly warnings: readonly string[];
}

/** What a verb makes of the live object. */
interface Draft {
  readonly object: KubeObject;
  readonly warnings: readonly string[];
  /** Ownership after a server-side apply; undefined credits the manager with what changed. */
  readonly owners?: ReturnType<typeof applyServerSide>['owners'];
}

const APPLY_TYPE = 'application/apply-patch';
/** A write without resourceVersion is tried again when something else is written in between. */
const MAX_TRIES = 5;

export async function createObject(deps: WriteDeps, write: WriteRequest): Promise<Answer> {
  const { kind, request } = write;
  if (request.subresource !== '') throw methodNotAllowed();
  const { object, warnings } = decode(write, parseBody(write.body, write.contentType));
  checkNamespace(kind, object.metadata, request.namespace);
  const { resourceVersion = '' } = object.metadata;
  if (resourceVersion !== '') throw new ApiError(500, '', 'resourceVersion should not be set on objects to be created');
  return answer(
    write,
    await commit(deps, write, null, { object: withName(kind, object, request.namespace), warnings }),
  );
}

function withName(kind: Kind, object: KubeObject, namespace: string): KubeObject {
  const {
    generateName = '',
    name = generateName === '' ? '' : generateName + randomBytes(3).toString('hex').slice(0, 5),
  } = object.metadata;
  return { ...object, metadata: { ...object.metadata, name, ...(kind.namespaced && { namespace }) } };
}

export async function updateObject(deps: WriteDeps, write: WriteRequest): Promise<Answer> {
  const { kind, request } = write;
  const sent = parseBody(write.body, write.contentType);
  if (request.subresource === 'scale') return updateScale(deps, write, sent);
  const { object, warnings } = decode(write, sent);
  const isConditional = (object.metadata.resourceVersion ?? '') !== '';
  return retrying(isConditional ? 1 : MAX_TRIES, async () => {
    const live = findLive(deps, write);
    if (live === null) return createByUpdate(deps, write, { object, warnings });
    if (kind.updateNeedsVersion === true && !isConditional) {
      const error = fieldError.invalid('metadata.resourceVersion', 0, 'must be specified for an update');
      throw invalid(kind, request.name, [error]);
    }
    checkIdentity(kind, live, object.metadata, request);
    return answer(write, await commit(deps, write, live, { object: named(object, live), warnings }));
  });
}

async function createByUpdate(deps: WriteDeps, write: WriteRequest, { object, warnings }: Draft): Promise<Answer> {
  const { kind, request } = write;
  if (kind.createOnUpdate !== true) throw notFound(kind, request.name);
  // Who sends a uid means an object that was there.
  if ((object.metadata.uid ?? '') !== '') throw conflict(kind, request.name);
  return answer(
    write,
    await commit(deps, write, null, { object: withName(kind, object, request.namespace), warnings }),
  );
}

/** PATCH in all its forms. What is absent is 404, except for an apply, which creates it. */
export async function patchObject(deps: WriteDeps, write: WriteRequest): Promise<Answer> {
  const { kind, request, contentType } = write;
  const isApply = contentType.startsWith(APPLY_TYPE);
  if (isApply) checkApplyParameters(request.query);
  return retrying(MAX_TRIES, async () => {
    const live = findLive(deps, write);
    if (live === null && (!isApply || request.subresource !== '')) throw notFound(kind, request.name);
    const draft = isApply || live === null ? applyDraft(write, live) : patchDraft(write, live);
    return answer(write, await commit(deps, write, live, draft));
  });
}

function findLive({ storage }: WriteDeps, { kind, request }: WriteRequest): KubeObject | null {
  return storage.get(resourceName(kind), keyOf(kind, request.namespace, request.name)) ?? null;
}

/** Runs again what lost a race, `tries` times in all. */
async function retrying<T>(tries: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof LostRace) || tries <= 1) throw error;
    return retrying(tries - 1, run);
  }
}

function checkApplyParameters(query: URLSearchParams): void {
  if (query.get('fieldManager')) return;
  const error = fieldError.required('fieldManager', 'is required for apply patch');
  throw invalid({ kind: 'PatchOptions', group: 'meta.k8s.io' }, '', [error]);
}

function applyDraft(write: WriteRequest, live: KubeObject | null): Draft {
  const { kind, request } = write;
  const { object: applied, warnings } = decode(write, parseBody(write.body, write.contentType));
  const { managedFields, ...metadata } = applied.metadata;
  if (managedFields !== undefined) throw badRequest('metadata.managedFields must be nil');
  const opinion = withName(kind, withoutResetFields(write, { ...applied, metadata }), request.namespace);
  if (live !== null) checkIdentity(kind, live, opinion.metadata, request);
  const force = isTrue(request.query.get('force'));
  const { object, owners } = applyServerSide({
    schema: kind.schema,
    live,
    applied: opinion,
    manager: managerOf(write),
    force,
  });
  return { object, owners, warnings };
}

/** What this path cannot write is not owned either: status on the main resource, everything else on /status. */
function withoutResetFields({ kind, request }: WriteRequest, applied: KubeObject): KubeObject {
  const { status, ...main } = applied;
  if (request.subresource !== 'status') return (kind.hasStatus === true ? main : applied) as KubeObject;
  const { apiVersion, metadata } = applied;
  return { kind: kind.kind, apiVersion, metadata, ...(status !== undefined && { status }) };
}

function patchDraft(write: WriteRequest, live: KubeObject): Draft {
  const { kind, request, contentType } = write;
  const isScale = request.subresource === 'scale';
  const patch = parseBody(write.body, contentType);
  const target = asJson(isScale ? scaleOf(live) : shown(kind, live));
  const patched = applyPatch(contentType, target, patch, isScale ? any : kind.schema, kind, request.name);
  if (isScale) return { object: scaled(kind, live, patched), warnings: [] };
  const { object, warnings } = decode(write, patched);
  checkIdentity(kind, live, object.metadata, request);
  return { object: named(object, live), warnings };
}

function applyPatch(
  contentType: string,
  target: Json,
  patch: Json,
  schema: Kind['schema'] | typeof any,
  kind: Kind,
  name: string,
): Json {
  switch (contentType.split(';')[0]) {
    case 'application/json-patch+json':
      try {
        return applyJsonPatch(target, patch);
      } catch (error) {
        if (!(error instanceof UnfitPatch)) throw error;
        throw new ApiError(422, 'Invalid', 'the server rejected our request due to an error in our request', {
          details: {
            name,
            kind: kind.plural,
            causes: [{ reason: 'UnexpectedServerResponse', message: error.message }],
          },
        });
      }
    case 'application/merge-patch+json':
      return applyMergePatch(target, patch);
    case 'application/strategic-merge-patch+json':
      return applyStrategicMergePatch(schema, target, patch);
    default: {
      const message =
        'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, ' +
        'application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml';
      throw new ApiError(415, 'UnsupportedMediaType', message, { details: {} });
    }
  }
}

async function updateScale(deps: WriteDeps, write: WriteRequest, sent: Json): Promise<Answer> {
  const live = findObject(deps.storage, write.kind, write.request);
  return answer(write, await commit(deps, write, live, { object: scaled(write.kind, live, sent), warnings: [] }));
}

function scaled(kind: Kind, live: KubeObject, scale: Json): KubeObject {
  const replicas = valueAt(scale, 'spec', 'replicas') ?? 0;
  const version = valueAt(scale, 'metadata', 'resourceVersion') ?? live.metadata.resourceVersion;
  if (version !== '' && version !== live.metadata.resourceVersion) throw conflict(kind, live.metadata.name);
  if (!Number.isInteger(replicas) || (replicas as number) < 0) {
    const error = fieldError.invalid('spec.replicas', replicas, 'must be greater than or equal to 0');
    throw invalid({ kind: 'Scale', group: 'autoscaling' }, live.metadata.name, [error]);
  }
  return { ...live, spec: { ...(live['spec'] as object), replicas } };
}

/** The object with name and namespace of the stored one, which clients may leave out. */
function named(object: KubeObject, live: KubeObject): KubeObject {
  const { name, namespace } = live.metadata;
  return { ...object, metadata: { ...object.metadata, name, ...(namespace !== undefined && { namespace }) } };
}

function decode({ kind, request }: WriteRequest, value: Json) {
  return decodeObject(kind, value, parseFieldValidation(request.query.get('fieldValidation')));
}

/** The manager a write is credited to: the parameter, or the first word of the User-Agent. */
function managerOf({ kind, request, userAgent, contentType }: WriteRequest): ManagerId {
  const manager = request.query.get('fieldManager') || userAgent.split('/')[0] || 'unknown';
  const operation = contentType.startsWith(APPLY_TYPE) ? 'Apply' : 'Update';
  return { manager, operation, apiVersion: apiVersionOf(kind), subresource: request.subresource };
}

/** Something else was written between reading and writing. */
class LostRace extends ApiError {
  constructor(kind: Kind, name: string) {
    const { code, reason, message, extra } = conflict(kind, name);
    super(code, reason, message, extra);
  }
}

async function commit(deps: WriteDeps, write: WriteRequest, live: KubeObject | null, draft: Draft): Promise<Outcome> {
  const { storage } = deps;
  const { kind, request } = write;
  const { name, namespace = '' } = draft.object.metadata;
  if (live === null) checkPlace(storage, kind, name, namespace);
  const next = prepareDraft(deps, write, live, draft);
  const warnings = [...draft.warnings, ...(kind.warnings?.(next) ?? [])];
  if (live !== null && isSameObject(live, next)) return { object: live, isNew: false, warnings };
  const dryRun = request.query.get('dryRun') === 'All';
  const operation = live === null ? 'CREATE' : 'UPDATE';
  const question = {
    operation,
    kind,
    request: { ...request, name },
    user: write.user,
    object: next,
    oldObject: live,
    dryRun,
  } as const;
  const more = await deps.admit(question);
  const key = keyOf(kind, namespace, name);
  const now = storage.get(resourceName(kind), key);
  if (live === null && now !== undefined) throw alreadyExists(kind, name);
  if (live !== null && now !== live) throw new LostRace(kind, name);
  const object = dryRun ? next : store(storage, kind, key, next);
  return { object, isNew: live === null, warnings: [...warnings, ...more] };
}

/** An object that waits for its deletion goes when its last finalizer does. */
function store(storage: Storage, kind: Kind, key: string, next: KubeObject): KubeObject {
  const isLeaving = next.metadata.deletionTimestamp !== undefined && (next.metadata.finalizers ?? []).length === 0;
  if (isLeaving) return storage.delete(resourceName(kind), key) ?? next;
  return storage.put(resourceName(kind), key, next);
}

function prepareDraft(deps: WriteDeps, write: WriteRequest, live: KubeObject | null, draft: Draft): KubeObject {
  const { kind, request } = write;
  const nowMs = deps.nowMs();
  const shownLive = live === null ? null : shown(kind, live);
  const subresource = request.subresource;
  const prepared = prepareObject({ storage: deps.storage, kind, live: shownLive, subresource, nowMs }, draft.object);
  const base = withGivenOwnership(prepared, draft.object);
  const owners = draft.owners ?? recordUpdate(kind.schema, shownLive, base, managerOf(write));
  const owned = withOwnership(base, owners, timestamp(nowMs));
  const revised =
    live === null
      ? owned
      : { ...owned, metadata: { ...owned.metadata, resourceVersion: live.metadata.resourceVersion ?? '' } };
  return kind.sharedWith === undefined ? revised : kind.sharedWith.toStored(revised);
}

/** A client may rewrite managedFields, as kubectl does when it moves to server-side apply; `[{}]` gives everything up. */
function withGivenOwnership(prepared: KubeObject, sent: KubeObject): KubeObject {
  const given = sent.metadata.managedFields;
  if (!Array.isArray(given) || given.length === 0) return prepared;
  const managedFields = given.filter((entry: ManagedFieldsEntry) => isJsonObject(entry.fieldsV1));
  return { ...prepared, metadata: { ...prepared.metadata, managedFields } };
}

function checkPlace(storage: Storage, kind: Kind, name: string, namespace: string): void {
  if (kind.namespaced && storage.get('namespaces', namespace) === undefined) {
    throw notFound({ group: '', plural: 'namespaces', kind: 'Namespace' }, namespace);
  }
  if (storage.get(resourceName(kind), keyOf(kind, namespace, name)) !== undefined) throw alreadyExists(kind, name);
}

function answer({ kind, request }: WriteRequest, { object, isNew, warnings }: Outcome): Answer {
  const body = request.subresource === 'scale' ? scaleOf(object) : shown(kind, object);
  return { code: isNew ? 201 : 200, body, warnings };
}
