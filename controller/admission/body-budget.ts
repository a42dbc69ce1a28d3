// Reads request bodies under two limits: the size of one, and of all that are being read at the moment. Who may send
// reviews is not checked, so any pod could; it must not be able to fill the memory of the process that serves traffic.

import type { IncomingMessage } from 'node:http';

export type BodyReading =
  | { readonly kind: 'body'; readonly text: string }
  | { readonly kind: 'tooLarge' }
  /** Too much is being read already. */
  | { readonly kind: 'busy' }
  /** The client went away or took too long. */
  | { readonly kind: 'aborted' };

export class BodyBudget {
  readonly #maxBytes: number;
  readonly #maxTotalBytes: number;
  #totalBytes = 0;

  /** Bodies of `maxBytes` and more are too large. */
  constructor(maxBytes: number, maxTotalBytes: number) {
    this.#maxBytes = maxBytes;
    this.#maxTotalBytes = maxTotalBytes;
  }

  /**
   * Reads a body to its end. One that breaks a limit is read to its end as well, and dropped: a client that is still
   * sending would lose the answer. Never rejects; how long it may take is the server's `requestTimeout`.
   */
  async read(request: IncomingMessage): Promise<BodyReading> {
    const chunks: Buffer[] = [];
    let size = 0;
    let broken: BodyReading | null = null;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        if (broken !== null) continue;
        size += chunk.length;
        this.#totalBytes += chunk.length;
        chunks.push(chunk);
        broken = this.#brokenLimit(size);
        if (broken === null) continue;
        this.#totalBytes -= size;
        size = 0;
        chunks.length = 0;
      }
      return broken ?? { kind: 'body', text: Buffer.concat(chunks).toString('utf8') };
    } catch {
      return { kind: 'aborted' };
    } finally {
      this.#totalBytes -= size;
    }
  }

  #brokenLimit(size: number): BodyReading | null {
    if (size >= this.#maxBytes) return { kind: 'tooLarge' };
    return this.#totalBytes > this.#maxTotalBytes ? { kind: 'busy' } : null;
  }
}
