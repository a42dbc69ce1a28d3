// Server-side apply: a manager says what it wants of an object, conflicts with other owners are refused or forced, and
// what it no longer wants goes.

import { ApiError } from '../api-error.ts';
import { equalJson, isJsonObject, type Json, type JsonObject, type KubeObject } from '../objects.ts';
import type { Schema } from '../schema.ts';
import { collectFields, type FieldPath, holdsAny, itemElement, removeFields, showPath } from './field-paths.ts';
import { asJson, isSameManager, type ManagerId, type Ownership, readOwnership } from './managed-fields.ts';

export interface Apply {
  readonly schema: Schema;
  /** null creates the object. */
  readonly live: KubeObject | null;
  /** What the manager sent: only the fields it has an opinion on, without defaults. */
  readonly applied: KubeObject;
  readonly manager: ManagerId;
  readonly force: boolean;
}

export interface Applied {
  readonly object: KubeObject;
  readonly owners: readonly Ownership[];
}

/** Merges what was applied into the live object. Throws the 409 with all conflicts unless forced. */
export function applyServerSide({ schema, live, applied, manager, force }: Apply): Applied {
  const wanted = collectFields(schema, asJson(applied), false);
  const wantedPaths = new Set(wanted.keys());
  const owners = readOwnership(live);
  const own = owners.find((owner) => isSameManager(owner, manager));
  const others = owners.filter((owner) => owner !== own);
  const current = live === null ? new Map<FieldPath, Json>() : collectFields(schema, asJson(live), true);
  const conflicts = others.flatMap((owner) =>
    [...owner.fields].filter((path) => isConflict(path, wanted, current)).map((path) => ({ owner, path })),
  );
  if (conflicts.length > 0 && !force) throw applyConflict(conflicts);
  const lost = new Set(conflicts.map(({ path }) => path));
  const remaining = others.map((owner) => ({ ...owner, fields: owner.fields.difference(lost) }));
  const merged = merge(schema, live === null ? undefined : asJson(live), asJson(applied));
  const dropped = unwanted(own?.fields ?? new Set(), wantedPaths, remaining);
  const kept = dropped.size === 0 ? merged : removeFields(schema, merged, dropped);
  const object = (kept ?? {}) as unknown as KubeObject;
  return { object, owners: [...remaining, { ...manager, time: '', fields: wantedPaths }] };
}

function isConflict(
  path: FieldPath,
  wanted: ReadonlyMap<FieldPath, Json>,
  current: ReadonlyMap<FieldPath, Json>,
): boolean {
  return wanted.has(path) && current.has(path) && !equalJson(wanted.get(path), current.get(path));
}

/** Fields the manager owned, no longer names, and shares with nobody. */
function unwanted(
  owned: ReadonlySet<FieldPath>,
  wanted: ReadonlySet<FieldPath>,
  others: readonly Ownership[],
): Set<FieldPath> {
  const keepers = [wanted, ...others.map(({ fields }) => fields)];
  return new Set([...owned].filter((path) => !keepers.some((fields) => fields.has(path) || holdsAny(path, fields))));
}

function merge(schema: Schema, live: Json | undefined, applied: Json): Json {
  if (live === undefined || live === null) return applied;
  if (
    (schema.kind === 'map' || schema.kind === 'struct') &&
    !schema.atomic &&
    isJsonObject(live) &&
    isJsonObject(applied)
  ) {
    return mergeMembers(schema, live, applied);
  }
  if (schema.kind === 'list' && schema.type.kind !== 'atomic' && Array.isArray(live) && Array.isArray(applied)) {
    return mergeItems(schema, live, applied);
  }
  return applied;
}

function mergeMembers(schema: Schema, live: JsonObject, applied: JsonObject): JsonObject {
  const result: Record<string, Json> = { ...live };
  for (const [key, value] of Object.entries(applied)) {
    const member = schema.kind === 'map' ? schema.values : schema.kind === 'struct' ? schema.fields[key] : undefined;
    result[key] = merge(member ?? { kind: 'any' }, live[key], value);
  }
  return result;
}

/** Items stay where they are; new ones go behind, in the order they were applied. */
function mergeItems(schema: Extract<Schema, { kind: 'list' }>, live: readonly Json[], applied: readonly Json[]): Json {
  const items = new Map(live.map((item) => [itemElement(schema, item), item]));
  for (const item of applied) {
    const element = itemElement(schema, item);
    items.set(element, merge(schema.items, items.get(element), item));
  }
  return [...items.values()];
}

interface Conflict {
  readonly owner: Ownership;
  readonly path: FieldPath;
}

function showOwner({ manager, subresource, operation, apiVersion }: Ownership): string {
  const where = subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`;
  return `${JSON.stringify(manager)}${where}${operation === 'Update' ? ` using ${apiVersion}` : ''}`;
}

/** The words of apimachinery's NewConflictError: one line for one conflict, grouped by manager for more. */
function applyConflict(conflicts: readonly Conflict[]): ApiError {
  const causes = conflicts.map(({ owner, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${showOwner(owner)}`,
    field: showPath(path),
  }));
  const [first] = causes;
  const groups = Map.groupBy(causes, ({ message }) => message.replace('conflict', 'conflicts'));
  const text =
    causes.length === 1 && first !== undefined
      ? `1 conflict: ${first.message}: ${first.field}`
      : `${causes.length} conflicts: ${[...groups].map(([who, group]) => [`${who}:`, ...group.map(({ field }) => `- ${field}`)].join('\n')).join('\n')}`;
  return new ApiError(409, 'Conflict', `Apply failed with ${text}`, { details: { causes } });
}
