// What went wrong with a request, sorted by what the caller must do about it. Pure: status code and `Status` object in.
//
// Kubernetes tells failures in three places: as an HTTP status, as a `Status` object in the body, and as the object of an
// ERROR event inside a watch that was answered 200. All three are read here.

/**
 * `expired`: 410, list again. `forbidden`, `missing`: nothing will change until somebody changes roles or the server.
 * `unauthorized`: renew the credentials. `conflict`: read again and decide again. `throttled`: wait as told.
 * `invalid`: the request is not understood (an older server). `server`, `network`, `timeout`: try again later.
 */
export type ApiFailureKind =
  | 'expired'
  | 'forbidden'
  | 'missing'
  | 'unauthorized'
  | 'conflict'
  | 'throttled'
  | 'invalid'
  | 'server'
  | 'network'
  | 'timeout';

export interface ApiFailure {
  readonly kind: ApiFailureKind;
  /** HTTP status or `Status.code`; 0 when no answer came. */
  readonly code: number;
  /** The server's words, cut short. Never holds credentials: it comes from answers and error codes, not from requests. */
  readonly message: string;
  /** How long the server asks to wait; null when it does not say. */
  readonly retryAfterMs: number | null;
}

const maxMessageLength = 300;

/** Reads a failure from an HTTP status and the text of its body (a `Status` object, or anything a proxy may answer). */
export function failureOf(code: number, body: string, retryAfterSeconds: number | null): ApiFailure {
  const status = parseStatus(body);
  return failureFrom(code, status, retryAfterSeconds === null ? null : retryAfterSeconds * 1000);
}

/** Reads a failure from the object of an ERROR event. */
export function failureOfEvent(object: unknown): ApiFailure {
  const code = readNumber(object, 'code') ?? 500;
  return failureFrom(code, object, null);
}

/** Says that no answer came. `code` is Node's, e.g. ECONNREFUSED. */
export function noAnswer(kind: 'network' | 'timeout', code: string): ApiFailure {
  return { kind, code: 0, message: `no answer (${code})`, retryAfterMs: null };
}

function failureFrom(code: number, status: unknown, retryAfterHeaderMs: number | null): ApiFailure {
  const reason = readText(status, 'reason');
  const words = readText(status, 'message') ?? reason ?? 'no reason given';
  const retrySeconds = readNumber(readField(status, 'details'), 'retryAfterSeconds');
  return {
    kind: kindOf(code, reason),
    code,
    message: `${code} ${words}`.slice(0, maxMessageLength),
    retryAfterMs: retryAfterHeaderMs ?? (retrySeconds === null ? null : retrySeconds * 1000),
  };
}

/** The code decides, as in client-go; the reason only where one code has two meanings. */
function kindOf(code: number, reason: string | null): ApiFailureKind {
  switch (code) {
    case 410:
      return 'expired';
    case 403:
      return 'forbidden';
    case 404:
      return 'missing';
    case 401:
      return 'unauthorized';
    case 409:
      return 'conflict';
    case 429:
      return 'throttled';
    case 400:
    case 405:
    case 415:
    case 422:
      return 'invalid';
    default:
      // A watch from a version that is too old may say so with another code than 410.
      return reason === 'Expired' || reason === 'Gone' ? 'expired' : 'server';
  }
}

function parseStatus(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // Load balancers before the API server answer in HTML.
    return null;
  }
}

function readField(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function readText(value: unknown, name: string): string | null {
  const field = readField(value, name);
  return typeof field === 'string' && field !== '' ? field : null;
}

function readNumber(value: unknown, name: string): number | null {
  const field = readField(value, name);
  return typeof field === 'number' ? field : null;
}
