// Remembers the streams that we reset last. PURE. Frames for them may still be on their way and are ignored (RFC 9113
// §5.1, closed); frames for any other closed stream are a connection error.

const REMEMBERED = 128;

export class ResetMemory {
  readonly #ids = new Int32Array(REMEMBERED);
  #count = 0;

  add(streamId: number): void {
    this.#ids[this.#count % REMEMBERED] = streamId;
    this.#count++;
  }

  /** True when we reset it, or when so many were reset since that it is not known any more. */
  mayHave(streamId: number): boolean {
    return this.#ids.includes(streamId) || (this.#count > REMEMBERED && streamId < this.#oldest);
  }

  get #oldest(): number {
    let oldest = Number.MAX_SAFE_INTEGER;
    for (const id of this.#ids) if (id < oldest) oldest = id;
    return oldest;
  }
}
