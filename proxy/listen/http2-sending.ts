// What one HTTP/2 stream sends: header sections, payload within the windows, and END_STREAM. Both sides of the proxy use it.
//
// Payload goes straight into the output's buffer while windows and room allow; the rest is held here, and the stream waits
// in the send queue. END_STREAM is set on the last frame while that frame is still in the buffer.

import { MAX_FRAME_BYTES, MAX_WINDOW_BYTES } from '../http2/protocol.ts';
import { HeldPayload } from './held-payload.ts';
import type { Http2Output, SendingStream } from './http2-output.ts';
import type { ReadBuffers } from './read-buffers.ts';

/** The stream whose frames these are. */
export interface SendingHome extends SendingStream {
  readonly id: number;
  /** A payload frame of so many bytes was written. */
  onFrameWritten(bytes: number): void;
}

/** `blocked`: the window is used up; `more`: it could go on; `drained`: nothing is held any more. */
export type SendProgress = 'blocked' | 'more' | 'drained';

const EMPTY = Buffer.alloc(0);

export class Http2Sending {
  /** END_STREAM is sent, or on its way. */
  isClosed = false;
  /** Nothing is to be added: END_STREAM goes behind what is held. */
  isEnding = false;
  /** Bytes of frames, headers of theirs included. */
  bytesOut = 0;
  readonly #home: SendingHome;
  readonly #held: HeldPayload;
  #output: Http2Output | null = null;
  #window = 0;
  #trailers = '';
  #lastFrameEpoch = -1;
  #lastFrameAt = 0;

  /** `buffers` is told what waits. */
  constructor(home: SendingHome, buffers: ReadBuffers) {
    this.#home = home;
    this.#held = new HeldPayload(buffers);
  }

  /** Begins anew, with a stream whose window the peer's settings say. */
  open(output: Http2Output): void {
    this.#output = output;
    this.#window = output.peer.initialWindowBytes;
    this.isClosed = false;
    this.isEnding = false;
    this.bytesOut = 0;
    this.#trailers = '';
    this.#lastFrameEpoch = -1;
  }

  /** Payload waits for a window or for room. */
  get isHeldUp(): boolean {
    return !this.#held.isEmpty;
  }

  /** The window changes, also downwards (RFC 9113 §6.9.2). False on overflow. */
  growWindow(bytes: number): boolean {
    this.#window += bytes;
    if (this.#window > MAX_WINDOW_BYTES) return false;
    if (!this.#held.isEmpty) this.#wait();
    return true;
  }

  /** A header section; `status` 0 is for trailers. */
  headers(status: number, lines: string, from: number, isLast: boolean): void {
    const output = this.#output as Http2Output;
    const before = output.frames.bytesOut;
    output.headers(this.#home.id, status, lines, from, isLast);
    this.noteSection(before);
  }

  /** A header section was written since `frames.bytesOut` was `before`: END_STREAM can still be set on it. */
  noteSection(before: number): void {
    const { frames } = this.#output as Http2Output;
    const written = frames.bytesOut - before;
    this.bytesOut += written;
    // A section of several frames is ended by an empty DATA frame instead: END_STREAM belongs to its first one.
    this.#lastFrameEpoch = written <= MAX_FRAME_BYTES ? frames.epoch : -1;
    this.#lastFrameAt = frames.lastFrameAt;
  }

  /** Writes what it can and holds the rest, copied unless `isStable`. False when something is held. */
  send(buf: Buffer, start: number, end: number, isStable: boolean): boolean {
    const output = this.#output as Http2Output;
    let at = start;
    if (this.#held.isEmpty && output.queue.isEmpty) {
      while (at < end && this.#window > 0 && output.hasRoom) at = this.#writeFrame(output, buf, at, end, false);
    }
    if (at === end) return true;
    this.#held.add(buf, at, end, isStable);
    this.#wait();
    return false;
  }

  /** Something is held that the window lets go. */
  get canWrite(): boolean {
    return this.#window > 0 && !this.#held.isEmpty;
  }

  /** Writes one frame of what is held; only when `canWrite`. Sends END_STREAM behind the last one where nothing else is to come. */
  writeSome(): SendProgress {
    const held = this.#held;
    const { buf, start, end } = held.first;
    const isLastPart = held.bytes === end - start && this.isEnding && this.#trailers === '';
    held.use(this.#writeFrame(this.#output as Http2Output, buf, start, end, isLastPart) - start);
    if (!held.isEmpty) return this.#window > 0 ? 'more' : 'blocked';
    if (this.isEnding) this.#end();
    return 'drained';
  }

  /** Ends the sending behind what is held; `trailers` are lines, '' for none. */
  end(trailers: string): void {
    this.#trailers = trailers;
    this.isEnding = true;
    if (this.#held.isEmpty) this.#end();
  }

  /** Forgets what is held, and leaves the queue. */
  drop(): void {
    this.#output?.queue.remove(this.#home);
    this.#held.clear();
  }

  /** Forgets the connection too: the stream is over. */
  close(): void {
    this.drop();
    this.#output = null;
  }

  #wait(): void {
    if (this.#window <= 0) return;
    const output = this.#output as Http2Output;
    output.queue.add(this.#home);
    output.schedule();
  }

  /** Writes one frame of `buf[start..end)`; gives the position behind it. */
  #writeFrame(output: Http2Output, buf: Buffer, start: number, end: number, mayEnd: boolean): number {
    const { frames } = output;
    const size = Math.min(end - start, MAX_FRAME_BYTES, this.#window, output.window);
    const isLast = mayEnd && start + size === end;
    frames.data(this.#home.id, buf, start, start + size, isLast);
    this.#lastFrameEpoch = frames.epoch;
    this.#lastFrameAt = frames.lastFrameAt;
    this.#window -= size;
    output.window -= size;
    this.bytesOut += size + 9;
    this.#home.onFrameWritten(size);
    if (isLast) this.isClosed = true;
    output.schedule();
    return start + size;
  }

  /** Sends END_STREAM: on trailers, on the frame written last where it can still be changed, or on a frame of its own. */
  #end(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.#trailers !== '') return this.headers(0, this.#trailers, 0, true);
    const { frames } = this.#output as Http2Output;
    if (frames.endStreamAt(this.#lastFrameEpoch, this.#lastFrameAt)) return;
    frames.data(this.#home.id, EMPTY, 0, 0, true);
    (this.#output as Http2Output).schedule();
  }
}
