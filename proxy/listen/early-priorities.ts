// Priorities that clients tell for streams which have not begun (RFC 9218 §7.1 asks for some to be kept, but bounded).

const MAX_KEPT = 16;

export class EarlyPriorities {
  /** Made with the first one: most clients send none. */
  #values: Map<number, string> | null = null;

  /** Keeps the Priority field value for a stream, if there is room. */
  keep(streamId: number, value: string): void {
    this.#values ??= new Map();
    if (this.#values.size < MAX_KEPT || this.#values.has(streamId)) this.#values.set(streamId, value);
  }

  /** Gives what was kept for a stream that begins, and forgets it. */
  take(streamId: number): string | undefined {
    const value = this.#values?.get(streamId);
    if (value !== undefined) this.#values?.delete(streamId);
    return value;
  }
}
