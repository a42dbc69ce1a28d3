// An attacker: opens connections with TLS, sends what an attack consists of, and writes down how each of them ended.

import { once } from 'node:events';
import tls from 'node:tls';
import type { Attack } from './attacks.ts';
import { frame, PREFACE, Type } from './frames.ts';

/** What the server said before it ended a connection. */
export interface Ending {
  /** Error code and debug text of the last GOAWAY; -1 and '' without one. */
  readonly goAway: number;
  readonly text: string;
  /** Different codes of RST_STREAM. */
  readonly resets: readonly number[];
  /** From the first byte of the attack to the end of the connection. */
  readonly tookMs: number;
}

const LIMIT_MS = 15_000;
const MAX_FRAME_HEADER = 9;

/** Runs `attack` once on a connection of its own; resolves when the server has ended it, and rejects when it does not. */
export async function attackOnce(port: number, attack: Attack): Promise<Ending> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  await once(socket, 'secureConnect');
  const reader = new EndingReader();
  socket.on('data', (chunk: Buffer) => reader.read(chunk));
  // What is not written by then never is.
  socket.once('end', () => socket.destroy());
  const closed = closeOf(socket);
  const startedAtMs = performance.now();
  socket.write(Buffer.concat([PREFACE, frame(Type.settings, 0, 0)]));
  let at = 0;
  const send = (): void => {
    while (at < attack.parts.length && !socket.destroyed) {
      if (!socket.write(attack.parts[at++] as Buffer)) return void socket.once('drain', send);
    }
  };
  send();
  await closed;
  return { ...reader.ending, tookMs: performance.now() - startedAtMs };
}

function closeOf(socket: tls.TLSSocket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error('the server has not ended the connection')), LIMIT_MS);
  // Writes go on after the server has ended the connection, as those of attackers do: errors say nothing more than that.
  socket.on('error', () => {});
  socket.once('close', () => {
    clearTimeout(timer);
    resolve();
  });
  return promise;
}

class EndingReader {
  #rest: Buffer = Buffer.alloc(0);
  #goAway = -1;
  #text = '';
  readonly #resets = new Set<number>();

  get ending(): Omit<Ending, 'tookMs'> {
    return { goAway: this.#goAway, text: this.#text, resets: [...this.#resets] };
  }

  read(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      if (this.#rest.length - at < MAX_FRAME_HEADER) break;
      const end = at + MAX_FRAME_HEADER + this.#rest.readUIntBE(at, 3);
      if (end > this.#rest.length) break;
      this.#frame(this.#rest.readUInt8(at + 3), this.#rest.subarray(at + MAX_FRAME_HEADER, end));
      at = end;
    }
    this.#rest = this.#rest.subarray(at);
  }

  #frame(type: number, payload: Buffer): void {
    if (type === Type.rstStream) this.#resets.add(payload.readUInt32BE(0));
    if (type !== Type.goAway) return;
    this.#goAway = payload.readUInt32BE(4);
    this.#text = payload.latin1Slice(8);
  }
}

/** Attackers that go on from connection to connection, each with a pause in between, until they are stopped. */
export class Attackers {
  readonly #endings: Ending[] = [];
  readonly #loops: readonly Promise<void>[];
  #isOver = false;

  constructor(port: number, attack: Attack, options: { readonly count: number; readonly pauseMs: number }) {
    this.#loops = Array.from({ length: options.count }, () => this.#loop(port, attack, options.pauseMs));
  }

  /** Lets running attacks end; gives how all of them did. */
  async stop(): Promise<readonly Ending[]> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    return this.#endings;
  }

  async #loop(port: number, attack: Attack, pauseMs: number): Promise<void> {
    while (!this.#isOver) {
      this.#endings.push(await attackOnce(port, attack));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
