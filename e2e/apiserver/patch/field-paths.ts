// Fields of an object as paths, and their FieldsV1 form in metadata.managedFields (structured-merge-diff).
//
// A path is its elements joined by line breaks, which no element holds: `f:spec`, `k:{"port":80}`, `v:"a"`. Flat text
// makes the set operations of field ownership plain Map and Set operations.

import { isJsonObject, type Json, type JsonObject, valueAt } from '../objects.ts';
import type { Schema } from '../schema.ts';

export type FieldPath = string;

/** Path to value; containers that are owned as such (keyed items, empty maps) have the value null. */
export type FieldValues = ReadonlyMap<FieldPath, Json>;

const SEPARATOR = '\n';

/** Members the server itself sets; nobody owns them. */
const UNOWNED = new Set(
  [
    ['apiVersion'],
    ['kind'],
    ...[
      'name',
      'namespace',
      'uid',
      'resourceVersion',
      'creationTimestamp',
      'generation',
      'selfLink',
      'managedFields',
    ].map((member) => ['metadata', member]),
    ['metadata', 'deletionTimestamp'],
    ['metadata', 'deletionGracePeriodSeconds'],
  ].map((path) => path.map((member) => `f:${member}`).join(SEPARATOR)),
);

function isOwnable(path: FieldPath): boolean {
  return !UNOWNED.has(path);
}

/** Whether a path is `member` of the object or below it. */
export function isBelow(path: FieldPath, member: string): boolean {
  return path === `f:${member}` || path.startsWith(`f:${member}${SEPARATOR}`);
}

/**
 * Lists the fields of an object. With `containers`, maps and keyed lists that hold something are listed as well: an
 * update owns the container it made, an apply only what it names.
 */
export function collectFields(schema: Schema, object: Json, containers: boolean): FieldValues {
  const found = new Map<FieldPath, Json>();
  collect(schema, object, '', { found, containers });
  return found;
}

interface Collecting {
  readonly found: Map<FieldPath, Json>;
  readonly containers: boolean;
}

function collect(schema: Schema, value: Json, path: FieldPath, into: Collecting): void {
  if (value === null) return;
  if ((schema.kind === 'map' || schema.kind === 'struct') && !schema.atomic && isJsonObject(value)) {
    collectMembers(schema, value, path, into);
  } else if (schema.kind === 'list' && schema.type.kind !== 'atomic' && Array.isArray(value)) {
    collectItems(schema, value, path, into);
  } else {
    add(path, value, into);
  }
}

function add(path: FieldPath, value: Json, { found }: Collecting): void {
  if (isOwnable(path)) found.set(path, value);
}

function below(path: FieldPath, element: string): FieldPath {
  return path === '' ? element : path + SEPARATOR + element;
}

function collectMembers(schema: Schema, value: JsonObject, path: FieldPath, into: Collecting): void {
  const entries = Object.entries(value);
  if (path !== '' && (entries.length === 0 || (into.containers && schema.kind === 'map'))) add(path, null, into);
  for (const [key, member] of entries) {
    collect(schemaOfMember(schema, key), member, below(path, `f:${key}`), into);
  }
}

function schemaOfMember(schema: Schema, key: string): Schema {
  if (schema.kind === 'map') return schema.values;
  const field = schema.kind === 'struct' && Object.hasOwn(schema.fields, key) ? schema.fields[key] : undefined;
  return field ?? { kind: 'any' };
}

type ListSchema = Extract<Schema, { kind: 'list' }>;

function collectItems(schema: ListSchema, items: readonly Json[], path: FieldPath, into: Collecting): void {
  if (items.length === 0 || into.containers) add(path, null, into);
  for (const item of items) {
    const at = below(path, itemElement(schema, item));
    if (schema.type.kind === 'set') {
      add(at, item, into);
    } else {
      add(at, null, into);
      collect(schema.items, item, at, into);
    }
  }
}

/** The element an item of a set or keyed list has in a path. */
export function itemElement({ type }: ListSchema, item: Json): string {
  if (type.kind !== 'map') return `v:${JSON.stringify(item)}`;
  const keys = type.keys.toSorted().flatMap((key) => {
    const value = valueAt(item, key) ?? defaultKey(key);
    return value === undefined ? [] : [[key, value]];
  });
  return `k:${JSON.stringify(Object.fromEntries(keys))}`;
}

/** Key fields with a default are left out by clients: a port without protocol is a TCP port. */
function defaultKey(key: string): string | undefined {
  return key === 'protocol' ? 'TCP' : undefined;
}

/** Turns paths into the nested form of `fieldsV1`. */
export function encodeFields(paths: Iterable<FieldPath>): JsonObject {
  const root: Record<string, Json> = {};
  const isContainer = new Set<FieldPath>();
  const all = [...paths].sort();
  for (const path of all) {
    for (let end = path.lastIndexOf(SEPARATOR); end > 0; end = path.lastIndexOf(SEPARATOR, end - 1)) {
      isContainer.add(path.slice(0, end));
    }
  }
  for (const path of all) {
    let node = root;
    for (const element of path.split(SEPARATOR)) {
      const child = node[element] ?? {};
      node[element] = child;
      node = child as Record<string, Json>;
    }
    if (isContainer.has(path)) node['.'] = {};
  }
  return root;
}

/** The reverse of {@link encodeFields}. */
export function decodeFields(fields: JsonObject, path: FieldPath = ''): FieldPath[] {
  const entries = Object.entries(fields);
  if (entries.length === 0) return path === '' ? [] : [path];
  return entries.flatMap(([element, child]) =>
    element === '.' ? [path] : decodeFields(child as JsonObject, below(path, element)),
  );
}

/** Renders a path as messages show it: `.spec.ports[port=80,protocol="TCP"].name`. */
export function showPath(path: FieldPath): string {
  return path
    .split(SEPARATOR)
    .map((element) => {
      const rest = element.slice(2);
      if (element.startsWith('f:')) return `.${rest}`;
      if (element.startsWith('v:')) return `[=${rest}]`;
      const keys = Object.entries(JSON.parse(rest) as Record<string, Json>);
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`;
    })
    .join('');
}

/** Removes fields from an object, with all below them; a container that becomes empty thereby goes as well. */
export function removeFields(
  schema: Schema,
  value: Json,
  paths: ReadonlySet<FieldPath>,
  path: FieldPath = '',
): Json | undefined {
  if (paths.has(path)) return undefined;
  if (schema.kind === 'list' && schema.type.kind !== 'atomic' && Array.isArray(value)) {
    const kept = value.flatMap(
      (item) => removeFields(schema.items, item, paths, below(path, itemElement(schema, item))) ?? [],
    );
    return kept.length === 0 && value.length > 0 ? undefined : kept;
  }
  const hasMembers = (schema.kind === 'map' || schema.kind === 'struct') && !schema.atomic;
  if (!hasMembers || !isJsonObject(value)) return value;
  const entries = Object.entries(value);
  const kept = entries.flatMap(([key, member]) => {
    const left = removeFields(schemaOfMember(schema, key), member, paths, below(path, `f:${key}`));
    return left === undefined ? [] : [[key, left] as const];
  });
  return kept.length === 0 && entries.length > 0 ? undefined : Object.fromEntries(kept);
}

/** Whether any of `others` lies below `path`. */
export function holdsAny(path: FieldPath, others: Iterable<FieldPath>): boolean {
  for (const other of others) if (other.startsWith(path + SEPARATOR)) return true;
  return false;
}
