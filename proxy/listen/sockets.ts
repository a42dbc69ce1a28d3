// Makes sockets that read into our buffers instead of allocating one per read.
//
// `onread` is an option of `new net.Socket` and `net.connect`, but not of a server: for accepted connections this file
// takes the handle out of Node's socket and wraps it again. That is a private touch (the other one is
// in session-tickets.ts). Where it is not
// possible (another Node, TLS), `attachDataEvents` gives the same calls from `data` events; both are tested.

import net from 'node:net';

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

/** Wraps the handle of a socket accepted with `pauseOnConnect` in a socket that reads into the owner's buffers. */
export function adoptSocket(accepted: net.Socket, owner: SocketOwner): net.Socket {
  const holder = accepted as unknown as WithHandle;
  const handle = holder._handle;
  holder._handle = null;
  const options = { handle, allowHalfOpen: true, onread: onreadOf(owner) };
  const socket = new net.Socket(options as unknown as net.SocketConstructorOpts);
  attachEvents(socket, owner);
  socket.resume();
  return socket;
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
  socket.on('data', (chunk: Buffer) => {
    if (!owner.onRead(chunk, 0, chunk.length, true)) socket.pause();
  });
  socket.resume();
}

function onreadOf(owner: SocketOwner): net.OnReadOpts {
  return {
    // Node's types want a boolean-free buffer function; it is asked once at the start and after each read.
    buffer: () => owner.nextBuffer(),
    callback: (bytesRead: number, buf: Uint8Array) => owner.onRead(buf as Buffer, 0, bytesRead, false),
  } as net.OnReadOpts;
}

function attachEvents(socket: net.Socket, owner: SocketOwner): void {
  socket.on('end', () => owner.onEnd());
  socket.on('drain', () => owner.onDrain());
  socket.on('error', (error: NodeJS.ErrnoException) => owner.onError(error));
  socket.on('close', () => owner.onClose());
}
