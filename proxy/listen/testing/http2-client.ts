// An HTTP/2 client that sends exactly the frames it is told, right or wrong, and writes down what comes back.
//
// Its framing is written for tests and shares nothing with the proxy's; only received header blocks are decoded with the
// proxy's decoder, which has vectors of its own.

import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import type { HeaderField } from '../../http2/header-field.ts';
import { HpackDecoder } from '../../http2/hpack-decoder.ts';
import { CLIENT_PREFACE, Flag, FrameType } from '../../http2/protocol.ts';

export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export type Fields = ReadonlyArray<readonly [name: string, value: string]>;

export const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'one.test'],
  [':path', '/'],
];

export const POST: Fields = [[':method', 'POST'], ...GET.slice(1)];

/** Builds one frame. */
export function frame(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const out = Buffer.alloc(9 + bytes.length);
  out.writeUIntBE(bytes.length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(streamId, 5);
  bytes.copy(out, 9);
  return out;
}

/** Encodes fields as literals that enter no table. */
export function block(fields: Fields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), string(name), string(value)]));
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  const length: number[] = [];
  let rest = bytes.length;
  if (rest < 127) length.push(rest);
  else {
    length.push(127);
    rest -= 127;
    while (rest >= 128) {
      length.push((rest & 127) | 128);
      rest >>= 7;
    }
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

export function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value >>> 0);
  return out;
}

export class Http2Client {
  readonly socket: net.Socket;
  readonly frames: ReceivedFrame[] = [];
  isEnded = false;
  /** Answers PING and SETTINGS and gives windows back, as a real client does. */
  isPolite = true;
  #rest = Buffer.alloc(0);
  #wake: (() => void) | null = null;
  readonly #decoder = new HpackDecoder(Buffer.alloc(64 * 1024));
  readonly #heads = new Map<number, string[][]>();
  #blockOf = 0;
  #block = Buffer.alloc(0);

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => this.#end());
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#end());
  }

  send(...parts: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** Sends the preface with empty SETTINGS. */
  greet(settings: Buffer = Buffer.alloc(0)): this {
    this.send(Buffer.from(CLIENT_PREFACE, 'latin1'), frame(FrameType.settings, 0, 0, settings));
    return this;
  }

  request(streamId: number, fields: Fields, isLast = true): void {
    const flags = Flag.endHeaders | (isLast ? Flag.endStream : 0);
    this.send(frame(FrameType.headers, flags, streamId, block(fields)));
  }

  data(streamId: number, payload: Buffer | string, isLast = false): void {
    this.send(frame(FrameType.data, isLast ? Flag.endStream : 0, streamId, payload));
  }

  /** Header sections of a stream, `name: value` each. */
  heads(streamId: number): readonly string[][] {
    return this.#heads.get(streamId) ?? [];
  }

  status(streamId: number): string {
    return this.heads(streamId).at(-1)?.[0] ?? '';
  }

  body(streamId: number): string {
    const parts = this.frames.filter((each) => each.type === FrameType.data && each.streamId === streamId);
    return Buffer.concat(parts.map(({ payload }) => payload)).latin1Slice();
  }

  /** The error code of the first RST_STREAM of the stream; -1 when there is none. */
  resetOf(streamId: number): number {
    const found = this.frames.find((each) => each.type === FrameType.rstStream && each.streamId === streamId);
    return found === undefined ? -1 : found.payload.readUInt32BE(0);
  }

  /** The last GOAWAY. */
  get goAway(): { readonly lastStreamId: number; readonly code: number; readonly text: string } | null {
    const found = this.frames.findLast(({ type }) => type === FrameType.goAway);
    if (found === undefined) return null;
    const { payload } = found;
    return { lastStreamId: payload.readUInt32BE(0), code: payload.readUInt32BE(4), text: payload.latin1Slice(8) };
  }

  hasEnded(streamId: number): boolean {
    return this.frames.some(
      ({ type, flags, streamId: id }) =>
        id === streamId && (flags & Flag.endStream) !== 0 && (type === FrameType.data || type === FrameType.headers),
    );
  }

  /** Waits for something to become true; fails after 5 s with what came. */
  async until(isTrue: () => boolean): Promise<void> {
    const deadline = Date.now() + 5_000;
    while (!isTrue()) {
      if (Date.now() > deadline) throw new Error(`timed out; got ${this.#summary()}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 250);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Waits for the complete response of a stream. */
  async response(streamId: number): Promise<{ readonly head: readonly string[]; readonly body: string }> {
    await this.until(() => this.hasEnded(streamId));
    return {
      head: this.heads(streamId).find(([first]) => !/^:status: 1/.test(first ?? '')) ?? [],
      body: this.body(streamId),
    };
  }

  async closed(): Promise<void> {
    await this.until(() => this.isEnded);
  }

  /** Waits until everything sent before has been read: a PING goes round. */
  async settled(): Promise<void> {
    const before = this.#pongs;
    this.send(frame(FrameType.ping, 0, 0, 'settled!'));
    await this.until(() => this.#pongs > before || this.isEnded);
  }

  get #pongs(): number {
    return this.frames.filter(({ type, flags }) => type === FrameType.ping && flags === Flag.ack).length;
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) break;
      const [type, flags] = [this.#rest[3] as number, this.#rest[4] as number];
      const streamId = this.#rest.readUInt32BE(5);
      const payload = Buffer.from(this.#rest.subarray(9, 9 + length));
      this.#rest = this.#rest.subarray(9 + length);
      this.#onFrame({ type, flags, streamId, payload });
    }
    this.#wake?.();
  }

  #onFrame(received: ReceivedFrame): void {
    this.frames.push(received);
    const { type, flags, streamId, payload } = received;
    if (type === FrameType.headers || type === FrameType.continuation) {
      if (type === FrameType.headers) this.#blockOf = streamId;
      this.#block = Buffer.concat([this.#block, payload]);
      if ((flags & Flag.endHeaders) !== 0) this.#decodeBlock();
    }
    if (!this.isPolite) return;
    if (type === FrameType.settings && flags === 0) this.send(frame(FrameType.settings, Flag.ack, 0));
    if (type === FrameType.ping && flags === 0) this.send(frame(FrameType.ping, Flag.ack, 0, payload));
    if (type === FrameType.data && payload.length > 0) {
      const increment = uint32(payload.length);
      this.send(frame(FrameType.windowUpdate, 0, 0, increment), frame(FrameType.windowUpdate, 0, streamId, increment));
    }
  }

  #decodeBlock(): void {
    const fields: string[] = [];
    const sink = { onField: ({ name, value }: HeaderField) => fields.push(`${name.text}: ${value}`) };
    this.#decoder.decode(this.#block, 0, this.#block.length, 1 << 20, sink as never);
    this.#block = Buffer.alloc(0);
    const heads = this.#heads.get(this.#blockOf) ?? [];
    heads.push(fields);
    this.#heads.set(this.#blockOf, heads);
  }

  #end(): void {
    this.isEnded = true;
    this.#wake?.();
  }

  #summary(): string {
    const last = this.frames.slice(-12).map(({ type, flags, streamId, payload }) => {
      return `${type}/${flags}/${streamId}/${payload.length}`;
    });
    return `${this.frames.length} frames, the last ${last.join(' ')}, ended ${this.isEnded}`;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** Connects without TLS, with prior knowledge. */
export async function connectHttp2(port: number): Promise<Http2Client> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  return new Http2Client(socket);
}

/** Connects over TLS and agrees on `h2`. */
export async function connectSecureHttp2(port: number): Promise<Http2Client> {
  const options = { port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] };
  const socket = tls.connect(options);
  await once(socket, 'secureConnect');
  return new Http2Client(socket);
}
