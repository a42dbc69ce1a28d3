// Shapes of the API types as data. One schema serves four readers: decoding (types, unknown fields, time formats),
// server-side apply (which lists merge by key), strategic merge patch (merge keys) and field ownership.

import { isJsonObject, type Json, type JsonObject } from './objects.ts';

export type ScalarType =
  | 'string'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'intOrString'
  /** RFC 3339, stored in whole seconds. */
  | 'time'
  /** RFC 3339 with exactly six fractional digits. */
  | 'microTime'
  /** base64. */
  | 'bytes';

/** How two lists combine in server-side apply (`x-kubernetes-list-type`). */
export type ListType =
  | { readonly kind: 'atomic' }
  | { readonly kind: 'set' }
  | { readonly kind: 'map'; readonly keys: readonly string[] };

export type Schema =
  | { readonly kind: 'scalar'; readonly type: ScalarType }
  /** Kept as it comes, never looked into, owned whole. */
  | { readonly kind: 'any' }
  | { readonly kind: 'map'; readonly values: Schema; readonly atomic: boolean }
  | StructSchema
  | {
      readonly kind: 'list';
      readonly items: Schema;
      readonly type: ListType;
      /** Merge key of strategic merge patch; null replaces the list, '' merges a list of scalars. */
      readonly patchKey: string | null;
    };

export interface StructSchema {
  readonly kind: 'struct';
  readonly fields: Readonly<Record<string, Schema>>;
  /** Fields not named are kept instead of reported: the type has more of them than anything here looks at. */
  readonly open: boolean;
  readonly atomic: boolean;
}

const scalar = (type: ScalarType): Schema => ({ kind: 'scalar', type });

export const string = scalar('string');
export const integer = scalar('integer');
export const boolean = scalar('boolean');
export const intOrString = scalar('intOrString');
export const time = scalar('time');
export const microTime = scalar('microTime');
export const bytes = scalar('bytes');
export const any: Schema = { kind: 'any' };

export function mapOf(values: Schema, { atomic = false } = {}): Schema {
  return { kind: 'map', values, atomic };
}

export function struct(
  fields: Readonly<Record<string, Schema>>,
  { open = false, atomic = false }: { readonly open?: boolean; readonly atomic?: boolean } = {},
): StructSchema {
  return { kind: 'struct', fields, open, atomic };
}

/** A list that is always replaced as a whole. */
export function atomicList(items: Schema): Schema {
  return { kind: 'list', items, type: { kind: 'atomic' }, patchKey: null };
}

export function setOf(items: Schema): Schema {
  return { kind: 'list', items, type: { kind: 'set' }, patchKey: '' };
}

/** A list whose items are found again by `keys`; strategic merge patch knows only one of them, by default the first. */
export function listByKey(items: Schema, keys: readonly string[], patchKey = keys[0] ?? ''): Schema {
  return { kind: 'list', items, type: { kind: 'map', keys }, patchKey };
}

const ownerReference = struct(
  {
    apiVersion: string,
    kind: string,
    name: string,
    uid: string,
    controller: boolean,
    blockOwnerDeletion: boolean,
  },
  { atomic: true },
);

export const objectMeta = struct({
  name: string,
  generateName: string,
  namespace: string,
  selfLink: string,
  uid: string,
  resourceVersion: string,
  generation: integer,
  creationTimestamp: time,
  deletionTimestamp: time,
  deletionGracePeriodSeconds: integer,
  labels: mapOf(string),
  annotations: mapOf(string),
  ownerReferences: listByKey(ownerReference, ['uid']),
  finalizers: setOf(string),
  managedFields: any,
});

/** meta.k8s.io LabelSelector. */
export const labelSelector = struct(
  {
    matchLabels: mapOf(string),
    matchExpressions: atomicList(struct({ key: string, operator: string, values: atomicList(string) })),
  },
  { atomic: true },
);

/** metav1 Condition and its like, kept by type. */
export const conditions = listByKey(struct({ type: string, status: string }, { open: true }), ['type']);

/** The schema of a whole object: its own fields and those every object has. */
export function objectSchema(fields: Readonly<Record<string, Schema>>): StructSchema {
  return struct({ apiVersion: string, kind: string, metadata: objectMeta, ...fields });
}

/** A value as the server keeps it, and what was wrong with it. */
export interface Decoded {
  readonly value: Json | undefined;
  /** Paths of fields the type does not have; they were dropped. */
  readonly unknown: readonly string[];
  /** Why the body is not of this type at all; the text follows `cannot be handled as a <Kind>: `. */
  readonly failure: string | null;
}

/** Reads a JSON value by its schema: unknown fields and nulls are dropped, times are normalised. */
export function decodeBySchema(schema: Schema, value: unknown): Decoded {
  const decoder = new Decoder();
  const decoded = decoder.decode(schema, value, '');
  return { value: decoded, unknown: decoder.unknown, failure: decoder.failure };
}

const GO_TYPES: Readonly<Record<ScalarType, string>> = {
  string: 'string',
  integer: 'int32',
  number: 'float64',
  boolean: 'bool',
  intOrString: 'intstr.IntOrString',
  time: 'v1.Time',
  microTime: 'v1.MicroTime',
  bytes: '[]uint8',
};

class Decoder {
  readonly unknown: string[] = [];
  failure: string | null = null;

  decode(schema: Schema, value: unknown, path: string): Json | undefined {
    if (value === null || value === undefined) return undefined;
    switch (schema.kind) {
      case 'any':
        return value as Json;
      case 'scalar':
        return this.#scalar(schema.type, value, path);
      case 'map':
        return this.#map(schema.values, value, path);
      case 'struct':
        return this.#struct(schema, value, path);
      case 'list':
        return this.#list(schema.items, value, path);
    }
  }

  #mismatch(value: unknown, type: string, path: string): undefined {
    const found = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
    const field = path === '' ? 'value' : `field ${path}`;
    this.failure ??= `json: cannot unmarshal ${found} into Go struct ${field} of type ${type}`;
    return undefined;
  }

  #map(values: Schema, value: unknown, path: string): JsonObject | undefined {
    if (!isJsonObject(value)) return this.#mismatch(value, 'map[string]string', path);
    const result: Record<string, Json> = {};
    for (const [key, member] of Object.entries(value)) {
      // A null in a map of texts is an empty text to Go, not an absent one.
      result[key] = this.decode(values, member ?? '', `${path}.${key}`) ?? '';
    }
    return result;
  }

  #struct(schema: StructSchema, value: unknown, path: string): JsonObject | undefined {
    if (!isJsonObject(value)) return this.#mismatch(value, 'struct', path);
    const result: Record<string, Json> = {};
    for (const [key, member] of Object.entries(value)) {
      const at = path === '' ? key : `${path}.${key}`;
      const field = Object.hasOwn(schema.fields, key) ? schema.fields[key] : undefined;
      if (field === undefined && !schema.open) {
        this.unknown.push(at);
        continue;
      }
      const decoded = field === undefined ? member : this.decode(field, member, at);
      if (decoded !== undefined && decoded !== null && !isOmitted(field, decoded)) result[key] = decoded;
    }
    return result;
  }

  #list(items: Schema, value: unknown, path: string): readonly Json[] | undefined {
    if (!Array.isArray(value)) return this.#mismatch(value, '[]struct', path);
    return value.map((item, index) => this.decode(items, item, `${path}[${index}]`) ?? emptyOf(items));
  }

  #scalar(type: ScalarType, value: unknown, path: string): Json | undefined {
    switch (type) {
      case 'string':
        return typeof value === 'string' ? value : this.#mismatch(value, GO_TYPES[type], path);
      case 'boolean':
        return typeof value === 'boolean' ? value : this.#mismatch(value, GO_TYPES[type], path);
      case 'number':
        return typeof value === 'number' ? value : this.#mismatch(value, GO_TYPES[type], path);
      case 'integer':
        return Number.isInteger(value) ? (value as number) : this.#mismatch(value, GO_TYPES[type], path);
      case 'intOrString':
        if (typeof value === 'string' || Number.isInteger(value)) return value as Json;
        return this.#mismatch(value, GO_TYPES[type], path);
      case 'bytes':
        return this.#bytes(value, path);
      case 'time':
      case 'microTime':
        return this.#time(type, value, path);
    }
  }

  #bytes(value: unknown, path: string): string | undefined {
    if (typeof value !== 'string') return this.#mismatch(value, GO_TYPES.bytes, path);
    const text = value.replaceAll(/[\r\n]/g, '');
    const bad = /[^A-Za-z0-9+/]/.exec(text.replace(/={1,2}$/, ''));
    if (bad !== null || text.length % 4 !== 0) {
      this.failure ??= `illegal base64 data at input byte ${bad?.index ?? text.length}`;
      return undefined;
    }
    return text;
  }

  #time(type: 'time' | 'microTime', value: unknown, path: string): string | undefined {
    if (typeof value !== 'string') return this.#mismatch(value, GO_TYPES[type], path);
    const read = type === 'time' ? readTime(value) : readMicroTime(value);
    if ('failure' in read) {
      this.failure ??= read.failure;
      return undefined;
    }
    return read.text;
  }
}

/** Go's omitempty: an empty list or map is written as if it were not there. */
function isOmitted(schema: Schema | undefined, value: Json): boolean {
  if (schema?.kind === 'list') return (value as readonly Json[]).length === 0;
  return schema?.kind === 'map' && Object.keys(value as JsonObject).length === 0;
}

function emptyOf(schema: Schema): Json {
  switch (schema.kind) {
    case 'struct':
    case 'map':
      return {};
    case 'list':
      return [];
    case 'any':
      return null;
    case 'scalar':
      return schema.type === 'integer' || schema.type === 'number' ? 0 : schema.type === 'boolean' ? false : '';
  }
}

type TimeRead = { readonly text: string } | { readonly failure: string };

const MICRO_LAYOUT = '2006-01-02T15:04:05.000000Z07:00';
const TIME_LAYOUT = '2006-01-02T15:04:05Z07:00';

function readTime(text: string): TimeRead {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const atMs = match === null ? Number.NaN : Date.parse(`${match[1]}${match[2]}`);
  if (Number.isNaN(atMs)) {
    return { failure: `parsing time ${JSON.stringify(text)} as "${TIME_LAYOUT}": cannot parse "${text}" as "2006"` };
  }
  return { text: new Date(atMs).toISOString().replace('.000Z', 'Z') };
}

/** Go's reference layout fixes the number of fractional digits: `Date.toISOString()` is refused. */
function readMicroTime(text: string): TimeRead {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(.*)$/.exec(text);
  const [, seconds = '', rest = text] = match ?? [];
  const exact = /^(\.\d{6})(Z|[+-]\d\d:\d\d)$/.exec(rest);
  const atMs = exact === null ? Number.NaN : Date.parse(`${seconds}${exact[2]}`);
  if (exact === null || Number.isNaN(atMs)) {
    const expectedPart = match === null ? '2006' : '.000000';
    const what = `cannot parse ${JSON.stringify(rest)} as "${expectedPart}"`;
    return { failure: `parsing time ${JSON.stringify(text)} as "${MICRO_LAYOUT}": ${what}` };
  }
  return { text: new Date(atMs).toISOString().replace('.000Z', `${exact[1]}Z`) };
}
