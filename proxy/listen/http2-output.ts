// The sending half of an HTTP/2 connection: header blocks, the connection's window, whose turn it is, one write a turn.
//
// Small responses go straight into the output buffer. Payload that a window or a full buffer holds up stays with its
// stream, which waits in the send queue; while it does, its upstream is not read. So a client that does not read costs
// one upstream read per stream and the output limit below, and no more.

import type { Socket } from 'node:net';
import { Deadline, type Timed, type TimerWheel } from '../forward/timer-wheel.ts';
import type { FilledBuffer, FrameWriter } from '../http2/frame-writer.ts';
import { HpackEncoder, type RequestPseudo } from '../http2/hpack-encoder.ts';
import { PeerSettings } from '../http2/peer-settings.ts';
import { type Schedulable, SendQueue } from '../http2/priority.ts';
import {
  ErrorCode,
  type ErrorCodeValue,
  FRAME_HEADER_BYTES,
  INITIAL_WINDOW_BYTES,
  MAX_FRAME_BYTES,
  MAX_WINDOW_BYTES,
} from '../http2/protocol.ts';
import type { Flushable, LoopTurn } from './loop-turn.ts';

/** Payload is put into the buffer up to here; more waits with its stream, where urgency still counts. */
const BUFFER_AHEAD_BYTES = 64 * 1024;
/** With so much unsent the connection is not read: what the client asks for would only pile up. */
const STOP_READING_BYTES = 256 * 1024;

const NOTHING: readonly FilledBuffer[] = [];

/** A stream that has payload waiting. */
export interface SendingStream extends Schedulable {
  /** Writes one frame at most; true when it could go on at once. */
  writeSome(): boolean;
}

/** What an output tells its connection. */
export interface OutputOwner {
  /** Everything written so far is with the system; what held up reading is gone. */
  onSent(): void;
  /** The client has taken nothing for too long. */
  onWriteStalled(): void;
}

/** What an output shares with the others of its worker. */
export interface OutputParts {
  readonly turn: LoopTurn;
  readonly wheel: TimerWheel;
}

export class Http2Output implements Flushable, Timed {
  readonly frames: FrameWriter;
  readonly encoder = new HpackEncoder();
  readonly queue = new SendQueue<SendingStream>();
  /** What the peer has told about itself. */
  readonly peer = new PeerSettings();
  /** Bytes the client takes on the connection (RFC 9113 §6.9); below 0 never. */
  window = INITIAL_WINDOW_BYTES;
  readonly #owner: OutputOwner;
  readonly #turn: LoopTurn;
  readonly #wheel: TimerWheel;
  readonly #stallMs: number;
  readonly #deadline = new Deadline(this);
  #inFlight: readonly FilledBuffer[] = NOTHING;
  #inFlightBytes = 0;
  #socket: Socket | null;
  #isScheduled = false;

  constructor(socket: Socket, frames: FrameWriter, owner: OutputOwner, { turn, wheel }: OutputParts, stallMs: number) {
    this.#socket = socket;
    this.frames = frames;
    this.#owner = owner;
    this.#turn = turn;
    this.#wheel = wheel;
    this.#stallMs = stallMs;
  }

  /** Payload may go into the buffer now. */
  get hasRoom(): boolean {
    return this.window > 0 && this.frames.pendingBytes + this.#inFlightBytes < BUFFER_AHEAD_BYTES;
  }

  /** The client must take something before it may ask for more. */
  get isBlocked(): boolean {
    return this.frames.pendingBytes + this.#inFlightBytes >= STOP_READING_BYTES;
  }

  get isIdle(): boolean {
    return this.#inFlight.length === 0 && this.frames.pendingBytes === 0;
  }

  /** Lets what was written leave at the end of this loop turn. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#turn.add(this);
  }

  /** Takes the peer's SETTINGS and acknowledges them. Gives a connection error or noError. */
  takeSettings(payload: Buffer, start: number, end: number): ErrorCodeValue {
    const code = this.peer.apply(payload, start, end);
    if (code !== ErrorCode.noError) return code;
    this.encoder.setPeerLimit(this.peer.headerTableSize);
    this.frames.settingsAck();
    this.schedule();
    return code;
  }

  /** The peer's window for the connection grew. Gives a connection error or noError (RFC 9113 §6.9). */
  growWindow(increment: number): ErrorCodeValue {
    if (increment === 0) return ErrorCode.protocolError;
    this.window += increment;
    if (this.window > MAX_WINDOW_BYTES) return ErrorCode.flowControlError;
    if (!this.queue.isEmpty) this.schedule();
    return ErrorCode.noError;
  }

  ping(isAck: boolean, payload: Buffer, start: number): void {
    this.frames.ping(isAck, payload, start);
    this.schedule();
  }

  rstStream(streamId: number, code: ErrorCodeValue): void {
    this.frames.rstStream(streamId, code);
    this.schedule();
  }

  /** Lets the peer send more, on a stream or, with id 0, on the connection. Increment 0: not yet. */
  windowUpdate(streamId: number, increment: number): void {
    if (increment === 0) return;
    this.frames.windowUpdate(streamId, increment);
    this.schedule();
  }

  /** Encodes and writes a header section; `status` 0 is for trailers. Lines from `from` on. */
  headers(streamId: number, status: number, lines: string, from: number, isLast: boolean): void {
    this.#section(streamId, status, null, lines, from, isLast);
  }

  /** Encodes and writes the head of a request; `text` is all of it in HTTP/1.1, its further lines begin at `from`. */
  request(streamId: number, request: RequestPseudo, text: string, from: number, isLast: boolean): void {
    this.#section(streamId, 0, request, text, from, isLast);
  }

  #section(
    streamId: number,
    status: number,
    request: RequestPseudo | null,
    text: string,
    from: number,
    isLast: boolean,
  ): void {
    const { frames } = this;
    const room = HpackEncoder.roomFor(text);
    if (room > MAX_FRAME_BYTES) {
      const block = Buffer.allocUnsafe(room);
      frames.headers(streamId, block, 0, this.#encode(status, request, text, from, block, 0), isLast);
    } else {
      const out = frames.reserve(FRAME_HEADER_BYTES + room);
      const end = this.#encode(status, request, text, from, out, frames.cursor + FRAME_HEADER_BYTES);
      frames.headersInPlace(streamId, end, isLast);
    }
    this.schedule();
  }

  #encode(status: number, request: RequestPseudo | null, text: string, from: number, out: Buffer, at: number): number {
    if (request !== null) return this.encoder.encodeRequest(request, text, from, out, at);
    return this.encoder.encode(status, text, from, out, at);
  }

  /** Lets waiting streams write, the most urgent first, as far as the window and the buffer reach. */
  pump(): void {
    while (this.hasRoom) {
      const stream = this.queue.next();
      if (stream === null) return;
      if (stream.writeSome()) this.queue.add(stream);
    }
  }

  /** Writes once. While a write is under way the next one waits for it, and grows meanwhile. */
  flush(): void {
    this.#isScheduled = false;
    const socket = this.#socket;
    if (socket === null || this.#inFlight.length > 0) return;
    this.pump();
    const filled = this.frames.take();
    if (filled.length === 0) return;
    if (!socket.writable) {
      for (const { buffer } of filled) this.frames.release(buffer);
      return;
    }
    this.#wheel.set(this.#deadline, this.#stallMs);
    this.#inFlight = filled;
    const last = filled.length - 1;
    if (last > 0) socket.cork();
    for (let i = 0; i <= last; i++) {
      const { buffer, length } = filled[i] as (typeof filled)[number];
      this.#inFlightBytes += length;
      if (i === last) socket.write(buffer.subarray(0, length), this.#onWritten);
      else socket.write(buffer.subarray(0, length));
    }
    if (last > 0) socket.uncork();
  }

  onDeadline(): void {
    this.#owner.onWriteStalled();
  }

  /** Nothing more goes out. Buffers that the system may still read from are left to it. */
  close(): void {
    this.#socket = null;
    this.#wheel.remove(this.#deadline);
    this.frames.drop();
    this.#inFlight = NOTHING;
    this.#inFlightBytes = 0;
  }

  readonly #onWritten = (): void => {
    if (this.#socket === null) return;
    for (const { buffer } of this.#inFlight) this.frames.release(buffer);
    this.#inFlight = NOTHING;
    this.#inFlightBytes = 0;
    this.#wheel.clear(this.#deadline);
    if (this.frames.pendingBytes > 0 || !this.queue.isEmpty) this.flush();
    this.#owner.onSent();
  };
}
