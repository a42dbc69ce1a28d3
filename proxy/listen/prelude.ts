// What a connection must tell before it is known whose it is and where it goes: a PROXY header, a TLS server name, or both in
// this order.
//
//   proxyHeader -> clientHello -> done        (either may be left out)
//        |              +-> failed            (time limit, end, error; a connection without a server name is done, not failed)
//        +-> failed                           (no header, a malformed one)
// Exists only on listeners whose settings ask for it. When it is done, the home gives the socket to somebody else together
// with all bytes that were not the PROXY header's; reading is paused until that has happened.

import type { Socket } from 'node:net';
import type { ProxyContext } from '../forward/context.ts';
import { Deadline, type Timed } from '../forward/timer-wheel.ts';
import { readClientHello } from '../stream/wire/client-hello.ts';
import { type ProxiedAddresses, readProxyHeader } from '../stream/wire/proxy-header.ts';
import type { SocketOwner } from './sockets.ts';

/** What is to be read. */
export interface PreludeRules {
  readonly expectsProxyHeader: boolean;
  readonly readsClientHello: boolean;
  /** For all of it. */
  readonly timeoutMs: number;
}

/** What was read. */
export interface PreludeResult {
  /** null: no PROXY header was expected, or it names no address. */
  readonly addresses: ProxiedAddresses | null;
  /** null: no ClientHello was to be read, or it names no server. */
  readonly serverName: string | null;
  /** Bytes of the connection so far; the receiver's to keep. */
  readonly rest: Buffer;
}

export interface PreludeHome {
  readonly context: ProxyContext;
  /** Takes the socket, which is paused and still delivers its events to the prelude. */
  preludeDone(prelude: Prelude, socket: Socket, result: PreludeResult): void;
  /** `why` is for the log; '' when the client went away by itself. The socket is destroyed. */
  preludeFailed(prelude: Prelude, why: string): void;
}

/** Room for a usual header and ClientHello; it grows by doubling, so that bytes coming one by one cost no square of copies. */
const FIRST_BYTES = 2048;

export class Prelude implements SocketOwner, Timed {
  readonly #home: PreludeHome;
  readonly #rules: PreludeRules;
  readonly #deadline = new Deadline(this);
  #socket: Socket | null = null;
  #bytes: Buffer = Buffer.alloc(0);
  #length = 0;
  #wanted = 1;
  #addresses: ProxiedAddresses | null = null;
  #phase: 'proxyHeader' | 'clientHello' | 'done' | 'failed';

  constructor(home: PreludeHome, rules: PreludeRules) {
    this.#home = home;
    this.#rules = rules;
    this.#phase = rules.expectsProxyHeader ? 'proxyHeader' : 'clientHello';
  }

  /** Takes the socket. It already delivers its events to this object. */
  open(socket: Socket): void {
    this.#socket = socket;
    this.#home.context.wheel.set(this.#deadline, this.#rules.timeoutMs);
  }

  /** Shutdown: nobody waits for an answer yet. */
  drain(): void {
    this.#fail('');
  }

  cut(): void {
    this.#fail('');
  }

  onDeadline(): void {
    this.#fail(this.#phase === 'proxyHeader' ? 'no PROXY header in time' : 'no ClientHello in time');
  }

  nextBuffer(): Buffer {
    return this.#home.context.buffers.shared;
  }

  onRead(buf: Buffer, start: number, end: number): boolean {
    if (this.#phase === 'done') throw new Error('a socket was read while nobody owned it');
    if (this.#phase === 'failed') return false;
    this.#append(buf, start, end);
    if (this.#length < this.#wanted) return true;
    return this.#phase === 'proxyHeader' ? this.#readProxyHeader() : this.#readClientHello();
  }

  onEnd(): void {
    // A client that has said all it has to say may still wait for an answer; only one that said too little is done for.
    if (this.#phase !== 'done') this.#fail('');
  }

  onDrain(): void {
    // Nothing is written.
  }

  onError(): void {
    // `close` follows.
  }

  onClose(): void {
    if (this.#phase !== 'done') this.#fail('');
  }

  #readProxyHeader(): boolean {
    const reading = readProxyHeader(this.#bytes, this.#length);
    if (reading.kind === 'more') return this.#wait(reading.atLeast);
    if (reading.kind === 'refused') return this.#fail(reading.why);
    this.#addresses = reading.addresses;
    this.#bytes = this.#bytes.subarray(reading.length, this.#length);
    this.#length = this.#bytes.length;
    if (!this.#rules.readsClientHello) return this.#finish(null);
    this.#phase = 'clientHello';
    return this.#length === 0 ? this.#wait(1) : this.#readClientHello();
  }

  #readClientHello(): boolean {
    const reading = readClientHello(this.#bytes, this.#length);
    return reading.kind === 'more' ? this.#wait(reading.atLeast) : this.#finish(reading.serverName);
  }

  #wait(atLeast: number): true {
    this.#wanted = atLeast;
    return true;
  }

  #finish(serverName: string | null): false {
    this.#phase = 'done';
    this.#home.context.wheel.remove(this.#deadline);
    const rest = this.#bytes.subarray(0, this.#length);
    const socket = this.#socket as Socket;
    const result = { addresses: this.#addresses, serverName, rest };
    // Not within the read: the next owner may be TLS, which takes the handle over.
    socket.pause();
    process.nextTick(() => this.#handOver(socket, result));
    return false;
  }

  #handOver(socket: Socket, result: PreludeResult): void {
    if (socket.destroyed) this.#home.preludeFailed(this, '');
    else this.#home.preludeDone(this, socket, result);
  }

  #fail(why: string): false {
    if (this.#phase === 'failed' || this.#phase === 'done') return false;
    this.#phase = 'failed';
    this.#home.context.wheel.remove(this.#deadline);
    this.#socket?.destroy();
    this.#home.preludeFailed(this, why);
    return false;
  }

  #append(buf: Buffer, start: number, end: number): void {
    const length = this.#length + end - start;
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(FIRST_BYTES, length, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    buf.copy(this.#bytes, this.#length, start, end);
    this.#length = length;
  }
}
