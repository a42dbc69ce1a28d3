// Collects what goes out on one socket during one event, and writes it with as few system calls as possible.
//
// Text (heads, chunk framing, small bodies) is gathered as one latin1 string; bytes above SMALL_BODY_BYTES are written as
// they are, together with the text before them. Nothing is sent until `flush`, the end of the loop turn that `flushSoon`
// was called in, or until a large part is added.
//
// Text for a plain socket on which nothing waits goes straight to the socket's `_write`, the method that Node's stream
// class calls itself: the queue around it costs a fortieth of a request of 1 KB (docs/performance-history.md). TLS needs the
// queue, since its handle takes one write at a time.

import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Flushable, LoopTurn } from './loop-turn.ts';
import { type ReadBuffers, SMALL_BODY_BYTES } from './read-buffers.ts';

/** Text gathered beyond this is written at once, so that many small chunks cannot pile up. */
const MAX_GATHERED_CHARS = 64 * 1024;

/** Who writes. */
export interface WriterOwner {
  /** What blocked has been written. */
  onDrain(): void;
}

export class SocketWriter implements Flushable {
  readonly #buffers: ReadBuffers;
  readonly #turn: LoopTurn;
  #socket: Socket | null = null;
  #text = '';
  /** `flush` follows at the end of the turn. */
  #isLeaving = false;
  #owner: WriterOwner | null = null;
  #onWritten: (() => void) | null = null;
  /** The socket's `_write` may be called. */
  #isPlain = false;
  /** A text given to `_write` has not been taken whole. The stream's queue knows nothing of it. */
  #isTextWaiting = false;
  #onTextTaken: ((error?: Error | null) => void) | null = null;
  /** Large writes that have not been reported finished. */
  #unfinished = 0;
  /** Bytes of them that the system did not take at once. */
  #waitingBytes = 0;
  /** Bytes that the system had not taken when `hasMoved` was asked last. */
  #unsentBefore = 0;
  /** Bytes handed to the socket or gathered, since it was opened. */
  bytesOut = 0;

  /** `buffers` is told what waits; `turn` is that of the worker's event loop. */
  constructor(buffers: ReadBuffers, turn: LoopTurn) {
    this.#buffers = buffers;
    this.#turn = turn;
  }

  /**
   * `owner.onDrain` is called when what blocked has been written. The socket's own `drain` must lead there too: it tells
   * of text beyond the high-water mark, but not of a smaller write that still points into somebody's buffer.
   */
  open(socket: Socket, owner: WriterOwner): void {
    this.#socket = socket;
    this.#owner = owner;
    this.#unfinished = 0;
    this.#text = '';
    this.#isPlain = socket instanceof Socket && !(socket instanceof TLSSocket);
    this.#isTextWaiting = false;
    this.bytesOut = 0;
  }

  /** Adds latin1 text. */
  addText(text: string): void {
    this.#text += text;
    this.bytesOut += text.length;
  }

  /**
   * Adds body bytes. Up to SMALL_BODY_BYTES they are copied; more than that must stay unchanged until `isBlocked` is false.
   */
  addBytes(buf: Buffer, start: number, end: number): void {
    const length = end - start;
    this.bytesOut += length;
    if (length > SMALL_BODY_BYTES) {
      this.#writeThrough(buf.subarray(start, end));
      return;
    }
    this.#text += buf.latin1Slice(start, end);
    if (this.#text.length > MAX_GATHERED_CHARS) this.flush();
  }

  /** Adds bytes of a tunnel: whatever the buffer is used for afterwards, what was added stays as it is. */
  addCopiedBytes(buf: Buffer, start: number, end: number, isOwned: boolean): void {
    if (isOwned || end - start <= SMALL_BODY_BYTES) this.addBytes(buf, start, end);
    else this.addBytes(Buffer.from(buf.subarray(start, end)), 0, end - start);
  }

  /** Adds one chunk of a chunked body (RFC 9112 §7.1). */
  addChunk(buf: Buffer, start: number, end: number): void {
    this.addText(`${(end - start).toString(16)}\r\n`);
    if (end - start <= SMALL_BODY_BYTES) {
      this.addBytes(buf, start, end);
      this.addText('\r\n');
      return;
    }
    // Corked, the size line, the payload and the closing CRLF leave in one system call.
    const socket = this.#socket;
    socket?.cork();
    this.addBytes(buf, start, end);
    this.addText('\r\n');
    this.flush();
    socket?.uncork();
  }

  /** Lets what was gathered leave at the end of this loop turn, together with what is added until then. */
  flushSoon(): void {
    if (this.#text.length > MAX_GATHERED_CHARS) return this.flush();
    if (this.#isLeaving || this.#text === '') return;
    this.#isLeaving = true;
    this.#turn.add(this);
  }

  /** Writes what was gathered. Call it before the socket is ended: what waits for the end of the turn would be lost. */
  flush(): void {
    this.#isLeaving = false;
    if (this.#text === '') return;
    const text = this.#text;
    this.#text = '';
    const socket = this.#socket;
    if (socket === null || !socket.writable) return;
    if (!this.#isPlain || this.#isTextWaiting || socket.writableLength > 0) {
      socket.write(text, 'latin1');
      return;
    }
    this.#isTextWaiting = true;
    socket._write(text, 'latin1', this.#textCallback());
  }

  /** Bytes that the system has not taken yet, however few. */
  get hasUnsent(): boolean {
    return this.#text !== '' || this.#isTextWaiting || (this.#socket !== null && this.#socket.writableLength > 0);
  }

  /** True while bytes given to `addBytes` are still needed, or too much text waits: whoever feeds this must wait. */
  get isBlocked(): boolean {
    const socket = this.#socket;
    if (socket === null || socket.writableLength === 0) return false;
    return this.#unfinished > 0 || socket.writableNeedDrain;
  }

  /**
   * Whether the receiver has taken anything of what waits since this was asked last; asked once, it sets the mark. A slow
   * client may need long for one write, of which Node tells only the end.
   */
  hasMoved(): boolean {
    const before = this.#unsentBefore;
    this.#unsentBefore = unsentBytes(this.#socket);
    return this.#unsentBefore < before;
  }

  /** Called at once when the system takes the text whole. */
  #textCallback(): (error?: Error | null) => void {
    this.#onTextTaken ??= (error) => {
      this.#isTextWaiting = false;
      if (error !== null && error !== undefined) this.#socket?.destroy(error);
    };
    return this.#onTextTaken;
  }

  /** Made with the first large write: most connections never have one. */
  #writtenCallback(): () => void {
    this.#onWritten ??= () => {
      this.#unfinished--;
      if (this.#unfinished > 0) return;
      this.#buffers.waitingBytes -= this.#waitingBytes;
      this.#waitingBytes = 0;
      this.#owner?.onDrain();
    };
    return this.#onWritten;
  }

  #writeThrough(bytes: Buffer): void {
    const socket = this.#socket;
    if (socket === null || !socket.writable) {
      this.#text = '';
      return;
    }
    this.#unfinished++;
    const onWritten = this.#writtenCallback();
    if (this.#text === '') {
      socket.write(bytes, onWritten);
    } else {
      const text = this.#text;
      this.#text = '';
      socket.cork();
      socket.write(text, 'latin1');
      socket.write(bytes, onWritten);
      socket.uncork();
    }
    // What the system took at once is gone, though Node says so only after this turn.
    if (socket.writableLength === 0) return;
    this.#waitingBytes += bytes.length;
    this.#buffers.waitingBytes += bytes.length;
  }
}

/** A private touch, as in Node's own `socket.setTimeout`: without it a write has either not been taken or all of it. */
function unsentBytes(socket: Socket | null): number {
  if (socket === null) return 0;
  const handle = (socket as unknown as { readonly _handle?: { readonly writeQueueSize?: unknown } | null })._handle;
  const size = handle?.writeQueueSize;
  return typeof size === 'number' ? size : socket.writableLength;
}
