// What is different about a gRPC call. Its client's time limit (`grpc-timeout`) is kept by the proxy too: a server that
// ignores it, or a queue in front of one, must not hold what nobody waits for any more. And its status is no HTTP status.

import { grpcTimeoutMs } from '../http/grpc.ts';
import { headerValue } from '../http/header-value.ts';
import type { RequestHead } from '../http/request-head.ts';
import type { ResponseHead } from '../http/response-head.ts';
import { Deadline, type Timed, type TimerWheel } from './timer-wheel.ts';

export interface CallOwner {
  onCallTimeout(): void;
}

export class GrpcCall implements Timed {
  readonly #owner: CallOwner;
  readonly #wheel: TimerWheel;
  readonly #deadline = new Deadline(this);

  constructor(owner: CallOwner, wheel: TimerWheel) {
    this.#owner = owner;
    this.#wheel = wheel;
  }

  /** Starts the clock of a call; without a limit none runs. */
  begin(head: RequestHead): void {
    const limitMs = grpcTimeoutMs(head);
    // Calls with 20 ms are usual: one that is cut early would have been answered.
    if (limitMs !== null) this.#wheel.setNotBefore(this.#deadline, limitMs);
  }

  end(): void {
    this.#wheel.clear(this.#deadline);
  }

  /** Nothing of it stays linked anywhere. */
  close(): void {
    this.#wheel.remove(this.#deadline);
  }

  onDeadline(): void {
    this.#owner.onCallTimeout();
  }
}

/**
 * The server answers at once that it cannot serve: status 14 UNAVAILABLE in a response of trailers alone (gRPC over HTTP/2,
 * "Responses"), which is to gRPC what 503 is to HTTP. One that comes behind messages is no matter of the head.
 */
export function isUnavailable({ text }: ResponseHead): boolean {
  return headerValue(text, 'grpc-status') === '14';
}
