// The response of one exchange on its way to the client: an endpoint's, an answer of our own, or the end of either.
//
// Status and reason go into the request's record. Whatever ends the response tells the exchange `onResponded`, and
// nothing may be called between that and the next request.

import { type Answer, answerOf } from '../http/answer.ts';
import { DEADLINE_TRAILERS, grpcAnswerOf, isGrpcRequest } from '../http/grpc.ts';
import type { ResponseHead } from '../http/response-head.ts';
import type { RequestRecord } from '../observe/observer.ts';
import type { BandwidthLimit } from '../table/route-settings.ts';
import type { ClientStream } from './client-stream.ts';
import type { ProxyContext } from './context.ts';
import { PROXY_ERRORS, type ProxyErrorCode } from './errors.ts';
import { PacedResponse, type PacedUser } from './paced-response.ts';

/** Whose response it is. Implemented by Exchange. */
export interface ResponseUser {
  /** A response that was held back takes more: the upstream may be read. */
  onPaceReady(): void;
  /** The response is over, in whatever way. */
  onResponded(): void;
}

export class ClientResponse implements PacedUser {
  readonly #context: ProxyContext;
  readonly #client: ClientStream;
  readonly #record: RequestRecord;
  readonly #user: ResponseUser;
  /** Made by the first response with a `limit-rate`. */
  #pace: PacedResponse | null = null;
  #isPaced = false;

  constructor(context: ProxyContext, client: ClientStream, record: RequestRecord, user: ResponseUser) {
    this.#context = context;
    this.#client = client;
    this.#record = record;
    this.#user = user;
  }

  // ---- an endpoint's response

  /** `cookieLine`: line that we add, with CRLF; '' for none. `limit`: of its bandwidth. */
  begin(head: ResponseHead, hasBody: boolean, cookieLine: string, limit: BandwidthLimit | null): void {
    this.#record.status = head.status;
    // Before the head, within which the client may turn out to be gone.
    if (limit !== null) this.#beginPace(limit);
    this.#client.sendHead(head, hasBody, cookieLine);
  }

  /** False: the client takes no more for now; `Exchange.onClientDrain` or `ResponseUser.onPaceReady` follows. */
  write(buf: Buffer, start: number, end: number): boolean {
    const pace = this.#isPaced ? this.#pace : null;
    return pace === null ? this.#client.sendBody(buf, start, end) : pace.write(buf, start, end);
  }

  /** The endpoint has sent all of it. */
  end(trailers: string): void {
    if (this.#isPaced && this.#pace?.end(trailers) === false) return;
    this.#client.sendEnd(trailers);
    this.#user.onResponded();
  }

  /** The client takes more. True: the upstream may be read; else `onPaceReady` says when. */
  onClientDrain(): boolean {
    if (!this.#isPaced) return true;
    this.#pace?.onClientDrain();
    return false;
  }

  // ---- answers of our own

  answer(answer: Answer): void {
    this.#record.status = answer.status;
    this.#record.reason = answer.reason;
    this.#sendAnswer(answer);
    this.#user.onResponded();
  }

  /** Answers for an upstream that gave no response. `retryAfterSeconds`: for one that is overloaded. */
  fail(code: ProxyErrorCode, retryAfterSeconds: number): void {
    const { status } = PROXY_ERRORS[code];
    if (status !== 499) return this.answer(failureAnswer(code, status, retryAfterSeconds));
    this.#record.status = status;
    this.abort(code);
  }

  // ---- ends amid a response

  /** It cannot be completed, and the client must notice. */
  abort(reason: string): void {
    this.#record.reason = reason;
    this.#client.abortResponse();
    this.#user.onResponded();
  }

  /** Both sides know already that it is over. */
  close(reason: string): void {
    this.#record.reason = reason;
    this.#user.onResponded();
  }

  /** A gRPC call took longer than its client allows: it ends in the call's own terms. */
  expire(): void {
    this.#record.reason = 'callTimeout';
    this.#endWith(DEADLINE_TRAILERS);
  }

  /** Forgets what is held of the response. For the end of the request. */
  clear(): void {
    if (!this.#isPaced) return;
    this.#isPaced = false;
    this.#pace?.clear();
  }

  // ---- PacedUser

  sendPaced(buf: Buffer, start: number, end: number): boolean {
    return this.#client.sendBody(buf, start, end);
  }

  flushPaced(): void {
    this.#client.flush();
  }

  onPaceReady(): void {
    this.#user.onPaceReady();
  }

  onPaceEnd(trailers: string): void {
    this.#endWith(trailers);
  }

  /** Ends it from outside a read of the upstream, which would have flushed. */
  #endWith(trailers: string): void {
    this.#client.sendEnd(trailers);
    this.#client.flush();
    this.#user.onResponded();
  }

  #beginPace(limit: BandwidthLimit): void {
    const { wheel, buffers } = this.#context;
    this.#pace ??= new PacedResponse(this, wheel, buffers);
    this.#pace.begin(limit);
    this.#isPaced = true;
  }

  /** A gRPC client gets a failure in its own terms; logs and metrics keep the HTTP status that it stands for. */
  #sendAnswer(answer: Answer): void {
    const isCall = answer.status >= 400 && isGrpcRequest(this.#client.head);
    this.#client.sendAnswer(isCall ? grpcAnswerOf(answer) : answer);
  }
}

/** An overloaded upstream says when to come again (RFC 9110 §10.2.3). */
function failureAnswer(code: ProxyErrorCode, status: number, retryAfterSeconds: number): Answer {
  const isOverload = code === 'overloaded' || code === 'pendingTimeout' || code === 'endpointsFull';
  if (!isOverload) return answerOf(status, code);
  return { status, reason: code, headerLines: `Retry-After: ${retryAfterSeconds}\r\n` };
}
