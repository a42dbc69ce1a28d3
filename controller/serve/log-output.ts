// Writes what a server says to stdout or stderr, so that whoever reads it cannot stop the server: a reader that is slow,
// stalled or gone and a full disk cost lines, never traffic.
//
// In: complete lines. Out: the same lines in order, or a count of those that were lost. `write` never throws and never
// waits: pipes and sockets are written without blocking, with a bound on what waits for their reader.

import { fstatSync, writeSync } from 'node:fs';
import type { Writable } from 'node:stream';

/** Bytes that wait for a reader; what comes beyond them is dropped. Some 60,000 lines of the access log. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024;

/** Where the bytes go. */
export interface LogSink {
  /** Bytes that were taken and wait for the reader. */
  readonly pendingBytes: number;
  /** Takes a text without blocking on a reader; throws when the text is lost. */
  write(text: string): void;
  /** Calls back when everything taken so far was handed over, or never will be. */
  afterWrites(done: () => void): void;
}

export class LogOutput {
  readonly #sink: LogSink;
  readonly #maxPendingBytes: number;
  #tellTrouble: (why: string) => void = () => undefined;
  #droppedLines = 0;
  #isInTrouble = false;

  constructor(sink: LogSink, maxPendingBytes = MAX_PENDING_BYTES) {
    this.#sink = sink;
    this.#maxPendingBytes = maxPendingBytes;
  }

  /** Lines that were lost so far. */
  get droppedLines(): number {
    return this.#droppedLines;
  }

  /** Calls `tell` each time that lines begin to be lost; not again before half of what waits was read. */
  onTrouble(tell: (why: string) => void): void {
    this.#tellTrouble = tell;
  }

  /** Writes complete lines, or counts them as lost. */
  write(lines: string): void {
    const { pendingBytes } = this.#sink;
    if (pendingBytes > this.#maxPendingBytes) return this.#drop(lines, 'its reader is too slow');
    try {
      this.#sink.write(lines);
      if (pendingBytes <= this.#maxPendingBytes / 2) this.#isInTrouble = false;
    } catch (error) {
      this.#drop(lines, (error as Error).message);
    }
  }

  /** Resolves when nothing waits for the reader any more, or after `limitMs`: before an exit. */
  async settled(limitMs: number): Promise<void> {
    if (this.#sink.pendingBytes === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limitMs);
    this.#sink.afterWrites(resolve);
    await promise;
    clearTimeout(timer);
  }

  #drop(lines: string, why: string): void {
    for (let at = lines.indexOf('\n'); at !== -1; at = lines.indexOf('\n', at + 1)) this.#droppedLines++;
    if (this.#isInTrouble) return;
    // First, because the listener may write here itself.
    this.#isInTrouble = true;
    this.#tellTrouble(why);
  }
}

/** The output of a standard stream of this process: `fd` is its number, `stream` what Node has for it. */
export function standardOutput(fd: 1 | 2, stream: Writable): LogOutput {
  const stats = fstatSync(fd);
  // A terminal is a character device too, but Node writes it in the right way for each system.
  const isFile = stats.isFile() || (stats.isCharacterDevice() && !isTerminal(stream));
  // Warnings of Node itself go to the stream as well: its errors must have a listener in any case.
  const sink = new StreamSink(stream);
  return new LogOutput(isFile ? new FileSink(fd) : sink);
}

function isTerminal(stream: Writable): boolean {
  return 'isTTY' in stream && stream.isTTY === true;
}

/** A file: written at once. Each write is tried, so that lines go on when a full disk has room again. */
export class FileSink implements LogSink {
  readonly pendingBytes = 0;
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(text: string): void {
    let rest = Buffer.from(text);
    while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest));
  }

  afterWrites(done: () => void): void {
    done();
  }
}

/** A pipe, socket or terminal. A reader that is gone does not come back. */
export class StreamSink implements LogSink {
  readonly #stream: Writable;
  #failure: Error | null = null;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', (error) => {
      this.#failure = error;
    });
  }

  get pendingBytes(): number {
    return this.#failure === null ? this.#stream.writableLength : 0;
  }

  write(text: string): void {
    if (this.#failure !== null) throw this.#failure;
    this.#stream.write(text);
  }

  afterWrites(done: () => void): void {
    this.#stream.write('', () => done());
  }
}
