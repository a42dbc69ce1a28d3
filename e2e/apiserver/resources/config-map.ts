// core/v1 ConfigMap.

import { type FieldError, fieldError } from '../api-error.ts';
import { equalJson, type KubeObject } from '../objects.ts';
import { boolean, bytes, mapOf, objectSchema, string } from '../schema.ts';
import type { Kind } from './kind.ts';

function sizeOf(object: KubeObject, member: 'data' | 'binaryData'): number {
  return Object.values((object[member] ?? {}) as Record<string, string>).reduce((sum, text) => sum + text.length, 0);
}

function validate(object: KubeObject): FieldError[] {
  const maxBytes = 1024 * 1024;
  return sizeOf(object, 'data') + sizeOf(object, 'binaryData') > maxBytes ? [fieldError.tooLong('', maxBytes)] : [];
}

function validateUpdate(next: KubeObject, previous: KubeObject): FieldError[] {
  if (previous['immutable'] !== true || equalJson(next['data'], previous['data'])) return [];
  return [fieldError.forbidden('data', 'field is immutable when `immutable` is set')];
}

export const configMap: Kind = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  shortNames: ['cm'],
  namespaced: true,
  schema: objectSchema({ data: mapOf(string), binaryData: mapOf(bytes), immutable: boolean }),
  validate,
  validateUpdate,
  columns: [
    {
      name: 'Data',
      type: 'integer',
      cell: (object) =>
        Object.keys((object['data'] ?? {}) as object).length +
        Object.keys((object['binaryData'] ?? {}) as object).length,
    },
  ],
};
