// Small TCP and UDP servers on loopback that do with what they get what a test wants.

import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';

export class TcpOrigin implements AsyncDisposable {
  readonly #server: net.Server;
  /** Every connection so far, in order. */
  readonly sockets: net.Socket[] = [];

  private constructor(onSocket: (socket: net.Socket) => void) {
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      this.sockets.push(socket);
      // Tests cut connections: what the system says of that is expected.
      socket.on('error', () => undefined);
      onSocket(socket);
    });
  }

  static async start(onSocket: (socket: net.Socket) => void, host = '127.0.0.1'): Promise<TcpOrigin> {
    const origin = new TcpOrigin(onSocket);
    origin.#server.listen(0, host);
    await once(origin.#server, 'listening');
    return origin;
  }

  /** Sends back what comes, and ends when the client does. */
  static echo(host = '127.0.0.1'): Promise<TcpOrigin> {
    return TcpOrigin.start((socket) => socket.pipe(socket), host);
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export class UdpOrigin implements AsyncDisposable {
  readonly #socket: dgram.Socket;
  readonly datagrams: string[] = [];
  #lastFrom: dgram.RemoteInfo | null = null;

  private constructor(answers: (datagram: string) => readonly string[], type: 'udp4' | 'udp6') {
    this.#socket = dgram.createSocket(type);
    this.#socket.on('message', (bytes, from) => {
      this.#lastFrom = from;
      this.datagrams.push(String(bytes));
      for (const answer of answers(String(bytes))) this.#socket.send(answer, from.port, from.address);
    });
  }

  /** `answers` gives what is sent back for a datagram. */
  static async start(answers: (datagram: string) => readonly string[], address = '127.0.0.1'): Promise<UdpOrigin> {
    const origin = new UdpOrigin(answers, address.includes(':') ? 'udp6' : 'udp4');
    origin.#socket.bind(0, address);
    await once(origin.#socket, 'listening');
    return origin;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Sends something unasked to whoever sent the last datagram. */
  answerAgain(text: string): void {
    if (this.#lastFrom !== null) this.#socket.send(text, this.#lastFrom.port, this.#lastFrom.address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }
}

/** A port of loopback that nobody listens on: taken and given back. */
export async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Reads a socket to its end, and leaves it able to send. Rejects when it is cut. */
export async function readAll(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** Reads until so many bytes have come; the socket stays open. */
export async function readBytes(socket: net.Socket, count: number): Promise<Buffer> {
  while (socket.readableLength < count) {
    await once(socket, 'readable');
    // A read of nothing makes the stream tell when there is more.
    socket.read(0);
  }
  return socket.read(count) as Buffer;
}
