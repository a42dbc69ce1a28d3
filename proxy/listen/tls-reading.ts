// Lets a TLS socket read into our buffers, as plain sockets do, instead of allocating one per record.
//
// Node has that for TLS too (`onread` of `tls.connect`), but not for a socket that a server has accepted: what the option
// does is done here by hand, to three fields of the socket that Node names by symbols. A private touch; where this Node has
// other fields, `canReadTls` says no, and everything comes by `data` events.
//
// One read from the system may hold several records, and Node delivers them all, also behind a pause. What comes while the
// socket is paused is therefore read into a buffer of nobody's and kept in the socket's own queue: it comes by `data` when
// reading goes on, before anything newer.

import net from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Who gets what TLS sockets read. */
export interface TlsSink {
  /** Bytes at the beginning of `buf`, valid only during the call. False pauses the socket. */
  onTlsRead(socket: net.Socket, bytesRead: number, buf: Buffer): boolean;
  /** The buffer for the next read of the socket that was read last. */
  nextTlsBuffer(): Buffer;
}

/** TLS records have at most so much payload (RFC 8446 §5.1). */
const OVERFLOW_BYTES = 16 * 1024;

interface Fields {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly nextBuffer: symbol;
}

interface WithHandle {
  readonly _handle?: { readonly useUserBuffer?: (buffer: Buffer) => void } | null;
}

/** Where Node keeps what `onread` says; null in a Node that does it otherwise. */
const FIELDS = findFields();

/** True when this Node lets us, and nothing that was read before waits in the socket. */
export function canReadTls(socket: TLSSocket): boolean {
  const { _handle: handle } = socket as unknown as WithHandle;
  return FIELDS !== null && socket.readableLength === 0 && typeof handle?.useUserBuffer === 'function';
}

/** The reading of the TLS sockets of one worker: they share its functions. */
export class TlsReader {
  readonly #firstBuffer: Buffer;
  readonly #overflow: Buffer = Buffer.allocUnsafeSlow(OVERFLOW_BYTES);
  readonly #nextBuffer: () => Buffer;
  readonly #callback: (this: net.Socket, bytesRead: number, buf: Buffer) => boolean;
  #last: net.Socket | null = null;

  /** `firstBuffer` is what every socket reads into first. */
  constructor(sink: TlsSink, firstBuffer: Buffer) {
    const reader = this;
    this.#firstBuffer = firstBuffer;
    // Node asks for it right behind the callback, and says nobody for whom.
    this.#nextBuffer = () => {
      const socket = reader.#last;
      return socket === null || isHeldBack(socket) ? reader.#overflow : sink.nextTlsBuffer();
    };
    this.#callback = function (this: net.Socket, bytesRead: number, buf: Buffer): boolean {
      reader.#last = this;
      if (isHeldBack(this)) this.push(Buffer.from(buf.subarray(0, bytesRead)));
      else if (!sink.onTlsRead(this, bytesRead, buf)) this.pause();
      return true;
    };
  }

  /** Follow `canReadTls`. The socket's `data` events must lead to the same owner as `onTlsRead`. */
  attach(socket: TLSSocket): void {
    if (FIELDS === null) return;
    const fields = socket as unknown as Record<symbol, unknown>;
    fields[FIELDS.callback] = this.#callback;
    fields[FIELDS.nextBuffer] = this.#nextBuffer;
    fields[FIELDS.buffer] = this.#firstBuffer;
    (socket as unknown as WithHandle)._handle?.useUserBuffer?.(this.#firstBuffer);
  }
}

/** What comes now must wait, or must not overtake what waits. */
function isHeldBack(socket: net.Socket): boolean {
  return socket.isPaused() || socket.readableLength > 0;
}

function findFields(): Fields | null {
  const symbols = Object.getOwnPropertySymbols(new net.Socket());
  const named = (name: string): symbol | undefined => symbols.find(({ description }) => description === name);
  const buffer = named('kBuffer');
  const callback = named('kBufferCb');
  const nextBuffer = named('kBufferGen');
  if (buffer === undefined || callback === undefined || nextBuffer === undefined) return null;
  return { buffer, callback, nextBuffer };
}
