// Measures whether a request body comes fast enough: a client that trickles holds an upstream connection for hours, one
// byte at a time, and never breaks a limit between two reads.
//
// PURE given the times it is told. A body has time in hand: a grace at first, more for every byte, never more than the
// grace. It runs out while we wait for the client, and only then.

const MIN_GRACE_MS = 60_000;

/** A body may come as slowly as it likes for so long; pauses as long as `client-body-timeout` stay allowed. */
export function bodyGraceMs(clientBodyTimeoutMs: number): number {
  return Math.max(clientBodyTimeoutMs, MIN_GRACE_MS);
}

export class BodyPace {
  #msPerByte = 0;
  #graceMs = 0;
  #inHandMs = 0;
  /** Since when the time runs; NaN while it stands still. */
  #runsSinceMs = Number.NaN;

  /** A body begins. `bytesPerSecond` 0 turns it off. The time stands still until `leftMs` is asked. */
  begin(bytesPerSecond: number, graceMs: number): void {
    this.#msPerByte = bytesPerSecond === 0 ? 0 : 1000 / bytesPerSecond;
    this.#graceMs = graceMs;
    this.#inHandMs = graceMs;
    this.#runsSinceMs = Number.NaN;
  }

  /** No limit for the rest of this body: it is one side of a conversation, whose pace both ends choose. */
  lift(): void {
    this.#msPerByte = 0;
  }

  /** Bytes of the body have come. */
  take(bytes: number, nowMs: number): void {
    if (this.#msPerByte === 0) return;
    this.#settle(nowMs);
    this.#inHandMs = Math.min(this.#graceMs, this.#inHandMs + bytes * this.#msPerByte);
  }

  /** The client is not asked for more: its time stands still. */
  pause(nowMs: number): void {
    if (this.#msPerByte === 0) return;
    this.#settle(nowMs);
    this.#runsSinceMs = Number.NaN;
  }

  /** The client is asked for more: gives the time it has, Infinity when there is no limit. */
  leftMs(nowMs: number): number {
    if (this.#msPerByte === 0) return Number.POSITIVE_INFINITY;
    this.#settle(nowMs);
    this.#runsSinceMs = nowMs;
    return Math.max(0, this.#inHandMs);
  }

  /** The time has run out. */
  isSpent(nowMs: number): boolean {
    if (this.#msPerByte === 0) return false;
    this.#settle(nowMs);
    return this.#inHandMs <= 0;
  }

  #settle(nowMs: number): void {
    if (Number.isNaN(this.#runsSinceMs)) return;
    this.#inHandMs -= nowMs - this.#runsSinceMs;
    this.#runsSinceMs = nowMs;
  }
}
