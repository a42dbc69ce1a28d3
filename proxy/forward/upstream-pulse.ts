// Whether the other end of a shared connection is still there: silence while requests run is answered with a PING, and
// silence after that with the end of the connection. Also the end of a connection that has been idle for too long.
//
// A lost node sends no FIN. Without this each new request would wait for its own time limit on the same dead connection.

import { Deadline, type Timed, type TimerWheel } from './timer-wheel.ts';

export interface PulseOwner {
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
  sendPing(): void;
  /** Nothing has come since the PING. */
  onDead(): void;
  onIdleTooLong(): void;
}

export class UpstreamPulse implements Timed {
  /** Set it whenever something was read. */
  hasRead = false;
  readonly #owner: PulseOwner;
  readonly #wheel: TimerWheel;
  readonly #deadline = new Deadline(this);
  #state: 'idle' | 'watching' | 'pinging' = 'idle';

  constructor(owner: PulseOwner, wheel: TimerWheel) {
    this.#owner = owner;
    this.#wheel = wheel;
  }

  /** Requests run. */
  watch(): void {
    this.hasRead = true;
    this.#state = 'watching';
    this.#wheel.set(this.#deadline, this.#owner.pingIntervalMs);
  }

  /** None runs: the connection may stay so for `limitMs`. */
  rest(limitMs: number): void {
    this.#state = 'idle';
    this.#wheel.set(this.#deadline, limitMs);
  }

  /** Nothing of it stays linked anywhere. */
  close(): void {
    this.#wheel.remove(this.#deadline);
  }

  onDeadline(): void {
    if (this.#state === 'idle') return this.#owner.onIdleTooLong();
    if (this.hasRead) {
      this.hasRead = false;
      this.#state = 'watching';
      return this.#wheel.set(this.#deadline, this.#owner.pingIntervalMs);
    }
    if (this.#state === 'pinging') return this.#owner.onDead();
    this.#state = 'pinging';
    this.#owner.sendPing();
    this.#wheel.set(this.#deadline, this.#owner.pingTimeoutMs);
  }
}
