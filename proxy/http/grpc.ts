// What a proxy must know of gRPC over HTTP/2: which requests are calls, how long they may take, and how an answer that is
// not the server's own looks to a gRPC client. PURE. References: gRPC's PROTOCOL-HTTP2.md and http-grpc-status-mapping.md.

import type { Answer } from './answer.ts';
import type { KeptLines } from './runs.ts';

/** Status codes of gRPC that a proxy gives. */
const GrpcStatus = {
  unknown: 2,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/**
 * The gRPC status for an HTTP status. As in the mapping that clients use, but for two that a client could not tell: a 504 of
 * ours is a deadline that has passed, and a 413 a message that is too large.
 */
export function grpcStatusOf(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
    case 431:
      return GrpcStatus.internal;
    case 401:
      return GrpcStatus.unauthenticated;
    case 403:
      return GrpcStatus.permissionDenied;
    case 404:
      return GrpcStatus.unimplemented;
    case 413:
      return GrpcStatus.resourceExhausted;
    case 429:
    case 502:
    case 503:
      return GrpcStatus.unavailable;
    case 504:
      return GrpcStatus.deadlineExceeded;
    default:
      return GrpcStatus.unknown;
  }
}

const CONTENT_TYPE = /^content-type:[ \t]*application\/grpc(?:[+;][^\r]*)?\r$/im;

/** A call: content-type `application/grpc`, also with `+proto` or parameters. Not gRPC-Web, which is ordinary HTTP. */
export function isGrpcRequest(head: KeptLines): boolean {
  return CONTENT_TYPE.test(head.keptText());
}

/** Makes a failure readable for a gRPC client: HTTP 200 without a body, and the status in the head (Trailers-Only). */
export function grpcAnswerOf(answer: Answer): Answer {
  const lines = `content-type: application/grpc\r\n${grpcStatusLines(grpcStatusOf(answer.status), answer.reason)}`;
  return { status: 200, reason: answer.reason, headerLines: lines + answer.headerLines, isBare: true };
}

/** The lines that tell a call's outcome, in a head or in trailers. `message` is plain ASCII of ours. */
function grpcStatusLines(status: number, message: string): string {
  return `grpc-status: ${status}\r\ngrpc-message: ${message}\r\n`;
}

/** Trailers of a call whose time has passed. */
export const DEADLINE_TRAILERS = grpcStatusLines(GrpcStatus.deadlineExceeded, 'deadline exceeded');

/** Names are lower-case in HTTP/2, and the unit is case-sensitive. */
const TIMEOUT = /^grpc-timeout:[ \t]*(\d{1,8})([HMSmun])\r$/m;
const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** What `grpc-timeout` leaves a call, in milliseconds; null without one, or when it is malformed. */
export function grpcTimeoutMs(head: KeptLines): number | null {
  const found = TIMEOUT.exec(head.keptText());
  if (found === null) return null;
  return Number(found[1]) * (UNIT_MS[found[2] as string] as number);
}
