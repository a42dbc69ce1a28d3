// What the peer may still send, on a stream or on the connection, and when it is told that it may send more (RFC 9113
// §6.9). PURE.

export class ReceiveWindow {
  #size = 0;
  #left = 0;
  #used = 0;

  /** Begins anew with a window of `bytes`, as the peer knows it. */
  open(bytes: number): void {
    this.#size = bytes;
    this.#left = bytes;
    this.#used = 0;
  }

  /** Payload came, padding included. False: more than the peer was allowed, a FLOW_CONTROL_ERROR. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** `bytes` are used up. Gives the increment for a WINDOW_UPDATE; 0 until it is worth a frame, at half a window. */
  credit(bytes: number): number {
    this.#used += bytes;
    if (this.#used * 2 < this.#size) return 0;
    const increment = this.#used;
    this.#left += increment;
    this.#used = 0;
    return increment;
  }
}
