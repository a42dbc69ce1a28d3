// Request bodies: bytes to JSON, JSON to an object of its kind. Unknown fields are warned about or refused as the
// fieldValidation parameter says.

import { parse as parseYaml } from 'yaml';
import { ApiError, badRequest } from './api-error.ts';
import { isJsonObject, type Json, type KubeObject } from './objects.ts';
import { apiVersionOf, type Kind } from './resources/kind.ts';
import { decodeBySchema } from './schema.ts';

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

export interface DecodedObject {
  readonly object: KubeObject;
  readonly warnings: readonly string[];
}

/** Reads a body by its content type. Both 400 and 415 come with the words of a real server. */
export function parseBody(body: Buffer, contentType: string): Json {
  const type = contentType.split(';')[0]?.trim() ?? '';
  if (type === 'application/vnd.kubernetes.protobuf') {
    const message =
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml';
    throw new ApiError(415, 'UnsupportedMediaType', message, { details: {} });
  }
  const text = body.toString('utf8');
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    if (!type.includes('yaml')) throw badRequest(`couldn't get version/kind; json parse error: ${String(cause)}`);
  }
  try {
    return parseYaml(text) as Json;
  } catch (cause) {
    throw badRequest(`error decoding YAML: ${String(cause)}`);
  }
}

export function parseFieldValidation(text: string | null): FieldValidation {
  return text === 'Ignore' || text === 'Strict' ? text : 'Warn';
}

/** Reads a JSON value as an object of the kind. Drops what the kind does not have; throws 400 for what cannot be read. */
export function decodeObject(kind: Kind, value: Json, validation: FieldValidation): DecodedObject {
  if (!isJsonObject(value)) throw badRequest(`the object provided is unrecognized (must be of type ${kind.kind})`);
  const apiVersion = apiVersionOf(kind);
  if (value['apiVersion'] !== undefined && value['apiVersion'] !== apiVersion) {
    throw badRequest(
      `the API version in the data (${String(value['apiVersion'])}) does not match the expected API version (${apiVersion})`,
    );
  }
  if (value['kind'] !== undefined && value['kind'] !== kind.kind) {
    throw badRequest(
      `${String(value['kind'])} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}`,
    );
  }
  const decoded = decodeBySchema(kind.schema, value);
  const cannot = `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}`;
  if (decoded.failure !== null) throw badRequest(`${cannot}: ${decoded.failure}`);
  const unknown = decoded.unknown.map((field) => `unknown field ${JSON.stringify(field)}`);
  if (unknown.length > 0 && validation === 'Strict') {
    throw badRequest(`${cannot}: strict decoding error: ${unknown.join(', ')}`);
  }
  const { apiVersion: _apiVersion, kind: _kind, metadata = {}, ...rest } = decoded.value as unknown as KubeObject;
  return {
    object: { kind: kind.kind, apiVersion, metadata: metadata as KubeObject['metadata'], ...rest },
    warnings: validation === 'Warn' ? unknown : [],
  };
}
