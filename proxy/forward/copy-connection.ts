// One connection to the target of copies: an undici client that has one copy under way, or none.
//
// It is the handler of its copies too, so that a copy allocates no more than undici does. The answer is counted and
// dropped as it comes. After anything but a whole answer the connection is closed, whatever state it is in.

import type net from 'node:net';
import type { Client, Dispatcher } from 'undici';
import type { CopyConnector } from './copy-socket.ts';
import { Deadline, type Timed, type TimerWheel } from './timer-wheel.ts';

/** `sent`: answered, whatever the answer was. */
export type CopyEnd = 'sent' | 'failed' | 'timedOut';

/** What goes over the wire, and who wants to know what became of it. */
export interface CopyToSend {
  readonly path: string;
  readonly method: string;
  /** Name, value, name, value ... */
  readonly fields: readonly string[];
  readonly body: Buffer | null;
  /** Called once. */
  onSent(end: CopyEnd): void;
}

/** Who keeps the connections of a worker. */
export interface ConnectionOwner {
  readonly wheel: TimerWheel;
  readonly connect: CopyConnector;
  /** It may take another copy. */
  onFree(connection: CopyConnection): void;
  /** It is closed. */
  onGone(connection: CopyConnection): void;
}

/** More of an answer than this is not waited for: the connection is closed instead. */
const MAX_ANSWER_BYTES = 128 * 1024;

export class CopyConnection implements Dispatcher.DispatchHandler, Timed {
  readonly origin: string;
  readonly #owner: ConnectionOwner;
  readonly #client: Client;
  readonly #deadline = new Deadline(this);
  #copy: CopyToSend | null = null;
  #answerBytes = 0;
  /** Also one that is still opening, which the client does not know yet. */
  #socket: net.Socket | null = null;
  #isClosed = false;

  constructor(origin: string, owner: ConnectionOwner, ClientOf: typeof Client) {
    this.origin = origin;
    this.#owner = owner;
    this.#client = new ClientOf(origin, {
      allowH2: false,
      // The wheel has the time limit of the whole.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (options, opened) => {
        this.#socket = owner.connect(options, opened);
      },
    });
    // Between two copies the target may close it, and so does undici after some seconds.
    this.#client.on('disconnect', () => {
      if (this.#copy === null) this.close();
    });
  }

  /** Sends a copy, which has `timeoutMs` from now on for all, opening the connection included. */
  send(copy: CopyToSend, timeoutMs: number): void {
    this.#copy = copy;
    this.#answerBytes = 0;
    this.#owner.wheel.setNotBefore(this.#deadline, timeoutMs);
    const { path, method, fields, body } = copy;
    // undici knows the methods of its types, and sends others as well; it leaves the fields as they are.
    this.#client.dispatch({ path, method: method as Dispatcher.HttpMethod, headers: fields as string[], body }, this);
  }

  /** Cuts what is under way. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#owner.wheel.remove(this.#deadline);
    this.#owner.onGone(this);
    this.#end('failed');
    void this.#client.destroy();
    this.#socket?.destroy();
    this.#socket = null;
  }

  onRequestStart(): void {}

  onResponseStart(): void {}

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#answerBytes += chunk.length;
    if (this.#answerBytes > MAX_ANSWER_BYTES) this.#endAndClose('sent');
  }

  onResponseEnd(): void {
    if (this.#isClosed) return;
    this.#owner.wheel.clear(this.#deadline);
    this.#owner.onFree(this);
    this.#end('sent');
  }

  onResponseError(): void {
    this.#endAndClose('failed');
  }

  onDeadline(): void {
    this.#endAndClose('timedOut');
  }

  #endAndClose(end: CopyEnd): void {
    this.#end(end);
    this.close();
  }

  #end(end: CopyEnd): void {
    const copy = this.#copy;
    if (copy === null) return;
    this.#copy = null;
    copy.onSent(end);
  }
}
