// Who owns which field (metadata.managedFields): kept up by every write, asked by server-side apply.

import type { JsonObject, KubeObject, ManagedFieldsEntry } from '../objects.ts';
import { equalJson, type Json } from '../objects.ts';
import type { Schema } from '../schema.ts';
import { collectFields, decodeFields, encodeFields, type FieldPath, isBelow } from './field-paths.ts';

/** One manager as ownership tells them apart: name, operation, subresource and version together. */
export interface ManagerId {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  /** '' on the main resource. */
  readonly subresource: string;
}

export interface Ownership extends ManagerId {
  readonly fields: ReadonlySet<FieldPath>;
  /** When the manager's set last changed; '' for one that is new. */
  readonly time: string;
}

export function readOwnership(object: KubeObject | null): readonly Ownership[] {
  return (object?.metadata.managedFields ?? []).map((entry) => ({
    manager: entry.manager,
    operation: entry.operation,
    apiVersion: entry.apiVersion,
    subresource: entry.subresource ?? '',
    fields: new Set(decodeFields(entry.fieldsV1)),
    time: entry.time ?? '',
  }));
}

export function isSameManager(a: ManagerId, b: ManagerId): boolean {
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    a.subresource === b.subresource &&
    a.apiVersion === b.apiVersion
  );
}

/** Writes ownership back; entries without fields go, unchanged ones keep their time. */
export function withOwnership(object: KubeObject, owners: readonly Ownership[], now: string): KubeObject {
  const before = readOwnership(object);
  const entries = owners
    .filter(({ fields }) => fields.size > 0)
    .map((owner): ManagedFieldsEntry => {
      const old = before.find((other) => isSameManager(other, owner));
      const isUnchanged = old !== undefined && isSameSet(old.fields, owner.fields);
      return {
        manager: owner.manager,
        operation: owner.operation,
        apiVersion: owner.apiVersion,
        time: isUnchanged ? old.time : now,
        fieldsType: 'FieldsV1',
        fieldsV1: encodeFields(owner.fields),
        ...(owner.subresource !== '' && { subresource: owner.subresource }),
      };
    })
    .sort((a, b) => (a.operation === b.operation ? 0 : a.operation === 'Apply' ? -1 : 1));
  const { managedFields: _old, ...metadata } = object.metadata;
  return { ...object, metadata: { ...metadata, ...(entries.length > 0 && { managedFields: entries }) } };
}

/**
 * Credits `manager` with every field that a write changed and takes it from all others; removed fields belong to nobody.
 * `next` carries the ownership before the write.
 */
export function recordUpdate(
  schema: Schema,
  previous: KubeObject | null,
  next: KubeObject,
  manager: ManagerId,
): readonly Ownership[] {
  const before = previous === null ? new Map<FieldPath, Json>() : collectFields(schema, asJson(previous), true);
  const after = collectFields(schema, asJson(next), true);
  const isWritable = (path: FieldPath) =>
    isBelow(path, 'status') === (manager.subresource === 'status') || isBelow(path, 'metadata');
  const changed = new Set<FieldPath>();
  for (const [path, value] of after) {
    if (isWritable(path) && !(before.has(path) && equalJson(before.get(path), value))) changed.add(path);
  }
  const owners = readOwnership(next).map((owner) => ({
    ...owner,
    fields: new Set([...owner.fields].filter((path) => after.has(path) && !changed.has(path))),
  }));
  if (changed.size === 0) return owners;
  const own = owners.find((owner) => isSameManager(owner, manager));
  const fields = new Set([...(own?.fields ?? []), ...changed]);
  return [...owners.filter((owner) => owner !== own), { ...manager, time: '', fields }];
}

/** Whether two objects say the same: time stamps of ownership and the revision do not count. */
export function isSameObject(a: KubeObject, b: KubeObject): boolean {
  return equalJson(withoutBookkeeping(a), withoutBookkeeping(b));
}

function withoutBookkeeping(object: KubeObject): KubeObject {
  const { resourceVersion: _revision, managedFields = [], ...metadata } = object.metadata;
  return {
    ...object,
    metadata: { ...metadata, managedFields: managedFields.map(({ time: _time, ...entry }) => entry) as never },
  };
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}

export function asJson(object: KubeObject): JsonObject {
  return object as unknown as JsonObject;
}
