// Answers on their way to the client, and how they are written: JSON, gzip above 128 KiB, Warning and Retry-After headers.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, createGzip } from 'node:zlib';
import { ApiError } from './api-error.ts';

export interface Answer {
  readonly code: number;
  /** Sent as JSON; a text is sent as it is. */
  readonly body: unknown;
  readonly contentType?: string;
  /** Sent as Warning headers with code 299. */
  readonly warnings?: readonly string[];
}

/** A real server compresses from this size on (endpoints/handlers/responsewriters). */
const GZIP_FROM_BYTES = 128 * 1024;

/** Writes an answer. Does nothing when the client has gone. */
export function sendAnswer(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  if (response.destroyed) return;
  const text =
    typeof answer.body === 'string' || Buffer.isBuffer(answer.body) ? answer.body : JSON.stringify(answer.body);
  for (const warning of answer.warnings ?? []) response.appendHeader('warning', renderWarning(warning));
  response.setHeader('content-type', answer.contentType ?? 'application/json');
  response.setHeader('cache-control', 'no-cache, private');
  response.statusCode = answer.code;
  const acceptsGzip = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  const sizeBytes = Buffer.byteLength(text);
  if (!acceptsGzip || sizeBytes < GZIP_FROM_BYTES) {
    response.setHeader('content-length', sizeBytes);
    response.end(text);
    return;
  }
  response.setHeader('content-encoding', 'gzip');
  response.setHeader('vary', 'Accept-Encoding');
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  gzip.pipe(response);
  gzip.end(text);
}

/** Turns whatever a handler threw into a Status. What is no ApiError is a bug of this server and shows as a 500. */
export function sendError(request: IncomingMessage, response: ServerResponse, error: unknown): number {
  const known =
    error instanceof ApiError ? error : new ApiError(500, 'InternalError', `Internal error occurred: ${String(error)}`);
  if (!response.headersSent) {
    const seconds = known.extra.details?.retryAfterSeconds;
    if (seconds !== undefined) response.setHeader('retry-after', seconds);
    sendAnswer(request, response, { code: known.code, body: known.body });
  }
  return known.code;
}

/** RFC 9111 §5.5 as Kubernetes writes it: code 299, agent `-`, quoted text. */
function renderWarning(text: string): string {
  const printable = text.replaceAll(/[^\x20-\x7e]/g, ' ');
  return `299 - "${printable.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
