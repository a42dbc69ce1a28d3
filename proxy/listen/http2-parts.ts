// What all HTTP/2 connections of a worker share: buffers, stream objects, and counters.

import { MAX_BLOCK_BYTES } from '../http2/frame-intake.ts';
import { OutputBuffers } from '../http2/frame-writer.ts';
import type { SampleValue } from '../workers/messages.ts';

const MAX_FREE_STREAMS = 1024;

export class Http2Parts<Stream> {
  readonly buffers = new OutputBuffers();
  /** Strings are decoded here, one at a time. */
  readonly scratch: Buffer = Buffer.allocUnsafeSlow((MAX_BLOCK_BYTES * 8) / 5 + 1);
  /** Connections and streams ended for a reason that is the client's fault, by reason. */
  readonly ended = new Map<string, number>();
  readonly #freeStreams: Stream[] = [];

  takeStream(): Stream | undefined {
    return this.#freeStreams.pop();
  }

  releaseStream(stream: Stream): void {
    if (this.#freeStreams.length < MAX_FREE_STREAMS) this.#freeStreams.push(stream);
  }

  count(reason: string): void {
    this.ended.set(reason, (this.ended.get(reason) ?? 0) + 1);
  }

  /** Counters for metrics. */
  samples(): SampleValue[] {
    const name = 'sluice_http2_faults_total';
    return [...this.ended].map(([reason, value]) => ({ name, labels: { reason }, value }));
  }
}
