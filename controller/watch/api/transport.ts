// What the list/watch loop and the writers need of a connection to the API server: one request, one answer whose body
// arrives as text in pieces. http-transport.ts is the real one; tests script their own.

import type { ApiFailure } from './failure.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path below the server's URL, e.g. `/api/v1/services`. */
  readonly path: string;
  /** Query parameters in the order they are sent. */
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default `application/json`; patches name their kind here. */
  readonly contentType?: string;
  /** Ends the request, also while its body is read. */
  readonly signal: AbortSignal;
}

export interface ApiResponse {
  readonly status: number;
  /** In seconds, null when the server sent none (RFC 9110 §10.2.3, the number form: Kubernetes sends no dates). */
  readonly retryAfterSeconds: number | null;
  /** The body as UTF-8 text, uncompressed. Leaving the loop early closes the connection. */
  readonly body: AsyncIterable<string>;
}

export interface ApiTransport {
  /** Rejects with ApiError when no answer came; any status is an answer. */
  send(request: ApiRequest): Promise<ApiResponse>;
  /** Forgets cached credentials: the next request reads files and asks plugins again. */
  renewCredentials(): void;
  /** Ends idle connections. Running requests end by their signal. */
  close(): void;
}

/** A request that failed, by the transport or by an answer that says so. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly failure: ApiFailure;

  constructor(failure: ApiFailure, cause?: unknown) {
    super(failure.message, { cause });
    this.failure = failure;
  }
}
