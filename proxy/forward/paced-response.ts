// Sends the body of one response no faster than `limit-rate`, after a first part (`limit-rate-after`) at full speed.
//
//   upstream --write--> sent at once, as far as the rate allows; the rest of the read is held, and the upstream is not
//   read while anything is held: memory is bounded by one read
//   timer or client drain --> more of what is held --> nothing held: the upstream is read on, or the response ends
// nginx's reckoning: after t seconds, `after + rate * (t + 1)` bytes may be out.

import type { ReadBuffers } from '../listen/read-buffers.ts';
import type { BandwidthLimit } from '../table/route-settings.ts';
import { Deadline, type Timed, type TimerWheel } from './timer-wheel.ts';

/** What a paced response asks of its exchange. */
export interface PacedUser {
  /** Passes payload to the client. False: it takes no more until `PacedResponse.onClientDrain`. */
  sendPaced(buf: Buffer, start: number, end: number): boolean;
  flushPaced(): void;
  /** Nothing is held any more: the upstream may be read. */
  onPaceReady(): void;
  /** All is sent, and the upstream had ended before. */
  onPaceEnd(trailers: string): void;
}

/** A held response goes on as soon as it may send what the rate gives in so long. */
const STEP_MS = 200;

export class PacedResponse implements Timed {
  readonly #user: PacedUser;
  readonly #wheel: TimerWheel;
  readonly #buffers: ReadBuffers;
  readonly #deadline = new Deadline(this);
  #limit: BandwidthLimit | null = null;
  #startedAtMs = 0;
  #sent = 0;
  readonly #held: Buffer[] = [];
  /** Where in the first of `#held` to go on. */
  #at = 0;
  #heldBytes = 0;
  #isClientSlow = false;
  #isEnding = false;
  #trailers = '';

  constructor(user: PacedUser, wheel: TimerWheel, buffers: ReadBuffers) {
    this.#user = user;
    this.#wheel = wheel;
    this.#buffers = buffers;
  }

  /** Bytes that wait. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  begin(limit: BandwidthLimit): void {
    this.#limit = limit;
    this.#startedAtMs = this.#wheel.nowMs;
    this.#sent = 0;
    this.#isClientSlow = false;
    this.#isEnding = false;
  }

  /** Takes payload from the upstream. False: wait for `onPaceReady`. */
  write(buf: Buffer, start: number, end: number): boolean {
    const room = this.#heldBytes > 0 || this.#isClientSlow ? 0 : this.#room();
    const middle = Math.min(end, start + room);
    if (middle > start) this.#send(buf, start, middle);
    if (middle < end) this.#hold(buf, middle, end);
    return this.#heldBytes === 0 && !this.#isClientSlow;
  }

  /** The response is complete. True: it has all been sent; else `onPaceEnd` follows. */
  end(trailers: string): boolean {
    if (this.#heldBytes === 0) return true;
    this.#isEnding = true;
    this.#trailers = trailers;
    return false;
  }

  onClientDrain(): void {
    this.#isClientSlow = false;
    this.#pump();
  }

  onDeadline(): void {
    this.#pump();
  }

  /** The request is over: forgets what is held. */
  clear(): void {
    this.#wheel.remove(this.#deadline);
    this.#held.length = 0;
    this.#buffers.waitingBytes -= this.#heldBytes;
    this.#heldBytes = 0;
    this.#limit = null;
  }

  #pump(): void {
    while (this.#heldBytes > 0 && !this.#isClientSlow) {
      const room = this.#room();
      if (room <= 0) break;
      this.#sendHeld(room);
    }
    this.#user.flushPaced();
    // The flush may have found the client gone.
    if (this.#isClientSlow || this.#limit === null) return;
    if (this.#heldBytes > 0) return this.#schedule();
    if (this.#isEnding) return this.#user.onPaceEnd(this.#trailers);
    this.#user.onPaceReady();
  }

  #sendHeld(room: number): void {
    const first = this.#held[0] as Buffer;
    const from = this.#at;
    const to = Math.min(first.length, from + room);
    if (to === first.length) this.#held.shift();
    this.#at = to === first.length ? 0 : to;
    this.#heldBytes -= to - from;
    this.#buffers.waitingBytes -= to - from;
    this.#send(first, from, to);
  }

  #send(buf: Buffer, start: number, end: number): void {
    this.#sent += end - start;
    this.#isClientSlow = !this.#user.sendPaced(buf, start, end);
  }

  /** The upstream's buffer serves other reads meanwhile: what waits is copied. */
  #hold(buf: Buffer, start: number, end: number): void {
    if (this.#heldBytes === 0) this.#at = 0;
    this.#held.push(Buffer.from(buf.subarray(start, end)));
    this.#heldBytes += end - start;
    this.#buffers.waitingBytes += end - start;
    if (!this.#isClientSlow) this.#schedule();
  }

  /** Bytes that may be sent now. */
  #room(): number {
    const { bytesPerSecond, afterBytes } = this.#limit as BandwidthLimit;
    const elapsedMs = this.#wheel.nowMs - this.#startedAtMs;
    return Math.floor(afterBytes + bytesPerSecond * (1 + elapsedMs / 1000) - this.#sent);
  }

  #schedule(): void {
    const { bytesPerSecond } = this.#limit as BandwidthLimit;
    const wanted = Math.max(1, Math.min(this.#heldBytes, (bytesPerSecond * STEP_MS) / 1000));
    const waitMs = ((wanted - this.#room()) * 1000) / bytesPerSecond;
    this.#wheel.set(this.#deadline, Math.max(waitMs, this.#wheel.tickMs));
  }
}
