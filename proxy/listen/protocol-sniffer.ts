// Finds out whether a plain connection begins with the HTTP/2 preface (RFC 9113 §3.3), and hands it to its codec.
//
// Stands between the socket and the connection only where `sluice-http2-prior-knowledge` is on. The first byte that no
// preface has decides for HTTP/1.1, so an HTTP/1.1 client never waits.

import type { Socket } from 'node:net';
import type { ProxyContext } from '../forward/context.ts';
import { Deadline, type Timed } from '../forward/timer-wheel.ts';
import { CLIENT_PREFACE } from '../http2/protocol.ts';
import type { Peer } from './peers.ts';
import type { SocketOwner } from './sockets.ts';

export interface SnifferHome {
  readonly context: ProxyContext;
  /** Gives the connection that takes the socket over from here. */
  decided(sniffer: ProtocolSniffer, socket: Socket, isHttp2: boolean): SocketOwner;
  closed(sniffer: ProtocolSniffer): void;
}

export class ProtocolSniffer implements SocketOwner, Timed {
  readonly peer: Peer;
  readonly #home: SnifferHome;
  readonly #deadline = new Deadline(this);
  #socket: Socket | null = null;
  #chosen: SocketOwner | null = null;
  #seen: Buffer | null = null;

  constructor(home: SnifferHome, peer: Peer) {
    this.#home = home;
    this.peer = peer;
  }

  /** Takes the socket, which delivers its events to this object for its whole life. */
  open(socket: Socket): void {
    const { wheel, current } = this.#home.context;
    this.#socket = socket;
    wheel.set(this.#deadline, current.global.clientHeaderTimeoutMs);
  }

  drain(): void {
    this.#close();
  }

  cut(): void {
    this.#close();
  }

  onDeadline(): void {
    this.#close();
  }

  nextBuffer(): Buffer {
    return this.#chosen === null ? this.#home.context.buffers.shared : this.#chosen.nextBuffer();
  }

  onRead(buf: Buffer, start: number, end: number, isOwned: boolean): boolean {
    const chosen = this.#chosen;
    if (chosen !== null) return chosen.onRead(buf, start, end, isOwned);
    const bytes =
      this.#seen === null ? buf.subarray(start, end) : Buffer.concat([this.#seen, buf.subarray(start, end)]);
    const length = Math.min(bytes.length, CLIENT_PREFACE.length);
    const isPreface = bytes.latin1Slice(0, length) === CLIENT_PREFACE.slice(0, length);
    if (isPreface && length < CLIENT_PREFACE.length) {
      this.#seen = Buffer.from(bytes);
      return true;
    }
    return this.#choose(isPreface).onRead(Buffer.from(bytes), 0, bytes.length, true);
  }

  onEnd(): void {
    if (this.#chosen !== null) this.#chosen.onEnd();
    else this.#close();
  }

  onDrain(): void {
    this.#chosen?.onDrain();
  }

  onError(error: NodeJS.ErrnoException): void {
    this.#chosen?.onError(error);
  }

  onClose(): void {
    if (this.#chosen !== null) this.#chosen.onClose();
    else this.#close();
  }

  #choose(isHttp2: boolean): SocketOwner {
    this.#home.context.wheel.remove(this.#deadline);
    this.#seen = null;
    const chosen = this.#home.decided(this, this.#socket as Socket, isHttp2);
    this.#chosen = chosen;
    return chosen;
  }

  #close(): void {
    this.#home.context.wheel.remove(this.#deadline);
    this.#home.closed(this);
    this.#socket?.destroy();
  }
}
