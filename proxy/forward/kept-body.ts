// The part of a request body that was already sent, kept so that another attempt can send it again. PURE.
//
// Kept are copies, up to a limit (`client-body-buffer-size`): the buffers they come from are used again at once. A body
// that grows beyond the limit is let go, and with it the chance of another attempt.

/** Where a body is sent again. False: it holds bytes back, but has taken these. */
export interface BodyReceiver {
  writeBody(buf: Buffer, start: number, end: number): boolean;
}

const FIRST_BYTES = 1024;

export class KeptBody {
  #buffer: Buffer | null = null;
  #length = 0;
  #limit = 0;
  #isWhole = true;

  /** Makes ready for a body of which at most `limitBytes` are kept; 0: none are. */
  begin(limitBytes: number): void {
    this.#limit = limitBytes;
    this.#isWhole = true;
  }

  /** All bytes that were sent so far are here: also true before the first one. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes of the body are being sent. */
  add(buf: Buffer, start: number, end: number): void {
    const length = this.#length + end - start;
    if (!this.#isWhole) return;
    if (length > this.#limit) {
      this.clear();
      this.#isWhole = false;
      return;
    }
    if (this.#buffer === null || this.#buffer.length < length) this.#grow(length);
    buf.copy(this.#buffer as Buffer, this.#length, start, end);
    this.#length = length;
  }

  /** Sends everything that is kept. False: `to` holds bytes back. */
  sendTo(to: BodyReceiver): boolean {
    return this.#buffer === null || this.#length === 0 || to.writeBody(this.#buffer, 0, this.#length);
  }

  /** Lets go of the bytes. */
  clear(): void {
    this.#buffer = null;
    this.#length = 0;
  }

  #grow(needed: number): void {
    const size = Math.min(this.#limit, Math.max(needed, 2 * (this.#buffer?.length ?? 0), FIRST_BYTES));
    // Attempts may still be writing from the buffer before: it is left as it is.
    const bigger = Buffer.allocUnsafe(size);
    this.#buffer?.copy(bigger, 0, 0, this.#length);
    this.#buffer = bigger;
  }
}
