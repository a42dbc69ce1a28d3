// From what a client sent to what is stored: identity, defaults, the split between spec and status, generation, and all
// checks. The same steps for every verb, in the order of a real server (registry/generic/rest).

import { randomUUID } from 'node:crypto';
import { badRequest, conflict, fieldError, invalid } from './api-error.ts';
import { equalJson, type KubeObject, listAt, type ObjectMeta, textAt } from './objects.ts';
import { checkSubdomain } from './resources/field-checks.ts';
import { CLASS_ANNOTATION, checkClassAnnotation } from './resources/ingress.ts';
import { DEFAULT_CLASS_ANNOTATION } from './resources/ingress-class.ts';
import type { Kind } from './resources/kind.ts';
import { COMPACTED, type Storage } from './storage.ts';

export interface Preparation {
  readonly storage: Storage;
  readonly kind: Kind;
  /** null on create. */
  readonly live: KubeObject | null;
  /** '' on the main resource. */
  readonly subresource: string;
  readonly nowMs: number;
}

/** Whole seconds, as in every Kubernetes timestamp that is not a MicroTime. */
export function timestamp(nowMs: number): string {
  return new Date(Math.floor(nowMs / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

/** Makes the object that would be stored, without ownership and revision. Throws 409 and 422 for what may not be. */
export function prepareObject(preparation: Preparation, sent: KubeObject): KubeObject {
  const { kind, live, subresource, storage } = preparation;
  const owned = subresource === 'status' && live !== null ? statusOnly(live, sent) : withoutStatus(kind, live, sent);
  const carried = live !== null && kind.carryOver !== undefined ? kind.carryOver(owned, live) : owned;
  const identified = { ...carried, metadata: identify(preparation, sent.metadata) };
  const filled = kind.applyDefaults?.(identified) ?? identified;
  const admitted = live === null && kind.kind === 'Ingress' ? withDefaultClass(storage, filled) : filled;
  const counted = withGeneration(kind, live, admitted);
  validateObject(kind, live, counted);
  return counted;
}

/** On /status everything but status and metadata stays as it is. */
function statusOnly(live: KubeObject, sent: KubeObject): KubeObject {
  const { status: _status, ...rest } = live;
  return { ...rest, ...(sent['status'] !== undefined && { status: sent['status'] }) } as KubeObject;
}

/** Elsewhere a status that was sent is dropped without a word, where the kind has the subresource. */
function withoutStatus(kind: Kind, live: KubeObject | null, sent: KubeObject): KubeObject {
  if (kind.hasStatus !== true) return sent;
  const { status: _status, ...rest } = sent;
  return { ...rest, ...(live?.['status'] !== undefined && { status: live['status'] }) } as KubeObject;
}

function identify({ kind, live, nowMs }: Preparation, sent: ObjectMeta): ObjectMeta {
  const {
    managedFields: _managed,
    resourceVersion: _revision,
    selfLink: _link,
    ...given
  } = sent as ObjectMeta & { selfLink?: string };
  const { deletionTimestamp: _deleted, generation: _generation, ...rest } = given;
  const { uid = randomUUID(), creationTimestamp = timestamp(nowMs), deletionTimestamp } = live?.metadata ?? {};
  return {
    ...rest,
    uid,
    creationTimestamp,
    ...(kind.hasGeneration === true && { generation: live?.metadata.generation ?? 1 }),
    ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    ...(live?.metadata.managedFields !== undefined && { managedFields: live.metadata.managedFields }),
  };
}

function withGeneration(kind: Kind, live: KubeObject | null, next: KubeObject): KubeObject {
  if (kind.hasGeneration !== true || live === null) return next;
  const isSameSpec = equalJson(specOf(next), specOf(live));
  const generation = (live.metadata.generation ?? 0) + (isSameSpec ? 0 : 1);
  return { ...next, metadata: { ...next.metadata, generation } };
}

/** Everything that is desired state: kinds without a spec member have it at the top. */
function specOf({ metadata: _metadata, status: _status, ...rest }: KubeObject): object {
  return rest;
}

/** The DefaultIngressClass admission plugin: the newest default class, and only where no class is named in any way. */
function withDefaultClass(storage: Storage, object: KubeObject): KubeObject {
  const isNamed =
    textAt(object, 'spec', 'ingressClassName') !== '' || object.metadata.annotations?.[CLASS_ANNOTATION] !== undefined;
  if (isNamed) return object;
  const classes = storage.list('ingressclasses.networking.k8s.io');
  if (classes === COMPACTED) return object;
  const [chosen] = classes
    .map(([, one]) => one.metadata)
    .filter(({ annotations }) => annotations?.[DEFAULT_CLASS_ANNOTATION] === 'true')
    .sort((a, b) => compareText(b.creationTimestamp, a.creationTimestamp) || compareText(a.name, b.name));
  if (chosen === undefined) return object;
  return { ...object, spec: { ...(object['spec'] as object), ingressClassName: chosen.name } };
}

function compareText(a = '', b = ''): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function validateObject(kind: Kind, live: KubeObject | null, object: KubeObject): void {
  const errors = [
    ...(live === null ? checkName(kind, object.metadata) : []),
    ...checkLabels(object.metadata),
    ...(kind.validate?.(object) ?? []),
    ...(live === null && kind.kind === 'Ingress' ? checkClassAnnotation(object) : []),
    ...(live === null ? [] : (kind.validateUpdate?.(object, live) ?? [])),
    ...checkOwners(object),
  ];
  if (errors.length > 0) throw invalid(kind, object.metadata.name, errors);
}

function checkName(kind: Kind, { name }: ObjectMeta) {
  if (!name) return [fieldError.required('metadata.name', 'name or generateName is required')];
  const wrong = (kind.checkName ?? checkSubdomain)(name);
  return wrong === null ? [] : [fieldError.invalid('metadata.name', name, wrong)];
}

const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

function checkLabels({ labels = {} }: ObjectMeta) {
  return Object.values(labels)
    .filter((value) => value.length > 63 || !LABEL_VALUE.test(value))
    .map((value) =>
      fieldError.invalid(
        'metadata.labels',
        value,
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      ),
    );
}

function checkOwners(object: KubeObject) {
  return listAt(object.metadata, 'ownerReferences').flatMap((owner, index) =>
    textAt(owner, 'uid') === ''
      ? [fieldError.required(`metadata.ownerReferences[${index}].uid`, 'uid must not be empty')]
      : [],
  );
}

/** Refuses a write whose name, namespace, uid or revision contradict the URL or the stored object. */
export function checkIdentity(
  kind: Kind,
  live: KubeObject,
  sent: ObjectMeta,
  url: { readonly namespace: string; readonly name: string },
): void {
  if (sent.name !== undefined && sent.name !== url.name) {
    throw badRequest(`the name of the object (${sent.name}) does not match the name on the URL (${url.name})`);
  }
  checkNamespace(kind, sent, url.namespace);
  if (sent.uid !== undefined && sent.uid !== '' && sent.uid !== live.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${sent.uid}, UID in object meta: ${live.metadata.uid}`;
    throw conflict(kind, url.name, why);
  }
  const { resourceVersion = '' } = sent;
  if (resourceVersion !== '' && resourceVersion !== live.metadata.resourceVersion) throw conflict(kind, url.name);
}

export function checkNamespace(kind: Kind, sent: ObjectMeta, namespace: string): void {
  if (!kind.namespaced || sent.namespace === undefined || sent.namespace === namespace) return;
  throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
}
