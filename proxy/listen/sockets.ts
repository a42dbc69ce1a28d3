// Makes sockets that read into our buffers instead of allocating one per read.
//
// `onread` is an option of `new net.Socket` and `net.connect`, but not of a server: for accepted connections this file
// takes the handle out of Node's socket and wraps it again. That is a private touch (others are in tls-reading.ts and
// session-tickets.ts), and so is that Node calls `onread.callback` on the socket. Where the first is not possible
// (another Node), `attachDataEvents` gives the same calls from `data` events; both are tested. All listeners are
// shared functions that find their owner on the socket: closures for each connection are a tenth of its memory.

import net from 'node:net';
import type { TLSSocket } from 'node:tls';
import { canReadTls, TlsReader, type TlsSink } from './tls-reading.ts';

/** Who owns a socket. `buf` is valid only during the call unless `isOwned`. Returning false pauses reading. */
export interface SocketOwner {
  onRead(buf: Buffer, start: number, end: number, isOwned: boolean): boolean;
  /** The buffer to read into next. */
  nextBuffer(): Buffer;
  onEnd(): void;
  onDrain(): void;
  onError(error: NodeJS.ErrnoException): void;
  onClose(): void;
}

interface WithHandle {
  _handle: unknown;
}

/** True when this Node lets us take the handle of an accepted socket. */
export function canAdopt(accepted: net.Socket): boolean {
  const handle = (accepted as unknown as WithHandle)._handle;
  return typeof handle === 'object' && handle !== null && 'readStart' in handle;
}

/** Adopts the accepted sockets of one worker: their read callbacks are one pair of functions for all. */
export class SocketAdopter implements TlsSink {
  readonly #onread: net.OnReadOpts;
  readonly #tls: TlsReader;
  readonly #firstBuffer: Buffer;
  /** Whose bytes have just been delivered: Node asks for the next buffer right behind the callback. */
  #reader: SocketOwner | null = null;

  /** `firstBuffer` is what every socket reads into first. */
  constructor(firstBuffer: Buffer) {
    const adopter = this;
    this.#firstBuffer = firstBuffer;
    this.#onread = {
      buffer: () => adopter.#reader?.nextBuffer() ?? firstBuffer,
      callback(this: net.Socket, bytesRead: number, buf: Uint8Array): boolean {
        const owner = ownerOf(this);
        adopter.#reader = owner;
        return owner.onRead(buf as Buffer, 0, bytesRead, false);
      },
    } as unknown as net.OnReadOpts;
    this.#tls = new TlsReader(this, firstBuffer);
  }

  onTlsRead(socket: net.Socket, bytesRead: number, buf: Buffer): boolean {
    const owner = ownerOf(socket);
    this.#reader = owner;
    return owner.onRead(buf, 0, bytesRead, false);
  }

  nextTlsBuffer(): Buffer {
    return this.#reader?.nextBuffer() ?? this.#firstBuffer;
  }

  /** Lets a TLS socket whose handshake is complete read into the owner's buffers, where this Node can do that. */
  adoptTls(socket: TLSSocket, owner: SocketOwner): void {
    // What does not go through the buffers comes as `data`: what Node had read before, and what it cannot hold back.
    attachDataEvents(socket, owner);
    if (canReadTls(socket)) this.#tls.attach(socket);
  }

  /** Wraps the handle of a socket accepted with `pauseOnConnect` in a socket that reads into the owner's buffers. */
  adopt(accepted: net.Socket, owner: SocketOwner): net.Socket {
    const holder = accepted as unknown as WithHandle;
    const handle = holder._handle;
    holder._handle = null;
    // A new socket asks for its first buffer when nobody has read yet.
    this.#reader = null;
    const options = { handle, allowHalfOpen: true, onread: this.#onread };
    const socket = new net.Socket(options as unknown as net.SocketConstructorOpts);
    attachEvents(socket, owner);
    socket.resume();
    return socket;
  }
}

/** Opens a connection that reads into the owner's buffers. `host` is an address: nothing is resolved. */
export function connectSocket(host: string, port: number, owner: SocketOwner): net.Socket {
  const options = { host, port, noDelay: true, allowHalfOpen: true, autoSelectFamily: false, onread: onreadOf(owner) };
  const socket = net.connect(options as unknown as net.TcpNetConnectOpts);
  attachEvents(socket, owner);
  return socket;
}

/** Uses `data` events: TLS sockets, and plain ones where the handle cannot be taken. */
export function attachDataEvents(socket: net.Socket, owner: SocketOwner): void {
  attachEvents(socket, owner);
  socket.on('data', onData);
  socket.resume();
}

/** Lets another owner have the events of a socket from now on. Inside `onRead`, its first bytes are handed on by the caller. */
export function changeOwner(socket: net.Socket, owner: SocketOwner): void {
  (socket as OwnedSocket)[OWNER] = owner;
}

/** Takes the events of a socket away from its owner: for a socket that goes on to Node, as under TLS. It is paused. */
export function releaseSocket(socket: net.Socket): void {
  socket.pause();
  socket.off('end', onEnd);
  socket.off('drain', onDrain);
  socket.off('error', onError);
  socket.off('close', onClose);
  socket.off('data', onData);
}

function onreadOf(owner: SocketOwner): net.OnReadOpts {
  return {
    // Node's types want a boolean-free buffer function; it is asked once at the start and after each read.
    buffer: () => owner.nextBuffer(),
    callback: (bytesRead: number, buf: Uint8Array) => owner.onRead(buf as Buffer, 0, bytesRead, false),
  } as net.OnReadOpts;
}

const OWNER = Symbol('owner');

interface OwnedSocket extends net.Socket {
  [OWNER]: SocketOwner;
}

function ownerOf(socket: net.Socket): SocketOwner {
  return (socket as OwnedSocket)[OWNER];
}

function attachEvents(socket: net.Socket, owner: SocketOwner): void {
  (socket as OwnedSocket)[OWNER] = owner;
  socket.on('end', onEnd);
  socket.on('drain', onDrain);
  socket.on('error', onError);
  socket.on('close', onClose);
}

function onData(this: net.Socket, chunk: Buffer): void {
  if (!ownerOf(this).onRead(chunk, 0, chunk.length, true)) this.pause();
}

function onEnd(this: net.Socket): void {
  ownerOf(this).onEnd();
}

function onDrain(this: net.Socket): void {
  ownerOf(this).onDrain();
}

function onError(this: net.Socket, error: NodeJS.ErrnoException): void {
  ownerOf(this).onError(error);
}

function onClose(this: net.Socket): void {
  ownerOf(this).onClose();
}
