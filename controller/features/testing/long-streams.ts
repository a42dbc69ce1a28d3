// Transfers that last as long as a test wants: each step moves one chunk and waits until it has arrived. The origins behind
// them are one server: `/download`, `/upload` and an echo over WebSocket at `/ws`.

import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';
import { type Origin, startOrigin } from './origins.ts';

/** Counts and hashes what arrives. */
class Arrivals {
  bytes = 0;
  readonly #hash: Hash = createHash('sha256');
  #waiting: (() => void)[] = [];
  #failure: Error | null = null;

  constructor(stream: IncomingMessage) {
    stream.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length;
      this.#hash.update(chunk);
      this.#wake();
    });
    stream.once('error', (error) => this.#fail(error));
    stream.once('close', () => {
      if (!stream.complete) this.#fail(new Error(`cut after ${this.bytes} bytes`));
    });
  }

  async reach(bytes: number): Promise<void> {
    while (this.bytes < bytes) {
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  digest(): string {
    return this.#hash.digest('hex');
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** What came out of a transfer, and what was put in. */
export interface TransferReport {
  readonly bytes: number;
  readonly sha256: string;
}

/** A transfer in one direction whose pace is the caller's. */
export class Transfer {
  readonly #sink: ServerResponse | ClientRequest;
  readonly #arrivals: Arrivals;
  readonly #whole: Promise<unknown>;
  readonly #sent = createHash('sha256');
  #sentBytes = 0;

  constructor(sink: ServerResponse | ClientRequest, stream: IncomingMessage) {
    this.#sink = sink;
    this.#arrivals = new Arrivals(stream);
    this.#whole = once(stream, 'end');
    // Awaited only at the end; a failure before is reported by the step that meets it.
    this.#whole.catch(() => undefined);
  }

  /** Sends a chunk and waits until it has arrived. */
  async step(chunk: Buffer): Promise<void> {
    this.#sink.write(chunk);
    this.#sent.update(chunk);
    this.#sentBytes += chunk.length;
    await this.#arrivals.reach(this.#sentBytes);
  }

  /** Ends the transfer and waits for its end on the other side. */
  async finish(): Promise<{ readonly sent: TransferReport; readonly arrived: TransferReport }> {
    this.#sink.end();
    await this.#whole;
    const arrived = { bytes: this.#arrivals.bytes, sha256: this.#arrivals.digest() };
    return { sent: { bytes: this.#sentBytes, sha256: this.#sent.digest('hex') }, arrived };
  }
}

/** The origin of downloads, uploads and echoes. */
export class StreamOrigin {
  readonly origin: Origin;
  readonly #requests: Promise<readonly [IncomingMessage, ServerResponse]>[] = [];
  readonly #echo: WebSocketServer;

  private constructor(origin: Origin) {
    this.origin = origin;
    this.#echo = new WebSocketServer({ server: origin.server, path: '/ws' });
    this.#echo.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
  }

  static async start(): Promise<StreamOrigin> {
    const arrived: ((pair: readonly [IncomingMessage, ServerResponse]) => void)[] = [];
    const origin = await startOrigin((request, response) => arrived.shift()?.([request, response]));
    const self = new StreamOrigin(origin);
    for (let i = 0; i < 2; i++) {
      const { promise, resolve } = Promise.withResolvers<readonly [IncomingMessage, ServerResponse]>();
      arrived.push(resolve);
      self.#requests.push(promise);
    }
    return self;
  }

  /** Starts a download through the proxy on `port`. Start downloads and uploads one after the other. */
  async download(port: number, host: string): Promise<Transfer> {
    const client = httpRequest({ host: '127.0.0.1', port, path: '/download', headers: { host }, agent: false }).end();
    const [, response] = await this.#next();
    response.flushHeaders();
    const [stream] = (await once(client, 'response')) as [IncomingMessage];
    return new Transfer(response, stream);
  }

  async upload(port: number, host: string): Promise<{ readonly transfer: Transfer; readonly status: Promise<number> }> {
    const options = { host: '127.0.0.1', port, path: '/upload', method: 'PUT', headers: { host }, agent: false };
    const client = httpRequest(options);
    client.flushHeaders();
    const status = once(client, 'response').then(([response]) => {
      (response as IncomingMessage).resume();
      return (response as IncomingMessage).statusCode ?? 0;
    });
    // Awaited only at the end; a failure before is met by the next step.
    status.catch(() => undefined);
    const [stream, response] = await this.#next();
    stream.once('end', () => response.end());
    return { transfer: new Transfer(client, stream), status };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#echo.clients) socket.terminate();
    await this.origin[Symbol.asyncDispose]();
  }

  #next(): Promise<readonly [IncomingMessage, ServerResponse]> {
    const request = this.#requests.shift();
    if (request === undefined) throw new Error('this origin has one download and one upload');
    return request;
  }
}

/** A WebSocket to an echo, which must never close. */
export class EchoSocket {
  readonly #socket: WebSocket;
  closed: string | null = null;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('close', (code) => {
      this.closed ??= `closed with code ${code}`;
    });
    socket.on('error', (error) => {
      this.closed ??= error.message;
    });
  }

  static async open(scheme: 'ws' | 'wss', port: number, host: string): Promise<EchoSocket> {
    const options = { headers: { host }, rejectUnauthorized: false, servername: host };
    const socket = new WebSocket(`${scheme}://127.0.0.1:${port}/ws`, options);
    await once(socket, 'open');
    return new EchoSocket(socket);
  }

  /** Sends a line and resolves when the same one is back. */
  async echo(line: string): Promise<void> {
    if (this.closed !== null) throw new Error(`WebSocket ${this.closed}`);
    this.#socket.send(line);
    const signal = AbortSignal.timeout(10_000);
    const [data] = (await once(this.#socket, 'message', { signal })) as [Buffer];
    if (data.toString() !== line) throw new Error(`WebSocket echoed "${data}" for "${line}"`);
  }

  [Symbol.dispose](): void {
    this.#socket.terminate();
  }
}
