// One of the two sockets of a connection that is passed on: what it reads, the other one writes.
//
// Bounded: while the other side has bytes that the system did not take, this one is not read. As in HTTP bodies, bytes that a
// write may keep lie in a lease, never in the buffer that all sockets share (docs/design/0002-raw-sockets.md).

import type { Socket } from 'node:net';
import type { LoopTurn } from '../listen/loop-turn.ts';
import { LONG_TRANSFER_BYTES, type ReadBuffers, SMALL_BODY_BYTES } from '../listen/read-buffers.ts';
import { ReadLease } from '../listen/read-lease.ts';
import { SocketWriter } from '../listen/socket-writer.ts';
import type { SocketOwner } from '../listen/sockets.ts';

/** The connection that the side belongs to. */
export interface SideHome {
  /** A byte came. */
  sideRead(): void;
  /** The side sends no more; what it has sent is on its way. */
  sideEnded(side: TcpSide): void;
  /** The socket is gone. `error` is the system's word, '' when it ended well. */
  sideClosed(side: TcpSide, error: string): void;
}

/** What it shares with the other sockets of its worker. */
export interface SideParts {
  readonly buffers: ReadBuffers;
  readonly turn: LoopTurn;
}

export class TcpSide implements SocketOwner {
  readonly #home: SideHome;
  readonly #lease: ReadLease;
  readonly #buffers: ReadBuffers;
  readonly writer: SocketWriter;
  #other: TcpSide | null = null;
  #socket: Socket | null = null;
  /** Its last read was a large one: more will come. */
  #isBulk = false;
  #isPaused = true;
  #error = '';
  /** The other end sends no more. */
  hasEnded = false;
  bytesRead = 0;

  constructor(home: SideHome, { buffers, turn }: SideParts) {
    this.#home = home;
    this.#buffers = buffers;
    this.#lease = new ReadLease(buffers);
    this.writer = new SocketWriter(buffers, turn);
  }

  get socket(): Socket | null {
    return this.#socket;
  }

  /** Takes a socket whose events come here. It must be paused. */
  attach(socket: Socket): void {
    this.#socket = socket;
    this.writer.open(socket, this);
  }

  /** Begins to pass on what is read, or goes on with it. */
  readInto(other: TcpSide): void {
    this.#other = other;
    if (other.writer.isBlocked) return;
    this.#isPaused = false;
    this.#socket?.resume();
  }

  /** Ends the sending direction when all that was written is out. */
  end(): void {
    this.writer.flush();
    this.#socket?.end();
  }

  /**
   * Gives the socket up. `isAborted`: by RST, so that what was cut on one side does not look complete on the other. A write
   * from the lease may still be under way in the system: the lease is not handed on.
   */
  destroy(isAborted: boolean): void {
    this.#lease.drop();
    this.writer.flush();
    if (isAborted) this.#socket?.resetAndDestroy();
    else this.#socket?.destroy();
  }

  nextBuffer(): Buffer {
    return this.#socket === null
      ? this.#buffers.shared
      : this.#lease.nextBuffer(this.#isBulk, this.bytesRead > LONG_TRANSFER_BYTES);
  }

  onRead(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    const other = this.#other;
    if (other === null) throw new Error('a socket was read before there was somebody to write');
    const length = end - start;
    const isSmall = length <= SMALL_BODY_BYTES;
    const lease = this.#lease;
    this.bytesRead += length;
    this.#home.sideRead();
    lease.beginRead();
    if (isSmall || isOwned || lease.owns(buf)) other.writer.addBytes(buf, start, end);
    else other.writer.addBytes(lease.place(buf, start, end), lease.start, lease.start + length);
    other.writer.flushSoon();
    this.#isBulk = !isSmall;
    const isBlocked = other.writer.isBlocked;
    lease.isPending = isBlocked;
    this.#isPaused = isBlocked;
    return !isBlocked;
  }

  onEnd(): void {
    this.hasEnded = true;
    this.#home.sideEnded(this);
  }

  /** What was written is out: the other side may be read again. */
  onDrain(): void {
    this.#other?.resumeReading();
  }

  resumeReading(): void {
    if (!this.#isPaused || this.#other === null || this.#other.writer.isBlocked) return;
    this.#lease.isPending = false;
    this.#isPaused = false;
    this.#socket?.resume();
  }

  onError(error: NodeJS.ErrnoException): void {
    this.#error = error.code ?? error.message;
  }

  onClose(): void {
    this.#home.sideClosed(this, this.#error);
  }
}
