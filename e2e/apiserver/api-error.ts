// Answers that are not objects: the Status bodies of a real API server, word for word where clients show or parse them.
// Throwing an ApiError anywhere in a handler answers the request with it.

/** One reason inside a Status, as `kubectl` prints them under an object. */
export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** A meta.k8s.io/v1 Status of a failure. */
export interface StatusBody {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: { readonly continue?: string };
  readonly status: 'Failure';
  readonly message: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code: number;
}

interface ApiErrorExtra {
  readonly details?: StatusDetails;
  /** A new token offered with an expired one. */
  readonly continueToken?: string;
}

export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly extra: ApiErrorExtra;

  constructor(code: number, reason: string, message: string, extra: ApiErrorExtra = {}) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.extra = extra;
  }

  get body(): StatusBody {
    const { details, continueToken } = this.extra;
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: continueToken === undefined ? {} : { continue: continueToken },
      status: 'Failure',
      message: this.message,
      ...(this.reason !== '' && { reason: this.reason }),
      ...(details !== undefined && { details }),
      code: this.code,
    };
  }
}

/** The names a message needs: `ingresses.networking.k8s.io "i"` and `Ingress.networking.k8s.io "i"`. */
export interface KindNames {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

export function qualified(name: string, group: string): string {
  return group === '' ? name : `${name}.${group}`;
}

function detailsOf({ group, plural }: KindNames, name: string): StatusDetails {
  return { name, ...(group !== '' && { group }), kind: plural };
}

export function notFound(kind: KindNames, name: string): ApiError {
  const message = `${qualified(kind.plural, kind.group)} "${name}" not found`;
  return new ApiError(404, 'NotFound', message, { details: detailsOf(kind, name) });
}

/** A path that no resource of this server answers. */
export function unknownPath(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', { details: {} });
}

export function alreadyExists(kind: KindNames, name: string): ApiError {
  const message = `${qualified(kind.plural, kind.group)} "${name}" already exists`;
  return new ApiError(409, 'AlreadyExists', message, { details: detailsOf(kind, name) });
}

export function conflict(kind: KindNames, name: string, why?: string): ApiError {
  const because = why ?? 'the object has been modified; please apply your changes to the latest version and try again';
  const message = `Operation cannot be fulfilled on ${qualified(kind.plural, kind.group)} "${name}": ${because}`;
  return new ApiError(409, 'Conflict', message, { details: detailsOf(kind, name) });
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message);
}

export function internalError(message: string): ApiError {
  return new ApiError(500, 'InternalError', `Internal error occurred: ${message}`, {
    details: { causes: [{ reason: '', message }] },
  });
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {
    details: {},
  });
}

export function unauthorized(): ApiError {
  return new ApiError(401, 'Unauthorized', 'Unauthorized');
}

/** An expired list or watch position. `continueToken` lets a client go on without consistency. */
export function expired(message: string, continueToken?: string): ApiError {
  return new ApiError(410, 'Expired', message, continueToken === undefined ? {} : { continueToken });
}

/** One field that failed validation (apimachinery `field.Error`). */
export interface FieldError {
  readonly field: string;
  readonly reason:
    | 'FieldValueInvalid'
    | 'FieldValueRequired'
    | 'FieldValueDuplicate'
    | 'FieldValueNotSupported'
    | 'FieldValueForbidden'
    | 'FieldValueTooMany'
    | 'FieldValueTooLong'
    | 'FieldValueNotFound';
  /** Without the field's name. */
  readonly message: string;
}

/** 422: the object was read but fails validation. */
export function invalid(
  kind: { readonly kind: string; readonly group: string },
  name: string,
  errors: readonly FieldError[],
) {
  const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))];
  const all = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const causes = errors.map(({ reason, message, field }) => ({ reason, message, field }));
  return new ApiError(422, 'Invalid', `${qualified(kind.kind, kind.group)} "${name}" is invalid: ${all}`, {
    details: { name, ...(kind.group !== '' && { group: kind.group }), kind: kind.kind, causes },
  });
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  return String(value);
}

export const fieldError = {
  invalid: (field: string, value: unknown, detail: string): FieldError => ({
    field,
    reason: 'FieldValueInvalid',
    message: `Invalid value: ${shown(value)}: ${detail}`,
  }),
  required: (field: string, detail = ''): FieldError => ({
    field,
    reason: 'FieldValueRequired',
    message: detail === '' ? 'Required value' : `Required value: ${detail}`,
  }),
  duplicate: (field: string, value: unknown): FieldError => ({
    field,
    reason: 'FieldValueDuplicate',
    message: `Duplicate value: ${shown(value)}`,
  }),
  notSupported: (field: string, value: unknown, supported: readonly string[]): FieldError => ({
    field,
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${shown(value)}: supported values: ${supported.map(shown).join(', ')}`,
  }),
  forbidden: (field: string, detail: string): FieldError => ({
    field,
    reason: 'FieldValueForbidden',
    message: `Forbidden: ${detail}`,
  }),
  tooMany: (field: string, count: number, max: number): FieldError => ({
    field,
    reason: 'FieldValueTooMany',
    message: `Too many: ${count}: must have at most ${max} items`,
  }),
  tooLong: (field: string, max: number): FieldError => ({
    field,
    reason: 'FieldValueTooLong',
    message: `Too long: may not be more than ${max} bytes`,
  }),
};
