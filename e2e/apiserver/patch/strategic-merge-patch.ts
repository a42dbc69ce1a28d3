// Strategic merge patch: a merge patch whose lists merge by the keys of the schema (apimachinery pkg/util/strategicpatch).
// kubectl sends it for apply, edit, label and scale of built-in kinds.

import { isJsonObject, type Json, type JsonObject } from '../objects.ts';
import type { Schema } from '../schema.ts';

const ORDER = '$setElementOrder/';
const DELETE_SCALARS = '$deleteFromPrimitiveList/';

/** Applies the patch; members the schema does not know merge as in a plain merge patch. */
export function applyStrategicMergePatch(schema: Schema, target: Json | undefined, patch: Json): Json {
  if (isJsonObject(patch)) return mergeObject(schema, isJsonObject(target) ? target : {}, patch);
  if (Array.isArray(patch) && schema.kind === 'list') {
    return mergeList(schema, Array.isArray(target) ? target : [], patch, []);
  }
  return patch;
}

function memberSchema(schema: Schema, key: string): Schema {
  if (schema.kind === 'map') return schema.values;
  const field = schema.kind === 'struct' && Object.hasOwn(schema.fields, key) ? schema.fields[key] : undefined;
  return field ?? { kind: 'any' };
}

function mergeObject(schema: Schema, target: JsonObject, patch: JsonObject): JsonObject {
  const directive = patch['$patch'];
  if (directive === 'delete') return {};
  const kept = directive === 'replace' ? {} : retained(target, patch['$retainKeys']);
  const result: Record<string, Json> = { ...kept };
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(DELETE_SCALARS)) {
      const member = key.slice(DELETE_SCALARS.length);
      const current = result[member];
      if (Array.isArray(current)) result[member] = current.filter((item) => !(value as readonly Json[]).includes(item));
    } else if (!key.startsWith('$')) {
      setMember(schema, result, key, value, patch);
    }
  }
  return result;
}

function setMember(schema: Schema, result: Record<string, Json>, key: string, value: Json, patch: JsonObject): void {
  const member = memberSchema(schema, key);
  if (value === null) {
    delete result[key];
  } else if (Array.isArray(value) && member.kind === 'list') {
    const current = result[key];
    const order = patch[ORDER + key];
    result[key] = mergeList(member, Array.isArray(current) ? current : [], value, Array.isArray(order) ? order : []);
  } else {
    result[key] = applyStrategicMergePatch(member, result[key], value);
  }
}

/** `$retainKeys` lists what may stay of the target, for unions such as a Deployment's strategy. */
function retained(target: JsonObject, keys: Json | undefined): JsonObject {
  if (!Array.isArray(keys)) return target;
  return Object.fromEntries(Object.entries(target).filter(([key]) => keys.includes(key)));
}

type ListSchema = Extract<Schema, { kind: 'list' }>;

function mergeList(schema: ListSchema, target: readonly Json[], patch: readonly Json[], order: readonly Json[]): Json {
  const { patchKey } = schema;
  if (patchKey === null) return patch;
  if (patchKey === '') return [...new Set([...target, ...patch])];
  if (patch.some((item) => isJsonObject(item) && item['$patch'] === 'replace')) {
    return patch.filter((item) => !isJsonObject(item) || item['$patch'] === undefined);
  }
  let merged = target;
  for (const item of patch) merged = mergeItem(schema, patchKey, merged, item as JsonObject);
  return ordered(merged, order, patchKey);
}

function mergeItem(schema: ListSchema, patchKey: string, items: readonly Json[], patch: JsonObject): readonly Json[] {
  const index = items.findIndex((item) => isJsonObject(item) && item[patchKey] === patch[patchKey]);
  if (patch['$patch'] === 'delete') return index < 0 ? items : items.toSpliced(index, 1);
  const merged = applyStrategicMergePatch(schema.items, items[index], patch);
  return index < 0 ? [...items, merged] : items.with(index, merged);
}

/** Puts the items the client listed in its order; those it does not know stay behind them. */
function ordered(items: readonly Json[], order: readonly Json[], patchKey: string): readonly Json[] {
  if (order.length === 0) return items;
  const positions = new Map(order.map((item, index) => [isJsonObject(item) ? item[patchKey] : item, index]));
  const positionOf = (item: Json) => positions.get(isJsonObject(item) ? item[patchKey] : item) ?? order.length;
  return items.toSorted((a, b) => positionOf(a) - positionOf(b));
}
