// core/v1 Secret. The type decides which keys must be there; what they hold is not looked at: a TLS Secret may hold
// rubbish or empty values.

import { type FieldError, fieldError } from '../api-error.ts';
import { isJsonObject, type KubeObject, textAt, valueAt } from '../objects.ts';
import { boolean, bytes, mapOf, objectSchema, string } from '../schema.ts';
import type { Kind } from './kind.ts';

const MAX_DATA_BYTES = 1024 * 1024;

const REQUIRED_KEYS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
};

/** stringData is written over data, base64-encoded, and never returned. */
function applyDefaults(object: KubeObject): KubeObject {
  const { stringData, ...rest } = object;
  const type = textAt(object, 'type') || 'Opaque';
  if (!isJsonObject(stringData)) return { ...rest, type } as KubeObject;
  const encoded = Object.entries(stringData).map(([key, text]) => [key, Buffer.from(String(text)).toString('base64')]);
  const data = { ...(object['data'] as object | undefined), ...Object.fromEntries(encoded) };
  return { ...rest, data, type } as KubeObject;
}

function checkKeys(data: object): FieldError[] {
  return Object.keys(data).flatMap((key) =>
    /^[-._a-zA-Z0-9]{1,253}$/.test(key)
      ? []
      : [
          fieldError.invalid(
            `data[${key}]`,
            key,
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
          ),
        ],
  );
}

function validate(object: KubeObject): FieldError[] {
  const data = (object['data'] ?? {}) as Readonly<Record<string, string>>;
  const size = Object.values(data).reduce((sum, text) => sum + (text.length * 3) / 4, 0);
  const missing = (REQUIRED_KEYS[textAt(object, 'type')] ?? []).filter((key) => data[key] === undefined);
  return [
    ...checkKeys(data),
    ...(size > MAX_DATA_BYTES ? [fieldError.tooLong('data', MAX_DATA_BYTES)] : []),
    ...missing.map((key) => fieldError.required(`data[${key}]`)),
  ];
}

function validateUpdate(next: KubeObject, previous: KubeObject): FieldError[] {
  const isFrozen = previous['immutable'] === true;
  const isChanged = JSON.stringify(next['data']) !== JSON.stringify(previous['data']);
  return [
    ...(next['type'] === previous['type'] ? [] : [fieldError.invalid('type', next['type'], 'field is immutable')]),
    ...(isFrozen && isChanged ? [fieldError.forbidden('data', 'field is immutable when `immutable` is set')] : []),
  ];
}

export const secret: Kind = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
  schema: objectSchema({ data: mapOf(bytes), stringData: mapOf(string), type: string, immutable: boolean }),
  applyDefaults,
  validate,
  validateUpdate,
  selectableFields: (object) => ({ type: textAt(object, 'type') }),
  columns: [
    { name: 'Type', cell: (object) => textAt(object, 'type') },
    { name: 'Data', type: 'integer', cell: (object) => Object.keys((valueAt(object, 'data') ?? {}) as object).length },
  ],
};
