// Reads one request body off a connection: counts a Content-Length body, decodes a chunked one.

import { ChunkedDecoder } from '../http/chunked.ts';
import type { HeadLimits } from '../http/head-scanner.ts';

/** `data`: payload in `[dataStart, dataEnd)`; call again from `position`. `more`: all bytes are used up. */
export type BodyEvent = 'data' | 'more' | 'end' | 'fault';

export class RequestBody {
  dataStart = 0;
  dataEnd = 0;
  position = 0;
  #remaining = 0;
  #isDone = true;
  #decoder: ChunkedDecoder | null = null;
  #isChunked = false;

  /** `contentLength` as in RequestHead: 0 for none, -1 for chunked. */
  begin(contentLength: number): void {
    this.#isDone = contentLength === 0;
    this.#isChunked = contentLength === -1;
    this.#remaining = contentLength;
    if (!this.#isChunked) return;
    this.#decoder ??= new ChunkedDecoder();
    this.#decoder.reset();
  }

  /** True when the whole body has been read: what follows on the connection is the next request. */
  get isDone(): boolean {
    return this.#isDone;
  }

  next(buf: Buffer, start: number, end: number, limits: HeadLimits): BodyEvent {
    return this.#isChunked ? this.#nextChunk(buf, start, end, limits) : this.#nextCounted(start, end);
  }

  #nextCounted(start: number, end: number): BodyEvent {
    if (this.#remaining === 0) {
      this.#isDone = true;
      this.position = start;
      return 'end';
    }
    if (start === end) {
      this.position = start;
      return 'more';
    }
    const take = Math.min(this.#remaining, end - start);
    this.#remaining -= take;
    this.dataStart = start;
    this.dataEnd = start + take;
    this.position = start + take;
    return 'data';
  }

  #nextChunk(buf: Buffer, start: number, end: number, limits: HeadLimits): BodyEvent {
    const decoder = this.#decoder as ChunkedDecoder;
    const event = decoder.next(buf, start, end, limits);
    this.position = decoder.position;
    this.dataStart = decoder.dataStart;
    this.dataEnd = decoder.dataEnd;
    if (event === 'end') this.#isDone = true;
    return event;
  }
}
