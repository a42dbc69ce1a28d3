// How long the client of an HTTP/1.1 connection is waited for: its next request, a head, a body, its reading of responses.
//
// One deadline, which is also the timer's entry, so that an idle connection has no object more. While responses wait for
// the client (`isStalled`) it runs for them, and nothing else may move it: `bodyMayCome` keeps to that.

import type { ProxyContext } from '../forward/context.ts';
import { Deadline, type Timed } from '../forward/timer-wheel.ts';
import type { BodyPace } from './body-pace.ts';
import type { SocketWriter } from './socket-writer.ts';

/** nginx: `lingering_timeout`, between two reads of a lingering client, and `lingering_time`, for all of them. */
const LINGER_MS = 5_000;
const LINGER_TOTAL_MS = 30_000;

/** A client that was let in just before its worker drains, for instance in its TLS handshake, may still begin a request. */
const LATE_REQUEST_MS = 1_000;

export class ClientDeadline extends Deadline {
  /** Response bytes wait for the client. */
  isStalled = false;
  readonly #context: ProxyContext;
  #lingerUntilMs = 0;

  constructor(owner: Timed, context: ProxyContext) {
    super(owner);
    this.#context = context;
  }

  /** The connection is new: as `setForHead`, unless the worker drains and only waits for those that have begun. */
  setForFirstHead(): void {
    const { wheel, current, isDraining } = this.#context;
    const { clientHeaderTimeoutMs } = current.global;
    wheel.set(this, isDraining ? Math.min(clientHeaderTimeoutMs, LATE_REQUEST_MS) : clientHeaderTimeoutMs);
  }

  /** ConfigMap `client-header-timeout`: a head is to be complete. */
  setForHead(): void {
    const { wheel, current } = this.#context;
    wheel.set(this, current.global.clientHeaderTimeoutMs);
  }

  /** ConfigMap `keep-alive`: another request may come. */
  setForNextRequest(): void {
    const { wheel, current } = this.#context;
    wheel.set(this, current.global.clientKeepAliveMs);
  }

  /** ConfigMap `client-body-timeout`, and the rate of the body: the client is free to send more of it. */
  setForBody(pace: BodyPace): void {
    if (this.isStalled) return;
    const { wheel, current } = this.#context;
    wheel.set(this, Math.min(current.global.clientBodyTimeoutMs, pace.leftMs(wheel.nowMs)));
  }

  /** The client's time stands still: its body is complete, or we do not read it. `pace`: of its body, if it has one. */
  stop(pace: BodyPace | null): void {
    if (this.isStalled) return;
    const { wheel } = this.#context;
    pace?.pause(wheel.nowMs);
    wheel.clear(this);
  }

  /** nginx `send_timeout`: a client that takes no byte of a waiting response for so long is cut. */
  setForReading(writer: SocketWriter): void {
    const { wheel, current } = this.#context;
    writer.hasMoved();
    wheel.set(this, current.global.peerLimits.clientSendTimeoutMs);
  }

  /** The response is out, and the client goes on sending. */
  beginLinger(): void {
    this.#lingerUntilMs = this.#context.wheel.nowMs + LINGER_TOTAL_MS;
  }

  setForLinger(): void {
    const { wheel } = this.#context;
    wheel.set(this, Math.max(0, Math.min(LINGER_MS, this.#lingerUntilMs - wheel.nowMs)));
  }

  clear(): void {
    this.#context.wheel.clear(this);
  }

  /** Nothing of it stays linked anywhere. */
  close(): void {
    this.#context.wheel.remove(this);
  }
}
