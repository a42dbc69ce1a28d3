// The time limit that a gRPC client sets for a call (`grpc-timeout`), kept by the proxy too: a server that ignores it, or a
// queue in front of one, must not hold what nobody waits for any more.

import { grpcTimeoutMs } from '../http/grpc.ts';
import type { RequestHead } from '../http/request-head.ts';
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
    if (limitMs !== null) this.#wheel.set(this.#deadline, limitMs);
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
